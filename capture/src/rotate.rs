//! A capture in files: one, or a row of which the oldest go.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use udpkit::{Attempt, Datagram, Result, Train, setters};

use super::disk::claim;
use super::row::{Row, cannot};
use super::write::{WriteOptions, Writer, arrival, each_with_drops, now};

/// When a file is followed by the next, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotation {
    /// What ends a file.
    pub limit: Limit,
    /// Files that are kept, the one that is written among them as soon as it holds a datagram; all, if it is `None`.
    pub keep: Option<NonZeroUsize>,
}

setters! { Rotation {
    limit: Limit,
    into keep: Option<NonZeroUsize>,
}}

impl Rotation {
    /// A rotation at this limit that keeps so many files, or all.
    #[must_use]
    pub fn new(limit: Limit, keep: Option<NonZeroUsize>) -> Self {
        Self { limit, keep }
    }
}

/// What a file is not to exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Bytes. A file exceeds it only by the description of an interface, or where it holds a single datagram.
    Size(u64),
    /// Time from the first datagram to the last.
    Duration(Duration),
}

/// Writes a capture into one file, or into a row of files, each complete in itself.
///
/// The files of a row are those of the given name with a number before its extension: `FILE.pcapng` becomes
/// `FILE-00001.pcapng`, `FILE-00002.pcapng` and so on. Numbers go on after the highest that is there already, so that a
/// program that is started again overwrites nothing, and a name that is taken is passed over. A file that stands alone is
/// overwritten.
///
/// Where not all files are kept, the oldest goes after the next is begun; before it go those without a packet that earlier
/// runs left, so that runs without traffic cost no capture that has some. Only a regular file is ever removed whose section
/// header names the same program, in any version, and (on Unix) which no program is writing: what earlier runs left is
/// removed in its turn, whatever else has such a name stays. Programs that write one row at the same time keep so many
/// files each.
///
/// What stands in a file, and when, is as [`Writer`] has it. The first error is returned, once, and ends the writing; the
/// file then ends with its last whole block, as far as the system lets it.
///
/// ```
/// use std::num::NonZeroUsize;
/// use udpkit::{Meta, Train};
/// use udpkit_capture::{CaptureFiles, Limit, Rotation, WriteOptions};
///
/// # fn main() -> udpkit::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("udpkit-capture-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let name = folder.join("game.pcapng");
/// // The newest ten of game-00001.pcapng, game-00002.pcapng, ..., of at most 100 MB each.
/// let rotation = Rotation::new(Limit::Size(100_000_000), NonZeroUsize::new(10));
/// let mut files = CaptureFiles::in_a_row(&name, rotation, WriteOptions::default())?;
/// let meta = Meta::new("192.0.2.1:5000".parse().unwrap());
/// files.train(Train::new(&meta, b"onetwo", 3), 7000, 0)?;
/// files.finish(2, 0)?;
/// assert_eq!((files.files(), files.written()), (1, 2));
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CaptureFiles {
    /// Where there is a row: its files, and what ends each.
    row: Option<(Row, Limit)>,
    options: WriteOptions,
    writer: Writer<File>,
    /// The file that is written.
    path: PathBuf,
    /// From when the limit on the duration counts.
    begun: SystemTime,
    /// Datagrams in files that are finished, and those that were dropped by then.
    finished: u64,
    finished_dropped: u64,
    /// Files that were begun.
    files: u64,
}

impl CaptureFiles {
    /// Creates a file that stands alone, or empties the one that is there.
    ///
    /// # Errors
    ///
    /// The system's, on that path.
    pub fn create(path: impl AsRef<Path>, options: WriteOptions) -> Result<Self> {
        let path = path.as_ref();
        let file = File::create(path).map_err(|error| cannot(Attempt::Create, path, error))?;
        Ok(Self::in_file(file, path, options))
    }

    /// Writes into a file that is open already, from where it stands; errors call it by this path.
    #[must_use]
    pub fn in_file(file: File, path: impl AsRef<Path>, options: WriteOptions) -> Self {
        claim(&file);
        let started = now();
        let writer = Writer::begin(file, options.clone(), started);
        Self::with(None, path.as_ref().to_owned(), writer, options, started)
    }

