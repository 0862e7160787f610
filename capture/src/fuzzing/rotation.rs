//! Rotation: the files of a row together have what was written, each within its limit, and no more of them than are kept.

use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arbitrary::{Result, Unstructured};

use super::made;
use super::reading::Contents;
use super::writing::{assert_read, cases};
use crate::rotate::{CaptureFiles, Limit, Rotation};
use crate::write::WriteOptions;

/// More than the description of an interface and the statistics of all three take.
const ON_TOP: u64 = 600;

/// Writes datagrams into a row of files and reads those that are left.
pub fn rotation(data: &[u8]) {
    let folder = std::env::temp_dir().join(format!("udpkit-rotation-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("there is a place for temporary files");
    // Bytes that are too few for a limit make no case.
    let _ = write(&mut Unstructured::new(data), &folder);
    let _ = fs::remove_dir_all(&folder);
}

fn write(bytes: &mut Unstructured<'_>, folder: &Path) -> Result<()> {
    let limit = if bytes.arbitrary()? {
        Limit::Size(bytes.int_in_range(1..=3000)?)
    } else {
        Limit::Duration(Duration::from_nanos(
            1 + (u64::from(bytes.arbitrary::<u32>()?) << bytes.int_in_range(0..=12u8)?),
        ))
    };
    let keep = if bytes.ratio(1, 3)? { NonZeroUsize::new(bytes.int_in_range(1..=3)?) } else { None };
    let cases = cases(bytes);
    let options = WriteOptions { interfaces: made::interfaces("eth0"), ..WriteOptions::default() };
    let name = folder.join("row.pcapng");
    let mut row = CaptureFiles::in_a_row(&name, Rotation::new(limit, keep), options).expect("there is room");
    for case in &cases {
        row.datagram(&case.datagram(), case.port, case.dropped).expect("there is room");
    }
    row.finish(cases.len() as u64, 0).expect("there is room");
    assert_eq!(row.written(), cases.len() as u64);

    let entries = fs::read_dir(folder).expect("it is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it is there").path()).collect();
    files.sort();
    assert_eq!(files.len() as u64, row.files() - row.removed());
    assert!(keep.is_none_or(|keep| files.len() <= keep.get()));
    let readings: Vec<_> = files.iter().map(|file| read(file, limit)).collect();
    let kept: u64 = readings.iter().map(|read| read.counts.packets).sum();
    assert!(keep.is_some() || kept == cases.len() as u64);
    let mut rest = &cases[cases.len() - usize::try_from(kept).expect("it is in memory")..];
    for read in readings {
        let (these, others) = rest.split_at(usize::try_from(read.counts.packets).expect("it is in memory"));
        assert_read(read, these, "eth0");
        rest = others;
    }
    Ok(())
}

fn read(file: &Path, limit: Limit) -> Contents {
    let input = File::open(file).expect("it is there");
    let len = input.metadata().expect("it is there").len();
    let contents = Contents::read(input);
    if let Limit::Size(most) = limit {
        assert!(contents.counts.packets == 1 || len <= most + ON_TOP, "{len} bytes of {most}");
    }
    contents
}
