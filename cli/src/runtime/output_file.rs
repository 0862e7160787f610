//! Files that a verb writes while it runs, as the user names them: made, or standard output.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};

/// The name that means standard output.
pub(crate) const STANDARD_OUTPUT: &str = "-";

/// Creates the file, or empties the one that there is; `-` is standard output. From then on a file that reaches the process's limit
/// (`ulimit -f`) is an error of writing, and not the end of the process.
///
/// # Errors
///
/// What the system says of the file.
pub(crate) fn create(name: &Path) -> Result<File> {
    let file = if name.as_os_str() == STANDARD_OUTPUT { standard_output() } else { File::create(name) };
    outlive_limits();
    file.with_context(|| format!("cannot create '{}'", name.display()))
}

/// Has the system say that a file is too long instead of ending the process (SIGXFSZ).
#[cfg(unix)]
fn outlive_limits() {
    // Nobody looks at the flag, and where it cannot be set all is as before.
    let is_hit = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, is_hit);
}

#[cfg(not(unix))]
fn outlive_limits() {}

/// Whether it goes to a program, which may stop reading it; the files of a row do not have this name.
pub(crate) fn may_stall(name: &Path) -> bool {
    let metadata = if name.as_os_str() == STANDARD_OUTPUT {
        standard_output().and_then(|output| output.metadata())
    } else {
        std::fs::metadata(name)
    };
    metadata.is_ok_and(|metadata| !metadata.is_file())
}

/// Whether a file is where standard output goes, so that whatever is printed would stand in it, too.
#[cfg(unix)]
pub(crate) fn is_standard_output(name: &Path) -> bool {
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
pub(crate) fn is_standard_output(name: &Path) -> bool {
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
