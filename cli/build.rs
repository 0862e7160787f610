//! Says which target the command was built for and, in a release build of a git checkout, from which commit.
//!
//! Only then, since otherwise every commit would build all tests anew.

use std::path::Path;
use std::process::Command;

fn main() {
    say("rerun-if-changed=build.rs");
    say(&format!("rustc-env=UDP_TARGET={}", variable("TARGET")));
    if variable("PROFILE") == "release" {
        let package = variable("CARGO_MANIFEST_DIR");
        if let Some(checkout) = Path::new(&package).parent().and_then(Checkout::of) {
            checkout.changes.iter().for_each(|path| say(&format!("rerun-if-changed={path}")));
            say(&format!("rustc-env=UDP_COMMIT={}", checkout.commit));
        }
    }
}

#[allow(clippy::print_stdout, reason = "that is how a build script is heard")]
fn say(instruction: &str) {
    println!("cargo::{instruction}");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// What is checked out somewhere.
pub(crate) struct Checkout {
    /// Twelve digits.
    pub(crate) commit: String,
    /// Files that change with the commit. All exist: cargo takes a file that does not for one that changed.
    pub(crate) changes: Vec<String>,
}

impl Checkout {
    /// `None` where there is no git, or the folder is not the top of a checkout: it may lie in one of something else.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        if !folder.join(".git").exists() {
            return None;
        }
        let commit = git(folder, &["rev-parse", "--short=12", "HEAD"])?;
        let paths = ["HEAD", "logs/HEAD"].map(|name| git(folder, &["rev-parse", "--git-path", name]));
        let paths = paths.into_iter().flatten().map(|path| folder.join(path)).filter(|path| path.exists());
        Some(Self { commit, changes: paths.map(|path| path.display().to_string()).collect() })
    }
}

/// What git says, where it can.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}