    /// Creates the first file of a row.
    ///
    /// # Errors
    ///
    /// The system's, when it looks for files of the row or creates one; a name that ends like a folder's.
    pub fn in_a_row(name: impl AsRef<Path>, rotation: Rotation, options: WriteOptions) -> Result<Self> {
        let mut row = Row::find(name.as_ref(), &options.application, rotation.keep)?;
        let started = now();
        let (path, writer) = next(&mut row, &options, started)?;
        Ok(Self::with(Some((row, rotation.limit)), path, writer, options, started))
    }

    fn with(
        row: Option<(Row, Limit)>,
        path: PathBuf,
        writer: Writer<File>,
        options: WriteOptions,
        started: SystemTime,
    ) -> Self {
        Self { row, writer, options, path, begun: started, finished: 0, finished_dropped: 0, files: 1 }
    }

    /// Writes the datagrams of a train, as [`Writer::train`] does, each into the next file if it is due.
    ///
    /// # Errors
    ///
    /// As [`datagram`](Self::datagram).
    pub fn train(&mut self, train: Train<'_>, port: u16, dropped: u32) -> Result<()> {
        each_with_drops(train, dropped).try_for_each(|(datagram, dropped)| self.datagram(&datagram, port, dropped))
    }

    /// Writes a datagram, as [`Writer::datagram`] does, into the next file if it is due.
    ///
    /// Files change when a datagram comes; without one, a file may stay open past its duration.
    ///
    /// # Errors
    ///
    /// The system's: those of [`in_a_row`](Self::in_a_row), and that a file takes no more.
    pub fn datagram(&mut self, datagram: &Datagram<'_>, port: u16, dropped: u32) -> Result<()> {
        let received = arrival(datagram.meta);
        if self.is_due(datagram, received) {
            self.rotate(received)?;
        }
        let mut result = self.writer.write(datagram, port, received, dropped);
        // An older file makes room as soon as this one holds something.
        if result.is_ok() && self.row.as_ref().is_some_and(|(row, _)| row.is_too_long()) {
            result = self.writer.flush();
        }
        self.settle(result)
    }

    /// Hands over all that is written so far.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn flush(&mut self) -> Result<()> {
        let result = self.writer.flush();
        self.settle(result)
    }

    /// Ends the capture with statistics, as [`Writer::finish`] does; nothing can be written after that.
    ///
    /// `received` and `dropped` are those of all files; each file has its part.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn finish(&mut self, received: u64, dropped: u64) -> Result<()> {
        let received = received.saturating_sub(self.finished);
        let result = self.writer.finish(received, dropped.saturating_sub(self.finished_dropped));
        self.settle(result)
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
        self.row.as_ref().map_or(0, |(row, _)| row.removed())
    }

    /// Files of the row that were too many and stayed: the system refused, another program was writing them, or they were
    /// no captures of this program any more.
    #[must_use]
    pub fn not_removed(&self) -> u64 {
        self.row.as_ref().map_or(0, |(row, _)| row.not_removed())
    }

    /// The file that is written.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn is_due(&mut self, datagram: &Datagram<'_>, received: SystemTime) -> bool {
        let Some((_, limit)) = self.row else { return false };
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

    /// Finishes a file and begins the next.
    fn rotate(&mut self, now: SystemTime) -> Result<()> {
        if self.writer.is_over() {
            return Ok(());
        }
        let (written, dropped) = (self.writer.written(), self.writer.dropped());
        let result = self.writer.end(written, dropped, now);
        self.settle(result)?;
        let Some((row, _)) = &mut self.row else { return Ok(()) };
        let (path, writer) = next(row, &self.options, now)?;
        self.files += 1;
        self.finished += written;
        self.finished_dropped += dropped;
        self.writer = writer;
        self.path = path;
        self.begun = now;
        Ok(())
    }

    /// After writing: an older file goes where this one has taken its place, and an error has the name of the file, from which
    /// what it has of an unfinished block is taken back.
    fn settle(&mut self, result: io::Result<()>) -> Result<()> {
        if let Some((row, _)) = &mut self.row
            && row.is_too_long()
            && self.writer.flushed() > 0
        {
            row.trim(true);
        }
        result.map_err(|error| {
            // Where it is not possible, readers find an unfinished block, and all before it.
            let _ = cut(self.writer.output(), self.writer.unfinished());
            cannot(Attempt::Write, &self.path, error)
        })
    }
}

