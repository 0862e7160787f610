//! The programs in the README. They are compiled, and run where they end, with the tests of the documentation.

use std::path::Path;

#[test]
fn its_server_is_the_example() {
    let read = |path| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (readme, example) = (read("../README.md"), read("examples/server.rs"));
    let program = &example[example.find("use udpkit::").unwrap()..];
    assert!(readme.contains(&format!("```rust,no_run\n{program}```\n")), "README.md has another server");
}
