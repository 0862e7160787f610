//! What it prints of what strangers send.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use super::subject::Subject;
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::point::Judged;
use crate::verbs::check::program::Program;

/// How often something is sent for it to print.
const TIMES: usize = 3;
/// How long it may take to print.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often we look.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of its output that are read.
const MOST: u64 = 1 << 20;

/// What steers a terminal, and what is said of it.
const STEERING: &[(&str, &[u8])] = &[
    ("an escape (ESC)", b"\x1b"),
    ("a bell (BEL)", b"\x07"),
    ("a control of C1 (CSI)", "\u{9b}".as_bytes()),
    ("a direction override (U+202E)", "\u{202e}".as_bytes()),
];

/// Whether its output keeps what would steer a terminal.
pub(super) fn escapes(subject: &mut Subject) -> Result<Judged, Cut> {
    if subject.program.is_none() && subject.output.is_none() {
        return Ok(Judged::not_seen("its output is not read; -- COMMAND starts it here, --output names a file"));
    }
    let mut mark = Vec::new();
    let before = length(subject);
    if let Some(program) = &subject.program {
        program.forget();
    }
    for _ in 0..TIMES {
        let (label, request) = subject.fresh();
        let _ = label;
        mark = format!("udp-check-{:08x}", fastrand::u32(..)).into_bytes();
        let payload =
            [&request, b" ".as_slice(), &mark, b"\x1b]2;udp\x07\x1b[31m", "\u{9b}31m\u{202e}".as_bytes(), &mark]
                .concat();
        let peer = subject.other_peer()?;
        subject.send(peer.as_deref(), &payload)?;
        let until = now() + PATIENCE.max(subject.slowest * 2);
        while now() < until {
            if let Some(judged) = look(&printed(subject, before), &mark) {
                return Ok(judged);
            }
            subject.bench.pause(LOOK)?;
        }
    }
    // What it keeps in a buffer is printed when it ends.
    if let Some(program) = &mut subject.program {
        program.stop();
    }
    let judged = look(&printed(subject, before), &mark);
    if !subject.command.is_empty() {
        subject.revive()?;
    }
    Ok(judged.unwrap_or_else(|| Judged::not_seen("it prints nothing of what it receives")))
}

/// A verdict on what was printed, if the mark is in it twice, or once with something after it.
fn look(printed: &[u8], mark: &[u8]) -> Option<Judged> {
    let first = printed.windows(mark.len().max(1)).position(|part| part == mark)?;
    let rest = &printed[first + mark.len()..];
    let second = rest.windows(mark.len().max(1)).position(|part| part == mark)?;
    let between = &rest[..second];
    let found = STEERING.iter().find(|(_, bytes)| between.windows(bytes.len()).any(|part| part == *bytes));
    Some(match found {
        Some((name, _)) => Judged::failed(format!("its output had {name} that a peer had sent")),
        None => Judged::passed("its output had the text that a peer had sent, without what steers a terminal"),
    })
}

fn printed(subject: &Subject, before: u64) -> Vec<u8> {
    if let Some(program) = &subject.program {
        return Program::printed(program);
    }
    let Some(path) = &subject.output else { return Vec::new() };
    let mut bytes = Vec::new();
    // A file that cannot be read has nothing in it, so the point is not seen.
    let _ = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(before))?;
        file.take(MOST).read_to_end(&mut bytes)
    });
    bytes
}

/// How long the file of its output is.
fn length(subject: &Subject) -> u64 {
    subject.output.as_ref().and_then(|path| path.metadata().ok()).map_or(0, |metadata| metadata.len())
}