/// Begins the next file of a row. Its header is written at once, since it says whose file it is; older ones go after that.
fn next(row: &mut Row, options: &WriteOptions, started: SystemTime) -> Result<(PathBuf, Writer<File>)> {
    let (path, file) = row.create()?;
    let mut writer = Writer::begin(file, options.clone(), started);
    if let Err(error) = writer.flush() {
        row.take_back(&path, writer.output());
        return Err(cannot(Attempt::Write, &path, error));
    }
    row.trim(false);
    Ok((path, writer))
}

/// Takes the last bytes of a file back. A pipe keeps them.
fn cut(file: &File, len: u64) -> io::Result<()> {
    let metadata = file.metadata()?;
    if len > 0 && metadata.is_file() { file.set_len(metadata.len().saturating_sub(len)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;

    use super::super::oracle::{START, Scratch, at, meta, netns, options, require, run, statistics, tshark};
    use super::super::{ReadError, Reader};
    use super::*;

    fn rotation(limit: Limit, keep: Option<usize>) -> Option<Rotation> {
        Some(Rotation::new(limit, keep.and_then(NonZeroUsize::new)))
    }

    fn create(name: &Path, rotation: Option<Rotation>) -> CaptureFiles {
        try_create(name, rotation).unwrap()
    }

    fn try_create(name: &Path, rotation: Option<Rotation>) -> Result<CaptureFiles> {
        match rotation {
            Some(rotation) => CaptureFiles::in_a_row(name, rotation, options()),
            None => CaptureFiles::create(name, options()),
        }
    }

    /// Writes this many datagrams of 1,000 bytes that begin with their number, a second apart.
    fn write(files: &mut CaptureFiles, count: u32) {
        for number in 0..count {
            let mut payload = [0; 1000];
            payload[..4].copy_from_slice(&number.to_be_bytes());
            let mut meta = meta("10.0.0.1:40000", "10.0.0.2", number % 2);
            meta.received = Some(at(START + u64::from(number) * 1_000_000_000));
            files.datagram(&Datagram::new(&payload, &meta).wire_len(1000), 50_000, number % 2).unwrap();
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
        files.finish(10, 5).unwrap();
        assert_eq!((names(&scratch), files.written(), files.path()), (vec!["a.pcapng".to_owned()], 10, &*name));
        assert_eq!(read(&name), Vec::from_iter(0..10));
    }

    #[test]
    fn files_of_a_size_are_not_longer_and_hold_everything_in_order() {
        let scratch = Scratch::new("size");
        let mut files = create(&scratch.file("a.b.pcapng"), rotation(Limit::Size(5000), None));
        write(&mut files, 20);
        files.finish(20, 10).unwrap();
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
    fn a_file_may_be_exactly_as_long_as_the_limit() {
        let scratch = Scratch::new("exact");
        let fill = |name: &str, rotation| {
            let mut files = create(&scratch.file(name), rotation);
            for interface in [0, 1, 0] {
                let meta = meta("10.0.0.1:40000", "10.0.0.2", interface);
                files.datagram(&Datagram::new(b"", &meta), 50_000, 1).unwrap();
            }
            files.finish(3, 3).unwrap();
            files.files()
        };
        fill("whole", None);
        let len = fs::metadata(scratch.file("whole")).unwrap().len();
        assert_eq!(fill("a", rotation(Limit::Size(len), None)), 1);
        assert_eq!(fill("b", rotation(Limit::Size(len - 1), None)), 2);
    }

    #[test]
    fn what_took_the_name_of_a_file_stays_and_is_counted_unless_it_is_gone() {
        let scratch = Scratch::new("remove");
        let mut files = create(&scratch.file("a"), rotation(Limit::Size(1), Some(1)));
        write(&mut files, 1);
        fs::remove_file(scratch.file("a-00001")).unwrap();
        write(&mut files, 1);
        files.flush().unwrap();
        assert_eq!((files.files(), files.removed(), files.not_removed()), (2, 0, 0));
        fs::remove_file(scratch.file("a-00002")).unwrap();
        fs::create_dir(scratch.file("a-00002")).unwrap();
        write(&mut files, 1);
        files.finish(3, 0).unwrap();
        assert_eq!((files.files(), files.removed(), files.not_removed()), (3, 0, 1));
        assert_eq!(names(&scratch), ["a-00002", "a-00003"]);
    }

    #[test]
    fn what_the_system_keeps_does_not_end_the_writing() {
        let script = "mkdir /run/held\nmount -t tmpfs none /run/held";
        if !netns::enter("rotate::tests::what_the_system_keeps_does_not_end_the_writing", script) {
            return;
        }
        let folder = Path::new("/run/held");
        let mut files = create(&folder.join("a"), rotation(Limit::Size(1), Some(1)));
        write(&mut files, 1);
        // What is mounted over cannot be removed.
        let [first, outside] = ["/run/held/a-00001", "/run/outside"].map(Path::new);
        fs::copy(first, outside).unwrap();
        run("mount", &["--bind", "/run/outside", "/run/held/a-00001"]);
        write(&mut files, 2);
        files.finish(3, 0).unwrap();
        assert_eq!((files.written(), files.removed(), files.not_removed()), (3, 1, 1));
        assert_eq!(read(&folder.join("a-00003")), [1]);
    }

    /// Files that others made in a row of `.txt`: none is a capture of ours, and each has a name that it could have.
    #[cfg(unix)]
    fn plant(scratch: &Scratch) -> Vec<String> {
        let before = names(scratch);
        scratch.with("row-00000.txt", b"a chapter of a thesis");
        scratch.with("row-12345678.txt", b"");
        let ours = scratch.with("elsewhere", &capture_by("udp 1.0"));
        std::os::unix::fs::symlink(&ours, scratch.file("row-00002.txt")).unwrap();
        std::os::unix::fs::symlink("nowhere", scratch.file("row-00003.txt")).unwrap();
        fs::create_dir(scratch.file("row-00004.txt")).unwrap();
        run("mkfifo", &[scratch.file("row-00005.txt").to_str().unwrap()]);
        scratch.with("row-00006.txt", &capture_by("Dumpcap (Wireshark) 4.4.0"));
        // The highest number that there is, and one that no number is.
        scratch.with("row-18446744073709551615.txt", b"planted");
        scratch.with("row-18446744073709551616.txt", &capture_by("udp 1.0"));
        names(scratch).into_iter().filter(|name| !before.contains(name)).collect()
    }

    fn capture_by(application: &str) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), WriteOptions { application: application.to_owned(), ..options() });
        writer.finish(0, 0).unwrap();
        writer.into_inner()
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_removed_that_this_program_did_not_write() {
        let scratch = Scratch::new("thesis");
        let planted = plant(&scratch);
        scratch.with("row-00007.txt", &capture_by("udp 0.9"));
        let mut files = create(&scratch.file("row.txt"), rotation(Limit::Size(1), Some(1)));
        assert_eq!(files.path(), scratch.file("row-12345679.txt"));
        write(&mut files, 3);
        files.finish(3, 0).unwrap();
        assert_eq!((files.files(), files.removed(), files.not_removed()), (3, 3, 0));
        let expected = [&planted[..], &["row-12345681.txt".to_owned()]].concat();
        let found = names(&scratch);
        assert!(expected.iter().all(|name| found.contains(name)) && found.len() == expected.len(), "{found:?}");
        assert_eq!(fs::read(scratch.file("row-00000.txt")).unwrap(), b"a chapter of a thesis");
        // What another program left there takes no place among those that are kept.
        let mut files = create(&scratch.file("row.txt"), rotation(Limit::Size(1), Some(4)));
        write(&mut files, 3);
        files.finish(3, 0).unwrap();
        assert_eq!((files.removed(), read(&scratch.file("row-12345681.txt"))), (0, vec![2]));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_taken_meanwhile_are_passed_over() {
        let scratch = Scratch::new("taken");
        let mut files = create(&scratch.file("row.txt"), rotation(Limit::Size(1), Some(2)));
        write(&mut files, 1);
        let planted = plant(&scratch);
        write(&mut files, 2);
        files.finish(3, 0).unwrap();
        let ours = ["row-00007.txt", "row-00008.txt"].map(str::to_owned);
        let mut expected = [&planted[..], &ours].concat();
        expected.sort_unstable();
        assert_eq!((names(&scratch), files.removed(), files.files()), (expected, 1, 3));
    }

    #[test]
    fn after_the_highest_number_the_row_begins_again() {
        let scratch = Scratch::new("highest");
        let highest = format!("a-{}", u64::MAX);
        scratch.with(&highest, &capture_by("udp 1.0"));
        let mut files = create(&scratch.file("a"), rotation(Limit::Size(1), Some(2)));
        write(&mut files, 2);
        files.finish(2, 0).unwrap();
        assert_eq!((names(&scratch), files.removed()), (vec!["a-00001".to_owned(), "a-00002".to_owned()], 1));
        // A name that is planted now is the oldest of a row that has begun again.
        scratch.with(&highest, b"");
        assert_eq!(create(&scratch.file("a"), rotation(Limit::Size(1), None)).path(), scratch.file("a-00003"));
    }

    #[test]
    fn two_at_once_write_one_row_and_lose_nothing() {
        let scratch = Scratch::new("two");
        let mut rows = [0; 2].map(|_| create(&scratch.file("a"), rotation(Limit::Size(1), Some(2))));
        for _ in 0..5 {
            for files in &mut rows {
                write(files, 1);
            }
        }
        for files in &mut rows {
            files.finish(5, 0).unwrap();
            assert_eq!((files.written(), files.files(), files.removed()), (5, 5, 3));
        }
        assert_eq!(names(&scratch), ["a-00007", "a-00008", "a-00009", "a-00010"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_another_writes_is_not_removed() {
        let scratch = Scratch::new("written");
        let mut first = create(&scratch.file("a"), rotation(Limit::Size(1_000_000), None));
        write(&mut first, 1);
        first.flush().unwrap();
        let mut second = create(&scratch.file("a"), rotation(Limit::Size(1), Some(1)));
        write(&mut second, 2);
        second.finish(2, 0).unwrap();
        assert_eq!((second.removed(), second.not_removed()), (1, 0));
        write(&mut first, 1);
        first.finish(2, 0).unwrap();
        assert_eq!(read(&scratch.file("a-00001")), [0, 0]);
        assert_eq!(names(&scratch), ["a-00001", "a-00003"]);
    }

    #[test]
    fn the_only_finished_file_stays_until_the_next_holds_a_datagram() {
        let scratch = Scratch::new("only");
        let with = |count| {
            let mut files = create(&scratch.file("a"), rotation(Limit::Size(1), Some(1)));
            write(&mut files, count);
            files
        };
        with(1).finish(1, 0).unwrap();
        let mut files = with(0);
        assert_eq!(names(&scratch), ["a-00001", "a-00002"]);
        write(&mut files, 1);
        assert_eq!((names(&scratch), files.removed()), (vec!["a-00002".to_owned()], 1));
    }

    #[test]
    fn runs_without_a_datagram_remove_no_file_that_has_one() {
        for (keep, left) in [(1, &["a-00001", "a-00006"][..]), (2, &["a-00001", "a-00005", "a-00006"])] {
            let scratch = Scratch::new("restarts");
            let run = |count: u32| {
                let mut files = create(&scratch.file("a"), rotation(Limit::Size(1), Some(keep)));
                write(&mut files, count);
                // One that came was not written.
                files.finish(u64::from(count) + 1, 0).unwrap();
                files.not_removed()
            };
            assert_eq!([1, 0, 0, 0, 0, 0].map(run), [0; 6]);
            assert_eq!(
                (names(&scratch), read(&scratch.file("a-00001"))),
                (left.iter().map(|&name| name.to_owned()).collect(), vec![0])
            );
            run(1);
            let expected = if keep == 1 { &["a-00007"][..] } else { &["a-00001", "a-00007"] };
            assert_eq!(names(&scratch), expected, "{keep}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_begun_costs_no_older_one() {
        let script = "mkdir /run/few /run/full\nmount -t tmpfs -o nr_inodes=4 none /run/few\n\
                      mount -t tmpfs -o size=8k none /run/full";
        if !netns::enter("rotate::tests::a_file_that_cannot_be_begun_costs_no_older_one", script) {
            return;
        }
        for (folder, attempt) in [("/run/few", "create"), ("/run/full", "write")] {
            let name = Path::new(folder).join("a");
            let mut files = create(&name, rotation(Limit::Size(1), None));
            write(&mut files, 2);
            files.finish(2, 0).unwrap();
            // No room is left for one more, be it of a name or of bytes.
            fs::write(Path::new(folder).join("other"), [0; 4096]).unwrap_or_default();
            let error = try_create(&name, rotation(Limit::Size(1), Some(1))).unwrap_err();
            let expected = format!("cannot {attempt} '{folder}/a-00003': no space left on device");
            assert_eq!(format!("{error:#}"), expected);
            let mut left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            left.sort_unstable();
            assert_eq!(left, ["a-00001", "a-00002", "other"]);
            assert_eq!(read(&Path::new(folder).join("a-00002")), [1]);
        }
    }

    #[test]
    fn a_datagram_longer_than_the_limit_has_a_file_of_its_own() {
        let scratch = Scratch::new("long");
        let mut files = create(&scratch.file("a"), rotation(Limit::Size(1), None));
        write(&mut files, 3);
        files.finish(3, 0).unwrap();
        assert_eq!(names(&scratch), ["a-00001", "a-00002", "a-00003"]);
    }

    #[test]
    fn files_of_a_duration_hold_what_came_in_it() {
        let scratch = Scratch::new("duration");
        let mut files = create(&scratch.file("a.pcapng"), rotation(Limit::Duration(Duration::from_secs(4)), None));
        write(&mut files, 10);
        // The clock is set back: the file goes on, and its duration is counted anew.
        let mut moved = meta("10.0.0.1:40000", "10.0.0.2", 0);
        for seconds in [0, 3, 4] {
            moved.received = Some(at(START / 2 + seconds * 1_000_000_000));
            files.datagram(&Datagram::new(&[0xff; 4], &moved).wire_len(4), 50_000, 0).unwrap();
        }
        files.finish(13, 0).unwrap();
        let all: Vec<_> = names(&scratch).iter().map(|name| read(&scratch.file(name))).collect();
        assert_eq!(all, [&[0, 1, 2, 3][..], &[4, 5, 6, 7], &[8, 9, u32::MAX, u32::MAX], &[u32::MAX]]);
    }

    #[test]
    fn the_newest_files_are_kept_those_of_earlier_runs_among_them() {
        let scratch = Scratch::new("keep");
        for other in ["a-00007.pcapng", "a-7.pcapng", "a-0007.pcapng", "ab-00009.pcapng", "a-00009.pcap", "a.pcapng"] {
            scratch.with(other, &capture_by("udp 1.0"));
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
        files.finish(5, 0).unwrap();
        assert_eq!((files.written(), names(&scratch).len()), (5, 3 + others.len()));
        assert_eq!((files.files(), files.removed(), files.path()), (5, 3, &*scratch.file("a-00012.pcapng")));
    }

    #[test]
    fn all_files_together_tell_what_came_and_what_was_dropped() {
        let scratch = Scratch::new("statistics");
        let mut files = create(&scratch.file("a"), rotation(Limit::Size(3200), None));
        let meta = meta("10.0.0.1:40000", "10.0.0.2", 0);
        // Two files, since each holds two of these.
        for dropped in [3, 5] {
            files.train(Train::new(&meta, &[0; 2000], 1000), 50_000, dropped).unwrap();
        }
        // Three that were not written, and two that were dropped after the last.
        files.finish(7, 10).unwrap();
        let told: Vec<_> = names(&scratch).iter().map(|name| fs::read(scratch.file(name)).unwrap()).collect();
        let told: Vec<_> = told.iter().flat_map(|capture| statistics(capture)).collect();
        assert_eq!(told, [[2, 3, 2], [5, 7, 2]]);
    }

    #[test]
    fn a_train_goes_on_in_the_next_file() {
        let scratch = Scratch::new("train");
        let mut files = create(&scratch.file("a"), rotation(Limit::Size(1), None));
        let meta = meta("10.0.0.1:40000", "10.0.0.2", 0);
        files.train(Train::new(&meta, &[0; 12], 4), 50_000, 6).unwrap();
        files.finish(3, 6).unwrap();
        let told: Vec<_> =
            names(&scratch).iter().map(|name| statistics(&fs::read(scratch.file(name)).unwrap())).collect();
        assert_eq!(told, [[[1, 6, 1]], [[1, 0, 1]], [[1, 0, 1]]]);
    }

    #[test]
    fn other_programs_read_every_file_and_its_drops() {
        if !require("tshark") || !require("capinfos") {
            return;
        }
        let scratch = Scratch::new("rotated");
        let mut files = create(&scratch.file("a.pcapng"), rotation(Limit::Size(5000), None));
        write(&mut files, 6);
        files.finish(6, 3).unwrap();
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
            let error = try_create(&nowhere, rotation).unwrap_err();
            assert!(format!("{error:#}").contains("where.pcapng': no such file or directory"), "{error:#}");
        }
        let error = try_create(&scratch.file("a/"), rotation(Limit::Size(1), None)).unwrap_err();
        assert!(format!("{error:#}").ends_with("a/': there is no name of a file to put numbers in"), "{error:#}");
    }

    #[test]
    fn a_folder_that_is_gone_ends_the_writing_with_one_error() {
        let scratch = Scratch::new("gone");
        fs::create_dir(scratch.file("no")).unwrap();
        let mut files = create(&scratch.file("no/a"), rotation(Limit::Size(1), Some(1)));
        write(&mut files, 1);
        fs::remove_dir_all(scratch.file("no")).unwrap();
        let meta = meta("10.0.0.1:40000", "10.0.0.2", 0);
        let datagram = Datagram::new(b"", &meta);
        let error = files.datagram(&datagram, 1, 0).unwrap_err();
        let expected = format!("cannot create '{}': no such file or directory", scratch.file("no/a-00002").display());
        assert_eq!(format!("{error:#}"), expected);
        write(&mut files, 5);
        files.finish(7, 0).unwrap();
        assert_eq!((files.written(), files.removed(), files.not_removed()), (1, 0, 0));
    }

    #[test]
    fn a_disk_that_runs_full_leaves_a_valid_capture() {
        let script = "mkdir /run/small\nmount -t tmpfs -o size=600k none /run/small";
        let name = "rotate::tests::a_disk_that_runs_full_leaves_a_valid_capture";
        if !netns::enter(name, script) {
            return;
        }
        let path = Path::new("/run/small/a.pcapng");
        for before in [&b""[..], b"what was there before"] {
            fs::write(path, before).unwrap();
            let file = File::options().append(true).open(path).unwrap();
            let mut files = CaptureFiles::in_file(file, path, options());
            let (payload, meta) = ([0; 1000], meta("10.0.0.1:40000", "10.0.0.2", 0));
            let datagram = Datagram::new(&payload, &meta).wire_len(1000);
            let results: Vec<_> = (0..2000).map(|_| files.datagram(&datagram, 50_000, 0)).collect();
            let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
            assert_eq!(errors.len(), 1);
            assert_eq!(format!("{:#}", errors[0]), "cannot write '/run/small/a.pcapng': no space left on device");
            assert_eq!(errors[0].cause().kind(), ErrorKind::StorageFull);
            files.finish(2000, 0).unwrap();
            assert!(files.written() > 500);
            let bytes = fs::read(path).unwrap();
            assert!(bytes.starts_with(before));
            fs::write(path, &bytes[before.len()..]).unwrap();
            assert_eq!(read(path).len() as u64, files.written());
            if require("capinfos") {
                let said = run("capinfos", &["-M", "-c", path.to_str().unwrap()]);
                assert!(said.contains(&format!("Number of packets:   {}", files.written())), "{said}");
            }
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
