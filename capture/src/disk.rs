//! Files that somebody else may have put there: looked at without following links, waiting for anybody or trusting names.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::blocks;
use super::order::Order;

/// More than the header of a section of ours has, in bytes: two options of 64 KiB.
const LONGEST_HEADER: u32 = 160 * 1024;
/// Bytes of a section's header up to its byte order.
const HEADER_START: usize = 12;
/// More blocks than a capture of ours without a packet has.
const MOST_BLOCKS: u32 = 16;
/// Bytes of a block's type and length.
const BLOCK_START: u32 = 8;
/// Where the options of a section's header begin.
const HEADER_OPTIONS: usize = 24;

/// Whether a capture has a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// None, for certain.
    NoPackets,
    /// Some, or else what we do not write.
    Packets,
}

/// What is in the regular file of this name; `None` unless it is a capture by this program in any version that nobody writes
/// any more.
pub(crate) fn left_by(path: &Path, application: &str) -> Option<Content> {
    let mut file = open(path).ok()?;
    let is_left = begins_by(&mut file, application) && claim(&file);
    is_left.then(|| content(&mut file))
}

/// Removes a file if it is a regular one, a capture by this program, and nobody writes it; true if it was removed.
///
/// Fails where the system refuses.
pub(crate) fn remove_if_by(path: &Path, application: &str) -> io::Result<bool> {
    let file = open(path)?;
    if !begins_by(&mut &file, application) || !claim(&file) {
        return Ok(false);
    }
    remove_if(path, &file)
}

/// Removes a name if it is still that of this file; true if it was removed.
///
/// No system removes a file by its descriptor: who swaps names in this very moment, and may do so in that folder, has a name
/// of their choice removed from it, which they could have done themselves.
pub(crate) fn remove_if(path: &Path, file: &File) -> io::Result<bool> {
    if !is_same(&fs::symlink_metadata(path)?, &file.metadata()?) {
        return Ok(false);
    }
    fs::remove_file(path)?;
    Ok(true)
}

/// Opens a regular file to read it.
fn open(path: &Path) -> io::Result<File> {
    let named = fs::symlink_metadata(path)?;
    let other = || io::Error::new(ErrorKind::InvalidInput, "it is no regular file");
    // To open a device may be an order to it; a name may come to stand for one between these two lines, and a pipe would wait.
    if !named.is_file() {
        return Err(other());
    }
    let file = open_plainly(path)?;
    let opened = file.metadata()?;
    if opened.is_file() && is_same(&named, &opened) { Ok(file) } else { Err(other()) }
}

/// Whether this begins as a capture by this program does; if so, all that was read of it is the header. A program without a
/// name has written none.
fn begins_by(input: &mut impl Read, application: &str) -> bool {
    let name = name_of(application.as_bytes());
    let is_it = |header: Vec<u8>| application_of(&header).is_some_and(|found| name_of(found) == name);
    !name.is_empty() && header(input).is_some_and(is_it)
}

/// The header of a section at the beginning of a capture of ours, which is little-endian. Reads nothing behind it.
fn header(input: &mut impl Read) -> Option<Vec<u8>> {
    let mut start = [0; HEADER_START];
    input.read_exact(&mut start).ok()?;
    let [kind, len, order] = [0, 4, 8].map(|at| Order::Little.u32(&start, at));
    if (kind, order) != (Some(blocks::SECTION_HEADER), Some(blocks::BYTE_ORDER)) {
        return None;
    }
    let len = len.filter(|&len| len <= LONGEST_HEADER)? as usize;
    let mut header = start.to_vec();
    input.take(len.checked_sub(HEADER_START)? as u64).read_to_end(&mut header).ok()?;
    (header.len() == len).then_some(header)
}

/// What is in a capture behind its header. Descriptions and statistics of interfaces are passed over, and an unfinished
/// block at the end has nothing that can be read.
fn content(input: &mut (impl Read + Seek)) -> Content {
    for _ in 0..MOST_BLOCKS {
        let mut start = [0; BLOCK_START as usize];
        match input.read_exact(&mut start) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Content::NoPackets,
            Err(_) => return Content::Packets,
        }
        let [kind, len] = [0, 4].map(|at| Order::Little.u32(&start, at));
        let is_passed = matches!(kind, Some(blocks::INTERFACE_DESCRIPTION | blocks::INTERFACE_STATISTICS));
        let Some(rest) = len.and_then(|len| len.checked_sub(BLOCK_START)).filter(|_| is_passed) else {
            return Content::Packets;
        };
        if input.seek(SeekFrom::Current(rest.into())).is_err() {
            return Content::Packets;
        }
    }
    Content::Packets
}

/// The program that wrote a capture, as the header says.
fn application_of(header: &[u8]) -> Option<&[u8]> {
    let mut options = blocks::options(Order::Little, header, HEADER_OPTIONS);
    options.find(|&(code, _)| code == blocks::SECTION_APPLICATION).map(|(_, value)| value)
}

/// An application without its version: the last word, if it begins with a digit.
fn name_of(application: &[u8]) -> &[u8] {
    let Some(space) = application.iter().rposition(|&byte| byte == b' ') else { return application };
    if application.get(space + 1).is_some_and(u8::is_ascii_digit) { &application[..space] } else { application }
}

