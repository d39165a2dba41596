//! A meter: one cache line that limits and counts one direction of one instance or network.

use crate::cost::TICKS_PER_NS;
use crate::mark;

/// State, limit and counters of one direction; element of the `METERS` array at [`index`].
///
/// User space writes the two limit words and the kernel program the others. Each is changed by one
/// aligned store or atomic, so a reader never sees a torn word. Offered bytes are passed + refused.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Time at which the meter is next free, in ticks of the monotonic clock.
    pub next_free_ticks: u64,
    /// Ticks a byte costs, as of [`crate::cost::per_byte`]; zero for no limit.
    pub cost_per_byte: u64,
    /// [`Control`] as a word: bound, egress address and flags.
    pub control: u64,
    /// IP bytes that went on.
    pub passed_bytes: u64,
    /// Packets that went on, GSO segments counted one by one.
    pub passed_packets: u64,
    /// IP bytes refused by this meter; in observe mode, bytes that would have been, which passed too.
    pub refused_bytes: u64,
    /// Packets refused by this meter, counted like the passed ones.
    pub refused_packets: u64,
    /// Packets marked with ECN CE.
    pub marked_packets: u64,
}

/// Direction seen from the instance.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Instance to Internet.
    Up = 0,
    /// Internet to instance.
    Down = 1,
}

impl Direction {
    /// Both, in the order of their meters.
    pub const ALL: [Self; 2] = [Self::Up, Self::Down];

    /// `up` or `down`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Place of a meter in the array. Slot 0 belongs to nobody: a lookup that yields it means none.
#[inline(always)]
pub const fn index(slot: u32, direction: Direction) -> u32 {
    slot * 2 + direction as u32
}

/// Bound, egress address and flags of a meter, packed so that one store changes all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control(pub u64);

impl Control {
    /// Refuse everything: the network or instance has no Internet.
    pub const OFFLINE: u64 = 1 << 63;
    /// Count what would be refused, refuse and delay nothing.
    pub const OBSERVE: u64 = 1 << 62;
    const EGRESS_SHIFT: u32 = 48;
    /// Longest bound, nanoseconds: three days, so that a bound in ticks never leaves the horizon.
    pub const BOUND_MAX_NS: u64 = (1 << 48) - 1;

    /// A bound of `bound_ns` nanoseconds with `flags`.
    pub const fn new(bound_ns: u64, flags: u64) -> Self {
        let bound_ns = if bound_ns > Self::BOUND_MAX_NS { Self::BOUND_MAX_NS } else { bound_ns };
        Self(bound_ns | flags & (Self::OFFLINE | Self::OBSERVE))
    }

    /// The same with the number of an egress address, as of [`mark`]; 0 for none.
    #[must_use]
    pub const fn with_egress(self, number: u32) -> Self {
        let field = (mark::NOWHERE as u64) << Self::EGRESS_SHIFT;
        Self(self.0 & !field | ((number & mark::NOWHERE) as u64) << Self::EGRESS_SHIFT)
    }

    /// Number of the egress address that the network's packets up are marked with, [`mark`]; 0 for none.
    #[inline(always)]
    pub const fn egress(self) -> u32 {
        (self.0 >> Self::EGRESS_SHIFT) as u32 & mark::NOWHERE
    }

    /// How far the meter may run ahead of now before it refuses, nanoseconds.
    #[inline(always)]
    pub const fn bound_ns(self) -> u64 {
        self.0 & Self::BOUND_MAX_NS
    }

    /// The bound in ticks.
    #[inline(always)]
    pub const fn bound_ticks(self) -> u64 {
        self.bound_ns() * TICKS_PER_NS
    }

    /// True where `flag` is set.
    #[inline(always)]
    pub const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }
}

/// Who owns a slot; element of the `OWNERS` array at the slot, read by user space only.
///
/// It lets an agent that starts with nothing but the pinned maps know what each meter is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Hash of the entity's kind and name; zero for a free slot.
    pub entity: u64,
    /// Counts the owners this slot has had, so that a reading names exactly one.
    pub generation: u32,
    /// [`Owner::INSTANCE`] or [`Owner::NETWORK`]; of slot 0 [`Owner::MAPS`].
    pub kind: u32,
}

impl Owner {
    /// The slot meters an instance.
    pub const INSTANCE: u32 = 1;
    /// The slot meters a network.
    pub const NETWORK: u32 = 2;
    /// Slot 0, whose entity is the identity of the maps: counters of others go on from no reading of these.
    pub const MAPS: u32 = 3;
}
