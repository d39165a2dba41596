//! The rate algorithm: GCRA as virtual scheduling on one word, the time at which a meter is next free.
//!
//! A packet departs at `max(next_free, now)` and moves `next_free` on by its cost. A meter that is
//! ahead of `now` by more than its bound refuses. Nothing is ever given back: a packet is charged only
//! after every level said yes, so a refusal has no trace on another meter.
//!
//! Source: ITU-T I.371 (GCRA, virtual scheduling); the burst and queue bounds are the tolerance.

/// A lead of this many ticks (26 days) or more is no debt but a time long past, so a meter may be idle
/// for all but 26 days of the nine years that a word of ticks spans.
///
/// It is eight times the longest bound, so that what CPUs charge at once beyond a bound fits below it.
pub const HORIZON_TICKS: u64 = 1 << 57;

/// The word of a meter that several CPUs charge at once.
pub trait NextFree {
    /// The time at which the meter is next free, in ticks.
    fn load(&self) -> u64;
    /// Sets the word to `new` where it still is `seen`; false where another CPU was first.
    fn replace(&self, seen: u64, new: u64) -> bool;
    /// Adds `ticks` and returns the word before.
    fn add(&self, ticks: u64) -> u64;
}

/// How far `next_free` lies ahead of `now`, in ticks; zero for an idle meter.
#[inline(always)]
pub const fn lead(next_free: u64, now: u64) -> u64 {
    let ahead = next_free.wrapping_sub(now);
    if ahead < HORIZON_TICKS { ahead } else { 0 }
}

/// True where a meter with this lead takes one more packet.
///
/// The size of the packet does not matter: a large one passes on an idle meter and leaves debt.
/// Several CPUs may be told yes before one of them charges, so admitted bytes are bounded by
/// rate x time + bound + one packet for each CPU (`tests/loom.rs`, `tests/reference.rs`).
#[inline(always)]
pub const fn admits(lead_ticks: u64, bound_ticks: u64) -> bool {
    lead_ticks <= bound_ticks
}

/// The invariant of a meter's word: it is ahead of `now` by no more than the bound and the cost of what
/// was charged beyond it, one packet for each CPU.
pub const fn is_valid(next_free: u64, now: u64, bound_ticks: u64, beyond_ticks: u64) -> bool {
    lead(next_free, now) <= bound_ticks + beyond_ticks
}

/// Charges `cost` ticks and returns how far ahead of `now` the packet departs, in ticks.
///
/// No two CPUs get the same slot of a busy meter. An idle meter is brought up to `now` by one CPU;
/// one that loses that race adds to the winner's word. Its clock may be the later one: the slot it
/// gets then began up to that difference before its `now`, which is the whole error (`tests/loom.rs`).
#[inline(always)]
pub fn charge(meter: &impl NextFree, now: u64, cost: u64) -> u64 {
    let seen = meter.load();
    if lead(seen, now) == 0 && meter.replace(seen, now.wrapping_add(cost)) {
        return 0;
    }
    lead(meter.add(cost), now)
}
