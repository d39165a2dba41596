//! Netlink messages as bytes: header, fixed body, attributes.

/// Bytes of a message header.
const HEADER_BYTES: usize = 16;
/// Bytes of an attribute header.
const ATTRIBUTE_BYTES: usize = 4;
/// Type bits of an attribute; the others say that it is nested or in network order.
const ATTRIBUTE_TYPE: u16 = 0x3fff;

/// A message to the kernel.
#[derive(Clone, Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A message of type `kind` with `flags` (`NLM_F_*`) and its fixed body.
    pub(super) fn new(kind: u16, flags: u16, body: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(body);
        Self { bytes }
    }

    /// The same with one attribute more.
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        put(&mut self.bytes, kind, value);
        self
    }

    /// The same without a wish to be acknowledged.
    pub(super) fn unacknowledged(mut self) -> Self {
        let flags = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]) & !(libc::NLM_F_ACK as u16);
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self
    }

    /// The message as it is sent.
    pub(super) fn numbered(mut self, sequence: u32) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

/// A message from the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

/// Takes the first message off a datagram; `None` where what is left is no message.
pub(super) fn next_message<'a>(datagram: &mut &'a [u8]) -> Option<Message<'a>> {
    let length = u32_at(datagram, 0)? as usize;
    let whole = datagram.get(..length).filter(|whole| whole.len() >= HEADER_BYTES)?;
    *datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some(Message {
        kind: u16_at(whole, 4)?,
        flags: u16_at(whole, 6)?,
        sequence: u32_at(whole, 8)?,
        body: &whole[HEADER_BYTES..],
    })
}

/// Appends one attribute with its padding.
pub(super) fn put(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = (ATTRIBUTE_BYTES + value.len()) as u16;
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// The attributes in `bytes`, (type, value) each; stops at the first that is cut short.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = u16_at(rest, 0)? as usize;
        let kind = u16_at(rest, 2)? & ATTRIBUTE_TYPE;
        let value = rest.get(ATTRIBUTE_BYTES..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute `kind` in `bytes`.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|&(found, _)| found == kind).map(|(_, value)| value)
}

/// Text of an attribute, without its closing zero.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// The `u16` at `offset`.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(offset..offset + 2)?.try_into().ok()?))
}

/// The `u32` at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

/// The `u64` at `offset`.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_reads_back() {
        let bytes = Request::new(18, 0x301, &[7; 16]).with(3, b"eth0\0").with(4, &[1, 2, 3, 4]).numbered(9);
        let mut datagram = bytes.as_slice();
        let message = next_message(&mut datagram).expect("a message");
        assert_eq!((message.kind, message.flags, message.sequence), (18, 0x301, 9));
        assert_eq!(message.body[..16], [7; 16]);
        let read: Vec<_> = attributes(&message.body[16..]).collect();
        assert_eq!(read, [(3, b"eth0\0".as_slice()), (4, [1, 2, 3, 4].as_slice())]);
        assert!(next_message(&mut datagram).is_none());
    }

    #[test]
    fn nested_and_order_bits_are_no_part_of_the_type() {
        let mut bytes = Vec::new();
        put(&mut bytes, 2 | 0x8000, &[5]);
        assert_eq!(attribute(&bytes, 2), Some([5].as_slice()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut datagram = bytes.as_slice();
            while next_message(&mut datagram).is_some() {}
            prop_assert!(attributes(&bytes).count() <= bytes.len() / ATTRIBUTE_BYTES);
        }
    }
}
