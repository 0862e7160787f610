//! The capture of `udp listen --write`, as the user names it: a file, a row of files, or standard output.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::hint::Hint;
use udpkit_capture::{CaptureFiles, Rotation, WriteOptions};

/// The name that means standard output.
const STANDARD_OUTPUT: &str = "-";

/// Creates the file, or the first of the row; `-` is standard output.
pub(super) fn create(name: &Path, rotation: Option<Rotation>, options: WriteOptions) -> Result<CaptureFiles> {
    if let Some(rotation) = rotation {
        if name.as_os_str() == STANDARD_OUTPUT || name.as_os_str().as_encoded_bytes().ends_with(b"/") {
            bail!("--rotate needs the name of a file, to put numbers in: '{}' is none", name.display());
        }
        return Ok(CaptureFiles::in_a_row(name, rotation, options)?);
    }
    let file = if name.as_os_str() == STANDARD_OUTPUT { standard_output() } else { File::create(name) };
    let file = file.with_context(|| format!("cannot create '{}'", name.display()))?;
    if file.is_terminal() {
        return Err(Hint::on("a capture could take over the terminal", "write it to a file or into a pipe"));
    }
    Ok(CaptureFiles::in_file(file, name, options))
}

/// Whether it goes to a program, which may stop reading it; the files of a row do not have this name.
pub(super) fn may_stall(name: &Path) -> bool {
    let metadata = if name.as_os_str() == STANDARD_OUTPUT {
        standard_output().and_then(|output| output.metadata())
    } else {
        std::fs::metadata(name)
    };
    metadata.is_ok_and(|metadata| !metadata.is_file())
}

/// Whether a file is where standard output goes, so that whatever is printed would stand in it, too.
#[cfg(unix)]
pub(super) fn is_standard_output(name: &Path) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let output = standard_output().and_then(|output| output.metadata());
    let is_it = match (std::fs::metadata(name), output) {
        // What goes to /dev/null mixes with nothing.
        (Ok(file), Ok(output)) => {
            !file.file_type().is_char_device() && (file.dev(), file.ino()) == (output.dev(), output.ino())
        }
        _ => false,
    };
    is_it || name.as_os_str() == STANDARD_OUTPUT
}

/// Whether a file is where standard output goes, as far as its name tells.
#[cfg(not(unix))]
pub(super) fn is_standard_output(name: &Path) -> bool {
    name.as_os_str() == STANDARD_OUTPUT
}

/// Standard output as a file.
#[cfg(unix)]
fn standard_output() -> io::Result<File> {
    use std::os::fd::AsFd;
    if udpkit::standard_output_was_closed() {
        return Err(rustix::io::Errno::BADF.into());
    }
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

/// Standard output as a file.
#[cfg(windows)]
fn standard_output() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}
