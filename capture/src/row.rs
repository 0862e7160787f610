//! A row of capture files of one name: the number of the next, and which files go.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use udpkit::{Attempt, Error, Object, Result};

use super::disk::{self, Content};

/// Names that are tried one after another where others create them at the same time.
const MOST_TAKEN: u32 = 65_536;

/// The files whose names are one name with a number in it.
#[derive(Debug)]
pub(crate) struct Row {
    /// The name into which numbers are put.
    name: PathBuf,
    /// The program whose captures may be removed.
    application: String,
    keep: Option<NonZeroUsize>,
    /// The number that was given last, by us or by whoever left the newest name.
    last: u64,
    /// Where not all are kept: the numbers of the captures of ours that are there, in the order in which they go. First are
    /// those of earlier runs without a packet, then the oldest; the one that is written is the last.
    numbers: VecDeque<u64>,
    removed: u64,
    not_removed: u64,
}

impl Row {
    /// Looks for files of the row that are there.
    pub(crate) fn find(name: &Path, application: &str, keep: Option<NonZeroUsize>) -> Result<Self> {
        let ends_like_a_folder = name.as_os_str().as_encoded_bytes().last().map(|&last| char::from(last));
        if name.file_name().is_none() || ends_like_a_folder.is_some_and(std::path::is_separator) {
            let no_name = io::Error::new(ErrorKind::InvalidInput, "there is no name of a file to put numbers in");
            return Err(cannot(Attempt::Create, name, no_name));
        }
        let numbers = numbers(name).map_err(|error| cannot(Attempt::Other("look for files like"), name, error))?;
        let mut row = Self {
            name: name.to_owned(),
            application: application.to_owned(),
            keep,
            last: numbers.last().copied().unwrap_or(0),
            numbers: VecDeque::new(),
            removed: 0,
            not_removed: 0,
        };
        if keep.is_some() {
            let mut without_packets = VecDeque::new();
            for number in numbers {
                match disk::left_by(&row.path(number), application) {
                    Some(Content::Packets) => row.numbers.push_back(number),
                    Some(Content::NoPackets) => without_packets.push_back(number),
                    // What is not ours, or another program's to remove, takes no place among those that are kept.
                    None => {}
                }
            }
            without_packets.append(&mut row.numbers);
            row.numbers = without_packets;
        }
        Ok(row)
    }

    /// Creates the next file.
    pub(crate) fn create(&mut self) -> Result<(PathBuf, File)> {
        let mut taken = 0;
        loop {
            // After the highest number that there can be, the row begins again.
            self.last = self.last.checked_add(1).unwrap_or(1);
            let path = self.path(self.last);
            match File::create_new(&path) {
                Ok(file) => {
                    disk::claim(&file);
                    self.numbers.push_back(self.last);
                    return Ok((path, file));
                }
                // A second program writes the same row, or somebody likes such names.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && taken < MOST_TAKEN => taken += 1,
                Err(error) => return Err(cannot(Attempt::Create, &path, error)),
            }
        }
    }

    /// Takes back a file that was created and could not be begun.
    pub(crate) fn take_back(&mut self, path: &Path, file: &File) {
        self.numbers.pop_back();
        // Where that fails, an empty file is left, which the error that follows names.
        let _ = disk::remove_if(path, file);
    }

    /// Removes files, those without a packet and then the oldest, until no more are left than are kept; the newest counts where
    /// it `holds` a datagram.
    pub(crate) fn trim(&mut self, holds: bool) {
        let Some(keep) = self.keep else { return self.numbers.clear() };
        while self.numbers.len() > keep.get().saturating_add(usize::from(!holds))
            && let Some(oldest) = self.numbers.pop_front()
        {
            match disk::remove_if_by(&self.path(oldest), &self.application) {
                Ok(true) => self.removed += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Ok(false) | Err(_) => self.not_removed += 1,
            }
        }
    }

    /// Whether there are more files than are kept.
    pub(crate) fn is_too_long(&self) -> bool {
        self.keep.is_some_and(|keep| self.numbers.len() > keep.get())
    }

    /// Files that were removed.
    pub(crate) fn removed(&self) -> u64 {
        self.removed
    }

    /// Files that were too many and stayed.
    pub(crate) fn not_removed(&self) -> u64 {
        self.not_removed
    }

    /// The name of a file of the row.
    fn path(&self, number: u64) -> PathBuf {
        numbered(&self.name, number)
    }
}

/// What could not be done to a file, and why.
pub(crate) fn cannot(attempt: Attempt, path: &Path, cause: io::Error) -> Error {
    Error::new(attempt, Object::File(path.to_owned()), cause)
}

fn numbered(name: &Path, number: u64) -> PathBuf {
    let mut file = OsString::from(name.file_stem().unwrap_or_default());
    file.push(format!("-{number:05}"));
    if let Some(extension) = name.extension() {
        file.push(".");
        file.push(extension);
    }
    name.with_file_name(file)
}

/// The numbers of the names of a row that are there, whatever they are the names of, in the order in which they were given.
fn numbers(name: &Path) -> io::Result<Vec<u64>> {
    let folder = name.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.file_name();
        let digits = Path::new(&file).file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.rsplit_once('-'));
        let Some(number) = digits.and_then(|(_, digits)| digits.parse().ok()) else { continue };
        // It is one only if we would name it so.
        if numbered(name, number).file_name() == Some(&file) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    rotate_to_the_oldest(&mut numbers);
    Ok(numbers)
}

/// Numbers in a circle, in which 1 follows the highest: the newest stands before the widest gap. So a name with the highest
/// number, whoever made it, does not end the row.
fn rotate_to_the_oldest(sorted: &mut [u64]) {
    let count = sorted.len();
    let gap = |&at: &usize| sorted[(at + 1) % count].wrapping_sub(sorted[at]);
    // Of equal gaps, the one at the end.
    let Some(newest) = (0..count).max_by_key(gap) else { return };
    sorted.rotate_left((newest + 1) % count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_number_is_the_one_before_the_widest_gap() {
        for (sorted, expected) in [
            (&[][..], &[][..]),
            (&[5], &[5]),
            (&[u64::MAX], &[u64::MAX]),
            (&[1, 2, 7], &[1, 2, 7]),
            (&[0, 12_345_678], &[0, 12_345_678]),
            (&[1, 2, u64::MAX], &[u64::MAX, 1, 2]),
            (&[3, u64::MAX - 1, u64::MAX], &[u64::MAX - 1, u64::MAX, 3]),
        ] {
            let mut numbers = sorted.to_vec();
            rotate_to_the_oldest(&mut numbers);
            assert_eq!(numbers, expected);
        }
    }
}
