//! A capture as the user names it: one file, or a row of files of which the oldest go.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use udpkit::{Datagram, Interfaces};

use super::write::Writer;

/// The name that means standard output.
const STANDARD_OUTPUT: &str = "-";

/// When a file is followed by the next, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// What ends a file.
    pub limit: Limit,
    /// Files that are kept, the one that is written among them; all, if it is `None`.
    pub keep: Option<NonZeroUsize>,
}

/// What a file is not to exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes. A file exceeds it only by the description of an interface, or where it holds a single datagram.
    Size(u64),
    /// Time from the first datagram to the last.
    Duration(Duration),
}

/// What a capture is not written to: a terminal, which takes some bytes for commands.
#[derive(Clone, Copy, Debug)]
pub struct IntoTerminal;

impl fmt::Display for IntoTerminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a capture could take over the terminal")
    }
}

impl std::error::Error for IntoTerminal {}

/// Writes a capture into one file, or, with a rotation, into a row of files, each complete in itself.
///
/// The files of a row are those of the given name with a number before its extension: `FILE.pcapng` becomes
/// `FILE-00001.pcapng`, `FILE-00002.pcapng` and so on. Numbers go on after the highest that is there already, so that a
/// program that is started again overwrites nothing; what earlier runs left counts among the files that are kept. A
/// file that stands alone is overwritten.
///
/// The first error is returned, once, and ends the writing, as in [`Writer`].
#[derive(Debug)]
pub struct CaptureFiles {
    /// As the user named it.
    name: PathBuf,
    rotation: Option<Rotation>,
    interfaces: Interfaces,
    writer: Writer<File>,
    /// The file that is written.
    path: PathBuf,
    /// Numbers of the files of the row, the one that is written last.
    row: VecDeque<u64>,
    /// From when the limit on the duration counts.
    begun: SystemTime,
    /// Datagrams in files that are finished, and those that were dropped by then.
    finished: u64,
    finished_dropped: u64,
    /// Files that were begun, and those that were removed.
    files: u64,
    removed: u64,
}

impl CaptureFiles {
    /// Creates the file, or the first of the row.
    pub fn create(
        name: &Path,
        rotation: Option<Rotation>,
        interfaces: Interfaces,
        started: SystemTime,
    ) -> Result<Self> {
        let (mut row, mut removed) = (VecDeque::new(), 0);
        let (path, file) = if let Some(rotation) = rotation {
            if name.as_os_str() == STANDARD_OUTPUT || name.as_os_str().as_encoded_bytes().ends_with(b"/") {
                bail!("--rotate needs the name of a file, to put numbers in: '{}' is none", name.display());
            }
            row = numbers(name).with_context(|| format!("cannot look for files like '{}'", name.display()))?.into();
            next_file(name, &mut row, rotation.keep, &mut removed)?
        } else {
            (name.to_owned(), open(name)?)
        };
        Ok(Self {
            name: name.to_owned(),
            rotation,
            interfaces: interfaces.clone(),
            writer: Writer::new(file, interfaces, started),
            path,
            row,
            begun: started,
            finished: 0,
            finished_dropped: 0,
            files: 1,
            removed,
        })
    }

    /// Writes a datagram, as [`Writer::datagram`] does, into the next file if it is due.
    ///
    /// Files change when a datagram comes; without one, a file may stay open past its duration.
    pub fn datagram(
        &mut self,
        datagram: &Datagram<'_>,
        port: u16,
        received: SystemTime,
        dropped_before: u64,
    ) -> Result<()> {
        if self.is_due(datagram, received) {
            self.rotate(received)?;
        }
        let result = self.writer.datagram(datagram, port, received, dropped_before);
        self.told(result)
    }

    /// Hands over all that is written so far.
    pub fn flush(&mut self) -> Result<()> {
        let result = self.writer.flush();
        self.told(result)
    }

    /// Ends the capture with statistics, as [`Writer::finish`] does; nothing can be written after that.
    pub fn finish(&mut self, received: u64, dropped: u64, ended: SystemTime) -> Result<()> {
        let received = received.saturating_sub(self.finished);
        let result = self.writer.finish(received, dropped.saturating_sub(self.finished_dropped), ended);
        self.told(result)
    }

