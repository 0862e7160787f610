//! Control messages (`cmsg(3)`): a walker and a writer over plain bytes, which trust no length.

/// How a system lays control messages out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Bytes of `cmsg_len`, which two `int`s follow.
    pub(crate) length: usize,
    /// What messages and their data are aligned to, in bytes: a power of two.
    pub(crate) align: usize,
}

/// That of Linux and Windows: a `size_t`, and aligned as one.
pub(crate) const NATIVE: Layout = Layout { length: size_of::<usize>(), align: size_of::<usize>() };

impl Layout {
    const fn align(self, len: usize) -> usize {
        (len + self.align - 1) & !(self.align - 1)
    }

    /// Length of `struct cmsghdr`, padded.
    const fn header(self) -> usize {
        self.align(self.length + 8)
    }

    /// Bytes that a control message with `len` bytes of data occupies (`CMSG_SPACE`).
    pub(crate) const fn space(self, len: usize) -> usize {
        self.header() + self.align(len)
    }

    /// Walks the control messages in `bytes`, as (level, kind, data); ends at the first that does not fit.
    #[inline]
    pub(crate) fn messages(self, bytes: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let len = self.read_len(rest)?;
            let level = i32::from_ne_bytes(*rest.get(self.length..)?.first_chunk()?);
            let kind = i32::from_ne_bytes(*rest.get(self.length + 4..)?.first_chunk()?);
            let data = rest.get(self.header()..len)?;
            // The last message need not be padded, so its padded end may lie past the buffer.
            rest = rest.get(len.checked_add(self.align - 1)? & !(self.align - 1)..).unwrap_or(&[]);
            Some((level, kind, data))
        })
    }

    fn read_len(self, bytes: &[u8]) -> Option<usize> {
        if self.length == size_of::<usize>() {
            return bytes.first_chunk().map(|len| usize::from_ne_bytes(*len));
        }
        bytes.first_chunk().and_then(|len| u32::from_ne_bytes(*len).try_into().ok())
    }

    /// Writes a message at the beginning of the buffer; returns how much of it that takes.
    ///
    /// # Panics
    ///
    /// If the buffer is smaller than the [`space`](Self::space) of the data.
    #[inline]
    pub(crate) fn write(self, buffer: &mut [u8], level: i32, kind: i32, data: &[u8]) -> usize {
        let (header, end) = (self.header(), self.space(data.len()));
        let slot = &mut buffer[..end];
        let len = header + data.len();
        if self.length == size_of::<usize>() {
            slot[..size_of::<usize>()].copy_from_slice(&len.to_ne_bytes());
        } else {
            let len = u32::try_from(len).expect("a control message is short");
            slot[..4].copy_from_slice(&len.to_ne_bytes());
        }
        slot[self.length..self.length + 4].copy_from_slice(&level.to_ne_bytes());
        slot[self.length + 4..self.length + 8].copy_from_slice(&kind.to_ne_bytes());
        slot[header..len].copy_from_slice(data);
        end
    }
}

/// A control buffer, aligned as the kernel writes into it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct Control<const LEN: usize>(pub(crate) [u8; LEN]);

/// An `int`.
pub(crate) fn int(data: &[u8]) -> Option<i32> {
    data.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
}

/// [`Layout::space`] of [`NATIVE`].
#[cfg(any(target_os = "linux", test))]
pub(crate) const fn space(len: usize) -> usize {
    NATIVE.space(len)
}

/// [`Layout::messages`] of [`NATIVE`].
#[cfg(any(target_os = "linux", test))]
#[inline]
pub(crate) fn messages(bytes: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    NATIVE.messages(bytes)
}

/// Writes control messages of [`NATIVE`] one after another into a buffer that is large enough for all that may come.
#[cfg(any(target_os = "linux", test))]
pub(crate) struct ControlWriter<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

#[cfg(any(target_os = "linux", test))]
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
        self.used += NATIVE.write(&mut self.buffer[self.used..], level, kind, data);
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

    /// As macOS lays out what `recvmsg(2)` gives there: `cmsg_len` of four bytes, and no padding to eight.
    #[test]
    fn messages_of_another_layout_are_read_and_written() {
        let apple = Layout { length: 4, align: 4 };
        let bytes =
            [&[16, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 192, 0, 2, 1][..], &[13, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0, 0, 64]];
        let bytes = bytes.concat();
        if cfg!(target_endian = "big") {
            return;
        }
        let read: Vec<_> = apple.messages(&bytes).collect();
        assert_eq!(read, [(0, 7, &[192, 0, 2, 1][..]), (0, 24, &[64])]);
        let mut buffer = [0; 64];
        let mut used = 0;
        for (level, kind, data) in read {
            used += apple.write(&mut buffer[used..], level, kind, data);
        }
        assert_eq!((used, &buffer[..29]), (32, &bytes[..]));
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
