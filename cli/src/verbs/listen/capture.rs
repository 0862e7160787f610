//! The capture of `udp listen --write`, as the user names it: a file, a row of files, or standard output.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Result, bail};

use crate::hint::Hint;
use crate::runtime::output_file::{self, STANDARD_OUTPUT};
use udpkit_capture::{CaptureFiles, Rotation, WriteOptions};

/// Creates the file, or the first of the row; `-` is standard output.
pub(super) fn create(name: &Path, rotation: Option<Rotation>, options: WriteOptions) -> Result<CaptureFiles> {
    if let Some(rotation) = rotation {
        if name.as_os_str() == STANDARD_OUTPUT || name.as_os_str().as_encoded_bytes().ends_with(b"/") {
            bail!("--rotate needs the name of a file, to put numbers in: '{}' is none", name.display());
        }
        return Ok(CaptureFiles::in_a_row(name, rotation, options)?);
    }
    let file = output_file::create(name)?;
    if file.is_terminal() {
        return Err(Hint::on("a capture could take over the terminal", "write it to a file or into a pipe"));
    }
    Ok(CaptureFiles::in_file(file, name, options))
}
