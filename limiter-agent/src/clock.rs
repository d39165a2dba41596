//! The clock of the kernel programs, and that of the wall.

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Monotonic time, nanoseconds, as the programs read it.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Wall time, which may step.
pub fn wall() -> Timestamp {
    Timestamp::now()
}