    /// Datagrams that are in the capture, or will be when it is flushed; those in files that are gone among them.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.finished + self.writer.written()
    }

    /// Files that were begun.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Files of the row that were removed, those of earlier runs among them.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.removed
    }

    /// The file that is written.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn is_due(&mut self, datagram: &Datagram<'_>, received: SystemTime) -> bool {
        let Some(Rotation { limit, .. }) = self.rotation else { return false };
        if self.writer.written() == 0 {
            self.begun = received;
            return false;
        }
        match limit {
            Limit::Size(bytes) => self.writer.len_with(datagram) > bytes,
            Limit::Duration(duration) => match received.duration_since(self.begun) {
                Ok(age) => age >= duration,
                // The clock was set back; what it said before is no measure any more.
                Err(_) => {
                    self.begun = received;
                    false
                }
            },
        }
    }

    fn rotate(&mut self, now: SystemTime) -> Result<()> {
        if self.writer.is_over() {
            return Ok(());
        }
        let (written, dropped) = (self.writer.written(), self.writer.dropped());
        let result = self.writer.finish(written, dropped, now);
        self.told(result)?;
        let keep = self.rotation.and_then(|rotation| rotation.keep);
        let (path, file) = next_file(&self.name, &mut self.row, keep, &mut self.removed)?;
        self.files += 1;
        self.finished += written;
        self.finished_dropped = self.finished_dropped.saturating_add(dropped);
        self.writer = Writer::new(file, self.interfaces.clone(), now);
        self.path = path;
        self.begun = now;
        Ok(())
    }

    fn told(&self, result: io::Result<()>) -> Result<()> {
        result.with_context(|| format!("cannot write '{}'", self.path.display()))
    }
}

/// Opens a file that stands alone; `-` is standard output.
fn open(name: &Path) -> Result<File> {
    let file = if name.as_os_str() == STANDARD_OUTPUT { standard_output() } else { File::create(name) };
    let file = file.with_context(|| format!("cannot create '{}'", name.display()))?;
    if file.is_terminal() {
        return Err(IntoTerminal.into());
    }
    Ok(file)
}

/// Whether a file is where standard output goes, so that whatever is printed would stand in it, too.
#[cfg(unix)]
#[must_use]
pub fn is_standard_output(name: &Path) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let output = standard_output().and_then(|output| output.metadata());
    let is_it = match (fs::metadata(name), output) {
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
#[must_use]
pub fn is_standard_output(name: &Path) -> bool {
    name.as_os_str() == STANDARD_OUTPUT
}

/// Standard output as a file.
#[cfg(unix)]
fn standard_output() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

/// Standard output as a file.
#[cfg(windows)]
fn standard_output() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

/// Removes the files of a row that are too many, counting them, and creates the next.
fn next_file(
    name: &Path,
    row: &mut VecDeque<u64>,
    keep: Option<NonZeroUsize>,
    removed: &mut u64,
) -> Result<(PathBuf, File)> {
    while keep.is_some_and(|keep| row.len() >= keep.get()) {
        let Some(oldest) = row.pop_front() else { break };
        let path = numbered(name, oldest);
        match fs::remove_file(&path) {
            // Somebody else did it.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            result => {
                result.with_context(|| format!("cannot remove '{}'", path.display()))?;
                *removed += 1;
            }
        }
    }
    let number = row.back().map_or(1, |last| last.saturating_add(1));
    let path = numbered(name, number);
    let file = File::create_new(&path).with_context(|| format!("cannot create '{}'", path.display()))?;
    row.push_back(number);
    Ok((path, file))
}

/// The name of a file of a row.
fn numbered(name: &Path, number: u64) -> PathBuf {
    let mut file = OsString::from(name.file_stem().unwrap_or_default());
    file.push(format!("-{number:05}"));
    if let Some(extension) = name.extension() {
        file.push(".");
        file.push(extension);
    }
    name.with_file_name(file)
}

