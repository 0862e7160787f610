//! The keys of `udp reflect`: a file, a directory with one for each session identifier, or both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use udpkit::verbs::ReflectKeys;

use crate::args::ReflectArgs;
use crate::hint::Hint;
use crate::runtime::key_file;

/// How the names of key files end; others in a directory are left alone.
const EXTENSION: &str = "key";

/// Where the keys are.
pub(super) struct Source {
    file: Option<PathBuf>,
    directory: Option<PathBuf>,
}

impl Source {
    pub(super) fn of(args: &ReflectArgs) -> Self {
        Self { file: args.key_file.clone(), directory: args.keys.clone() }
    }

    /// Whether any key was asked for.
    pub(super) fn is_some(&self) -> bool {
        self.file.is_some() || self.directory.is_some()
    }

    /// All keys. There is none where none was asked for, and an error where any cannot be used.
    pub(super) fn read(&self) -> Result<ReflectKeys> {
        let mut keys = ReflectKeys::default();
        if let Some(file) = &self.file {
            keys = keys.with_any(key_file::read(file)?);
        }
        let Some(directory) = &self.directory else { return Ok(keys) };
        for (ssid, file) in files(directory)? {
            keys = keys.with(ssid, key_file::read(&file)?);
        }
        if keys.is_empty() {
            return Err(Hint::on(
                format!("there is no key in '{}'", directory.display()),
                "a key for session identifier 7 is in a file 7.key; without --keys, everybody is answered",
            ));
        }
        Ok(keys)
    }
}

/// The files of a directory that hold keys, by session identifier.
fn files(directory: &Path) -> Result<BTreeMap<u16, PathBuf>> {
    let failed = || format!("cannot read the keys in '{}'", directory.display());
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        let ssid = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        let Some(ssid) = ssid else {
            return Err(Hint::on(
                format!("cannot use the key '{}': its name is not a session identifier", path.display()),
                "the key for session identifier 7 is in a file 7.key; 0.key is for senders without one",
            ));
        };
        if let Some(other) = files.insert(ssid, path.clone()) {
            bail!("'{}' and '{}' are both for session identifier {ssid}", other.display(), path.display());
        }
    }
    Ok(files)
}
