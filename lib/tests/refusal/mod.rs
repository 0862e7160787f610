//! Programs for which the system refuses an option or a call: by a library that is compiled here and preloaded into them.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::netns::skip;

/// What is refused to a program that was started by [`refuse`].
pub(crate) const REFUSED: &str = "UDP_REFUSE";
/// The number of the error that it gets.
const ERROR: &str = "UDP_REFUSE_WITH";

/// Numbers of errors with which systems refuse things.
pub(crate) const EPERM: i32 = 1;
pub(crate) const EIO: i32 = 5;
pub(crate) const EACCES: i32 = 13;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ENOSYS: i32 = 38;
pub(crate) const ENOPROTOOPT: i32 = 92;
pub(crate) const EAFNOSUPPORT: i32 = 97;
pub(crate) const EADDRNOTAVAIL: i32 = 99;

/// Lets the system refuse these to a program (names in `refuse.c`, with commas between them).
pub(crate) fn refuse(command: &mut Command, names: &str, error: i32) {
    command.env("LD_PRELOAD", library()).env(REFUSED, names).env(ERROR, error.to_string());
}

/// Sets the system's clock an hour ahead for a program, once there is this file.
pub(crate) fn step_clock(command: &mut Command, file: &Path) {
    command.env("LD_PRELOAD", library()).env("UDP_STEP_CLOCK", file);
}

/// Whether this can be tried here; if not, says so, or panics where `UDP_REQUIRE_ALL=1`.
pub(crate) fn is_possible() -> bool {
    let compiler = Command::new("cc").arg("--version").output();
    if let Err(error) = &compiler {
        skip(&format!("cannot run cc: {error}"));
    }
    compiler.is_ok()
}

/// The library, compiled by the first who asks for it.
fn library() -> &'static Path {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lib/tests/refusal/refuse.c");
        // Other tests do the same in processes of their own; as another user, not where this was built.
        let name = format!("refuse-{}.so", std::process::id());
        let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        let is_ours = std::fs::write(&beside, "").is_ok();
        let library = if is_ours { beside } else { std::env::temp_dir().join(name) };
        let mut compile = Command::new("cc");
        compile.args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
        let compiled = compile.output().expect("cc can be run");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        // One file, however often this runs.
        let kept = library.with_file_name("refuse.so");
        if is_ours && std::fs::rename(&library, &kept).is_ok() { kept } else { library }
    });
    &LIBRARY
}
