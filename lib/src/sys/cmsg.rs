//! Control messages (`cmsg(3)`): a walker and a writer over plain bytes, which trust no length.

/// Alignment of a control message on Linux: that of `size_t`.
const ALIGN: usize = size_of::<usize>();
/// Length of `struct cmsghdr`: a `size_t` and two `int`s, padded.
const HEADER: usize = align(size_of::<usize>() + 8);

const fn align(len: usize) -> usize {
    (len + ALIGN - 1) & !(ALIGN - 1)
}

/// Bytes that a control message with `len` bytes of data occupies (`CMSG_SPACE`).
pub(crate) const fn space(len: usize) -> usize {
    HEADER + align(len)
}

/// Walks the control messages in `bytes`, as (level, kind, data); ends at the first that does not fit.
pub(crate) fn messages(bytes: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let len = usize::from_ne_bytes(*rest.first_chunk()?);
        let level = i32::from_ne_bytes(*rest.get(size_of::<usize>()..)?.first_chunk()?);
        let kind = i32::from_ne_bytes(*rest.get(size_of::<usize>() + 4..)?.first_chunk()?);
        let data = rest.get(HEADER..len)?;
        // The last message need not be padded, so its padded end may lie past the buffer.
        rest = rest.get(len.checked_add(ALIGN - 1)? & !(ALIGN - 1)..).unwrap_or(&[]);
        Some((level, kind, data))
    })
}

/// Writes control messages one after another into a buffer that is large enough for all that may come.
pub(crate) struct ControlWriter<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

impl<'a> ControlWriter<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, used: 0 }
    }

    /// Appends one message.
    ///
    /// # Panics
    ///
    /// If the buffer is too small: its size is the sum of [`space`] of every message that is ever written.
    pub(crate) fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let end = self.used + space(data.len());
        let slot = &mut self.buffer[self.used..end];
        slot[..size_of::<usize>()].copy_from_slice(&(HEADER + data.len()).to_ne_bytes());
        slot[size_of::<usize>()..size_of::<usize>() + 4].copy_from_slice(&level.to_ne_bytes());
        slot[size_of::<usize>() + 4..size_of::<usize>() + 8].copy_from_slice(&kind.to_ne_bytes());
        slot[HEADER..HEADER + data.len()].copy_from_slice(data);
        self.used = end;
    }

    /// Bytes written: the `msg_controllen` of the message.
    pub(crate) fn len(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(list in prop::collection::vec((any::<i32>(), any::<i32>(), prop::collection::vec(any::<u8>(), 0..40)), 0..6)) {
            let mut buffer = [0u8; 512];
            let mut writer = ControlWriter::new(&mut buffer);
            for (level, kind, data) in &list {
                writer.push(*level, *kind, data);
            }
            let len = writer.len();
            let read: Vec<_> = messages(&buffer[..len]).map(|(level, kind, data)| (level, kind, data.to_vec())).collect();
            prop_assert_eq!(read, list);
        }

        #[test]
        fn arbitrary_bytes_end_and_never_panic(bytes: Vec<u8>) {
            prop_assert!(messages(&bytes).count() <= bytes.len());
        }
    }

    #[test]
    fn a_length_below_the_header_ends_the_walk() {
        assert_eq!(messages(&[0; 64]).count(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn sizes_agree_with_the_c_library() {
        for len in 0..64u32 {
            // SAFETY: CMSG_SPACE computes a number from a number.
            let expected = unsafe { libc::CMSG_SPACE(len) };
            assert_eq!(space(len as usize), expected as usize);
        }
    }
}
