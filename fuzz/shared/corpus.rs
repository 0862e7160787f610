//! For the tests of each crate: what a fuzz target has kept in its corpus is run.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Runs every file of a target's corpus; a corpus without files would check nothing.
pub(crate) fn run(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    property(&[]);
    for file in files {
        let bytes = fs::read(&file).unwrap();
        assert!(catch_unwind(|| property(&bytes)).is_ok(), "{} fails", file.display());
    }
}