/// Opens what may be anything by now, without following a link or waiting.
#[cfg(unix)]
fn open_plainly(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Marks a file as being written for as long as it is open; false if another has done so. What cannot be marked on its file
/// system counts as free.
#[cfg(unix)]
pub(crate) fn claim(file: &File) -> bool {
    use rustix::fs::{FlockOperation, flock};
    flock(file, FlockOperation::NonBlockingLockExclusive) != Err(rustix::io::Errno::WOULDBLOCK)
}

#[cfg(not(unix))]
fn open_plainly(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// What has the same length and time is taken for the same here.
#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    let [one, other] = [one, other].map(|file| (file.is_file(), file.len(), file.created().ok()));
    one == other
}

/// Whether another program writes a file is not known here.
#[cfg(not(unix))]
pub(crate) fn claim(_file: &File) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use udpkit::Datagram;

    use super::super::oracle::{Scratch, meta, options};
    use super::super::write::{WriteOptions, Writer};
    use super::*;

    fn capture(application: &str) -> Vec<u8> {
        let mut writer =
            Writer::new(Vec::new(), WriteOptions { application: application.to_owned(), ..WriteOptions::default() });
        writer.flush().unwrap();
        writer.into_inner()
    }

    #[test]
    fn a_capture_is_known_by_the_program_that_wrote_it_in_any_version() {
        let scratch = Scratch::new("by");
        for (wrote, asks, expected) in [
            ("udp 1.2.3", "udp 1.2.3", true),
            ("udp 0.9", "udp 1.2.3", true),
            ("udp", "udp 1.2.3", true),
            ("udpkit-capture 1.2.3", "udp 1.2.3", false),
            ("udp logger", "udp 1.2.3", false),
            ("", "udp 1.2.3", false),
            ("", "", false),
        ] {
            let path = scratch.with("a", &capture(wrote));
            assert_eq!(left_by(&path, asks).is_some(), expected, "{wrote:?} {asks:?}");
        }
        assert_eq!(left_by(&scratch.file("none"), "udp"), None);
    }

    #[test]
    fn what_is_cut_off_or_changed_in_its_header_is_no_capture() {
        let whole = capture("udp 1.2.3");
        for len in 0..whole.len() {
            assert_eq!(header(&mut &whole[..len]), None, "{len}");
        }
        for at in [0, 8, 11] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(header(&mut &changed[..]), None, "{at}");
        }
        assert_eq!(header(&mut &whole[..]).as_deref().and_then(application_of), Some(&b"udp 1.2.3"[..]));
    }

    #[test]
    fn of_a_file_the_header_alone_is_read() {
        let header = capture("udp 1.2.3");
        let whole = [&header[..], &[7; 1000]].concat();
        let mut rest = &whole[..];
        assert!(begins_by(&mut rest, "udp"));
        assert_eq!(rest.len(), 1000);
    }

    #[test]
    fn a_capture_has_no_packets_where_interfaces_alone_are_described() {
        let scratch = Scratch::new("content");
        let finished = |packets: u64, received| {
            let mut writer = Writer::new(Vec::new(), WriteOptions { application: "udp".to_owned(), ..options() });
            let meta = meta("10.0.0.1:40000", "10.0.0.2", 0);
            let datagram = Datagram::new(b"", &meta);
            (0..packets).for_each(|_| writer.datagram(&datagram, 1, 0).unwrap());
            writer.finish(received, 0).unwrap();
            writer.into_inner()
        };
        let empty = finished(0, 0);
        // An interface and its statistics, for what came and was not written.
        let ignored = finished(0, 3);
        let filled = finished(1, 1);
        let block = |kind: u32, len: u32| [kind.to_le_bytes(), len.to_le_bytes(), [0; 4]].concat();
        let many: Vec<_> = block(blocks::INTERFACE_DESCRIPTION, 12).repeat(MOST_BLOCKS as usize);
        for (name, bytes, expected) in [
            ("empty", empty.clone(), Content::NoPackets),
            ("ignored", ignored.clone(), Content::NoPackets),
            ("cut in a type", [&empty[..], &[1, 0]].concat(), Content::NoPackets),
            ("cut in a block", ignored[..ignored.len() - 1].to_vec(), Content::NoPackets),
            ("one", filled, Content::Packets),
            ("another section", [empty.clone(), empty.clone()].concat(), Content::Packets),
            ("a simple packet", [&empty[..], &block(blocks::SIMPLE_PACKET, 12)].concat(), Content::Packets),
            ("no length", [&empty[..], &block(blocks::INTERFACE_DESCRIPTION, 7)].concat(), Content::Packets),
            ("many blocks", [empty, many].concat(), Content::Packets),
        ] {
            assert_eq!(left_by(&scratch.with("a", &bytes), "udp"), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_file_that_is_written_or_has_taken_the_name_stays() {
        let scratch = Scratch::new("stays");
        let path = scratch.with("a", &capture("udp"));
        let held = File::open(&path).unwrap();
        let claimed = claim(&held) && cfg!(unix);
        assert_eq!(remove_if_by(&path, "udp").unwrap(), !claimed);
        drop(held);
        let before = File::open(&path).unwrap();
        fs::rename(scratch.with("b", b"other"), &path).unwrap();
        assert!(!remove_if(&path, &before).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"other");
    }
}