/// The numbers of the files of a row that are there, in order.
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
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{START, Scratch, at, interfaces, meta, netns, require, run, tshark};
    use super::super::{ReadError, Reader};
    use super::*;

    fn rotation(limit: Limit, keep: Option<usize>) -> Option<Rotation> {
        Some(Rotation { limit, keep: keep.and_then(NonZeroUsize::new) })
    }

    fn create(name: &Path, rotation: Option<Rotation>) -> CaptureFiles {
        CaptureFiles::create(name, rotation, interfaces(), at(START)).unwrap()
    }

    /// Writes this many datagrams of 1,000 bytes that begin with their number, a second apart.
    fn write(files: &mut CaptureFiles, count: u32) {
        for number in 0..count {
            let mut payload = [0; 1000];
            payload[..4].copy_from_slice(&number.to_be_bytes());
            let meta = meta("10.0.0.1:40000", "10.0.0.2", number % 2);
            let datagram = Datagram { payload: &payload, wire_len: 1000, meta: &meta };
            let received = at(START + u64::from(number) * 1_000_000_000);
            files.datagram(&datagram, 50_000, received, u64::from(number % 2)).unwrap();
        }
    }

    /// The numbers of the datagrams in a file, which can be read to its end.
    fn read(path: &Path) -> Vec<u32> {
        let mut reader = Reader::open(path).unwrap();
        let mut numbers = Vec::new();
        while let Some(datagram) = reader.next().unwrap() {
            numbers.push(u32::from_be_bytes(*datagram.payload.first_chunk().unwrap()));
        }
        numbers
    }

    fn names(scratch: &Scratch) -> Vec<String> {
        let folder = scratch.file("");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn without_rotation_there_is_one_file() {
        let scratch = Scratch::new("one");
        let name = scratch.with("a.pcapng", &[7; 100_000]);
        let mut files = create(&name, None);
        write(&mut files, 10);
        files.finish(10, 5, at(START)).unwrap();
        assert_eq!((names(&scratch), files.written(), files.path()), (vec!["a.pcapng".to_owned()], 10, &*name));
        assert_eq!(read(&name), Vec::from_iter(0..10));
    }

    #[test]
    fn files_of_a_size_are_not_longer_and_hold_everything_in_order() {
        let scratch = Scratch::new("size");
        let mut files = create(&scratch.file("a.b.pcapng"), rotation(Limit::Size(5000), None));
        write(&mut files, 20);
        files.finish(20, 10, at(START)).unwrap();
        assert_eq!(files.written(), 20);
        let names = names(&scratch);
        assert_eq!((names.len(), &*names[0], &*names[1]), (7, "a.b-00001.pcapng", "a.b-00002.pcapng"));
        let mut all = Vec::new();
        for name in &names {
            let path = scratch.file(name);
            let len = fs::metadata(&path).unwrap().len();
            assert!(len <= 5000, "{name}: {len}");
            all.extend(read(&path));
        }
        assert_eq!(all, Vec::from_iter(0..20));
    }

    #[test]
    fn a_datagram_longer_than_the_limit_has_a_file_of_its_own() {
        let scratch = Scratch::new("long");
        let mut files = create(&scratch.file("a"), rotation(Limit::Size(1), None));
        write(&mut files, 3);
        files.finish(3, 0, at(START)).unwrap();
        assert_eq!(names(&scratch), ["a-00001", "a-00002", "a-00003"]);
    }

    #[test]
    fn files_of_a_duration_hold_what_came_in_it() {
        let scratch = Scratch::new("duration");
        let mut files = create(&scratch.file("a.pcapng"), rotation(Limit::Duration(Duration::from_secs(4)), None));
        write(&mut files, 10);
        // The clock is set back: the file goes on, and its duration is counted anew.
        let moved = meta("10.0.0.1:40000", "10.0.0.2", 0);
        for seconds in [0, 3, 4] {
            let datagram = Datagram { payload: &[0xff; 4], wire_len: 4, meta: &moved };
            files.datagram(&datagram, 50_000, at(START / 2 + seconds * 1_000_000_000), 0).unwrap();
        }
        files.finish(13, 0, at(START)).unwrap();
        let all: Vec<_> = names(&scratch).iter().map(|name| read(&scratch.file(name))).collect();
        assert_eq!(all, [&[0, 1, 2, 3][..], &[4, 5, 6, 7], &[8, 9, u32::MAX, u32::MAX], &[u32::MAX]]);
    }

    #[test]
    fn the_newest_files_are_kept_those_of_earlier_runs_among_them() {
        let scratch = Scratch::new("keep");
        for other in ["a-00007.pcapng", "a-7.pcapng", "a-0007.pcapng", "ab-00009.pcapng", "a-00009.pcap", "a.pcapng"] {
            scratch.with(other, b"");
        }
        let mut files = create(&scratch.file("a.pcapng"), rotation(Limit::Size(1), Some(3)));
        write(&mut files, 2);
        let others = ["a-0007.pcapng", "a-7.pcapng", "a.pcapng", "ab-00009.pcapng", "a-00009.pcap"];
        let row = |scratch: &Scratch| -> Vec<_> {
            names(scratch).into_iter().filter(|name| !others.contains(&name.as_str())).collect()
        };
        assert_eq!(row(&scratch), ["a-00007.pcapng", "a-00008.pcapng", "a-00009.pcapng"]);
        write(&mut files, 3);
        assert_eq!(row(&scratch), ["a-00010.pcapng", "a-00011.pcapng", "a-00012.pcapng"]);
        files.finish(5, 0, at(START)).unwrap();
        assert_eq!((files.written(), names(&scratch).len()), (5, 3 + others.len()));
    }

    #[test]
    fn other_programs_read_every_file_and_its_drops() {
        if !require("tshark") || !require("capinfos") {
            return;
        }
        let scratch = Scratch::new("rotated");
        let mut files = create(&scratch.file("a.pcapng"), rotation(Limit::Size(5000), None));
        write(&mut files, 6);
        files.finish(6, 3, at(START)).unwrap();
        for (name, drops) in [("a-00001.pcapng", vec!["", "1", ""]), ("a-00002.pcapng", vec!["1", "", "1"])] {
            let drops: Vec<_> = drops.into_iter().map(|drops| vec![drops.to_owned()]).collect();
            assert_eq!(tshark(&scratch.file(name), &[], &["frame.drop_count"]), drops);
            let said = run("capinfos", &[scratch.file(name).to_str().unwrap()]);
            assert!(said.contains("Number of interfaces in file: 2"), "{said}");
        }
    }

    #[test]
    fn errors_name_the_file_and_are_told_once() {
        let scratch = Scratch::new("errors");
        let nowhere = scratch.file("no/where.pcapng");
        for rotation in [None, rotation(Limit::Size(1), None)] {
            let error = CaptureFiles::create(&nowhere, rotation, interfaces(), at(START)).unwrap_err();
            assert!(format!("{error:#}").contains("where.pcapng': "), "{error:#}");
        }
        let mut files = create(&scratch.file("a"), rotation(Limit::Size(1), None));
        write(&mut files, 1);
        scratch.with("a-00002", b"somebody else's");
        let meta = meta("10.0.0.1:40000", "10.0.0.2", 0);
        let datagram = Datagram { payload: b"", wire_len: 0, meta: &meta };
        let error = files.datagram(&datagram, 1, at(START), 0).unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot create '") && format!("{error:#}").contains("a-00002"));
        write(&mut files, 5);
        files.finish(7, 0, at(START)).unwrap();
        assert_eq!((files.written(), fs::read(scratch.file("a-00002")).unwrap()), (1, b"somebody else's".to_vec()));
    }

    #[test]
    fn a_disk_that_runs_full_leaves_a_valid_capture() {
        let script = "mkdir /run/small\nmount -t tmpfs -o size=600k none /run/small";
        let name = "rotate::tests::a_disk_that_runs_full_leaves_a_valid_capture";
        if !netns::enter(name, script) {
            return;
        }
        let path = Path::new("/run/small/a.pcapng");
        let mut files = create(path, None);
        let (payload, meta) = ([0; 1000], meta("10.0.0.1:40000", "10.0.0.2", 0));
        let datagram = Datagram { payload: &payload, wire_len: 1000, meta: &meta };
        let results: Vec<_> = (0..2000).map(|_| files.datagram(&datagram, 50_000, at(START), 0)).collect();
        let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        assert_eq!(errors.len(), 1);
        let expected = "cannot write '/run/small/a.pcapng': No space left on device (os error 28)";
        assert_eq!(format!("{:#}", errors[0]), expected);
        files.finish(2000, 0, at(START)).unwrap();
        assert!(files.written() > 500);
        assert_eq!(read(path).len() as u64, files.written());
        if require("capinfos") {
            let said = run("capinfos", &["-M", "-c", path.to_str().unwrap()]);
            assert!(said.contains(&format!("Number of packets:   {}", files.written())), "{said}");
        }
    }

    #[test]
    fn what_is_flushed_can_be_read_while_it_is_written() {
        let scratch = Scratch::new("flushed");
        let name = scratch.file("a.pcapng");
        let mut files = create(&name, None);
        assert!(matches!(Reader::open(&name), Err(ReadError::NotACapture("it is empty"))));
        for count in 1..5 {
            write(&mut files, 1);
            files.flush().unwrap();
            assert_eq!(read(&name).len(), count);
        }
    }
}
