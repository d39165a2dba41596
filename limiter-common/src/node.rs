//! What holds for the whole node.

/// Element 0 of the `NODE` array.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Bits of [`Node`]'s constants.
    pub flags: u64,
}

impl Node {
    /// Everything passes, unmetered.
    pub const BYPASS: u64 = 1;
}

/// Value of `UNKNOWN`, by the [`crate::key::AddressKey`] of a source that is no known instance.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Monotonic time of its last packet, nanoseconds.
    pub seen_ns: u64,
    /// Packets seen, not exact while several CPUs see the source at once.
    pub packets: u64,
    /// Interface of its last packet.
    pub ifindex: u32,
    /// Slot of the network whose prefix holds it, 0 for none (a foreign source).
    pub network: u32,
}
