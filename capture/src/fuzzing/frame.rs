//! Frames that are right most often, or wrong in one place: mutation alone seldom gets past the lengths of three headers.

use arbitrary::{Result, Unstructured};

/// Kinds of networks, by their number; one that nobody knows among them.
pub(super) const LINKS: [u32; 17] = [1, 1, 1, 101, 113, 276, 0, 228, 147, 9, 50, 51, 104, 105, 127, 204, 239];

/// A part of a packet.
struct Part {
    /// In units of 8 bytes.
    offset: u16,
    more: bool,
    identification: u8,
}

/// A frame of this kind of network.
pub(super) fn frame(bytes: &mut Unstructured<'_>, link: u32) -> Result<Vec<u8>> {
    let is_v6 = bytes.ratio(2, 5)?;
    let mut body = datagram(bytes)?;
    let part = if bytes.ratio(1, 3)? { Some(part(bytes, &mut body)?) } else { None };
    let packet = if is_v6 { ipv6(bytes, part, &body)? } else { ipv4(bytes, part, &body)? };
    let ethertype = if is_v6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    let ppp = if is_v6 { [0, 0x57] } else { [0, 0x21] };
    let wireless = [&[0x08][..], &[1; 21], &[0, 0], &[0xaa, 0xaa, 3, 0, 0, 0], &ethertype].concat();
    let header = match link {
        1 => [&[2; 12][..], &tags(bytes)?, &ethertype].concat(),
        113 => [&[0; 14][..], &tags(bytes)?, &ethertype].concat(),
        276 => [&ethertype[..], &[0, 0, 0, 0, 0, 1], &[0; 12]].concat(),
        0 => vec![2, 0, 0, 0],
        9 => ppp.to_vec(),
        50 => [[0xff, 0x03], ppp].concat(),
        51 => [&[0x11, 0, 0, 7, 0, 0], &ppp[..]].concat(),
        104 => [[0x0f, 0], ethertype].concat(),
        105 => wireless,
        127 => [&[0, 0, 9, 0, 2, 0, 0, 0, 0], &wireless[..]].concat(),
        204 => [&[0], &ppp[..]].concat(),
        // The length covers the attribute's own four bytes.
        239 => [[2, 0, 0, 0], [8, 0, 1, 0], [0; 4], [0xff, 0, 9, 0]].concat(),
        _ => Vec::new(),
    };
    let mut frame = [header, packet].concat();
    match bytes.int_in_range(0..=9u8)? {
        0 => frame.truncate(bytes.int_in_range(0..=frame.len())?),
        1 | 2 => frame.resize(frame.len() + bytes.int_in_range(0..=20usize)?, 0xee),
        _ => {}
    }
    Ok(frame)
}

/// A length as it stands in a header: wrong now and then.
fn length(bytes: &mut Unstructured<'_>, len: usize) -> Result<[u8; 2]> {
    Ok(match bytes.int_in_range(0..=15u8)? {
        0 => [0, 0],
        1 => bytes.arbitrary()?,
        _ => u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes(),
    })
}

fn datagram(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let len = bytes.int_in_range(0..=24usize)?.min(bytes.len());
    let payload = bytes.bytes(len)?;
    let ports: [u8; 4] = bytes.arbitrary()?;
    Ok([&ports[..], &length(bytes, 8 + len)?, &[0, 0], payload].concat())
}

/// Makes a part of a datagram of it.
fn part(bytes: &mut Unstructured<'_>, body: &mut Vec<u8>) -> Result<Part> {
    let more = bytes.arbitrary()?;
    if more {
        body.resize(8 * bytes.int_in_range(1..=4usize)?, 0x41);
    }
    let offset = if bytes.ratio(1, 16)? { bytes.int_in_range(0..=8191)? } else { bytes.int_in_range(0..=4)? };
    Ok(Part { offset, more, identification: bytes.int_in_range(0..=2)? })
}

/// Tags of virtual networks.
fn tags(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut tags = Vec::new();
    for _ in 0..bytes.int_in_range(0..=5u8)?.saturating_sub(3) {
        tags.extend(bytes.choose(&[[0x81, 0], [0x88, 0xa8], [0x91, 0]])?);
        tags.extend([0, bytes.int_in_range(1..=2)?]);
    }
    Ok(tags)
}

fn ipv4(bytes: &mut Unstructured<'_>, part: Option<Part>, body: &[u8]) -> Result<Vec<u8>> {
    let options = bytes.int_in_range(0..=1u8)?;
    let header_len = 20 + 4 * usize::from(options);
    let total = length(bytes, header_len + body.len())?;
    let protocol = if bytes.ratio(1, 12)? { bytes.arbitrary()? } else { 17 };
    let (identification, place) =
        part.map_or((0, 0x4000), |part| (part.identification, part.offset | if part.more { 0x2000 } else { 0 }));
    let mut packet = vec![0x45 + options, 0xb8, total[0], total[1], 0, identification];
    packet.extend(place.to_be_bytes());
    packet.extend([64, protocol, 0, 0, 10, 0, 0, bytes.int_in_range(1..=2)?, 10, 0, 0, 9]);
    packet.resize(header_len, 1);
    packet.extend(body);
    Ok(packet)
}

fn ipv6(bytes: &mut Unstructured<'_>, part: Option<Part>, body: &[u8]) -> Result<Vec<u8>> {
    let mut kinds = Vec::new();
    for _ in 0..bytes.int_in_range(0..=3u8)? {
        kinds.push(*bytes.choose(&[0u8, 43, 60, 51, 135, 139, 140, 59, 44])?);
    }
    if part.is_some() {
        kinds.push(44);
    }
    let last = if bytes.ratio(1, 10)? { bytes.arbitrary()? } else { 17 };
    let next = |place: usize| kinds.get(place).copied().unwrap_or(last);
    let part = part.unwrap_or(Part { offset: 0, more: false, identification: 0 });
    let mut headers = Vec::new();
    for (place, kind) in kinds.iter().enumerate() {
        headers.push(next(place + 1));
        match kind {
            44 => {
                let [high, low] = (part.offset << 3 | u16::from(part.more)).to_be_bytes();
                headers.extend([0, high, low, 0, 0, 0, part.identification]);
            }
            51 => headers.extend([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2]),
            _ => {
                let words: u8 = bytes.int_in_range(0..=1)?;
                headers.push(words);
                headers.resize(headers.len() + 6 + 8 * usize::from(words), 0);
            }
        }
    }
    let len = length(bytes, headers.len() + body.len())?;
    let mut packet = vec![0x60, 0x12, 0, 0, len[0], len[1], next(0), 64];
    packet.extend([0xfd; 15]);
    packet.push(bytes.int_in_range(0..=1)?);
    packet.extend([0xfd; 16]);
    packet.extend(headers);
    packet.extend(body);
    Ok(packet)
}
