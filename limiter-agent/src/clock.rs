//! The clock of the kernel programs, that of the wall, and that of the machine; and chance.

use jiff::Timestamp;
use rustix::rand::{GetRandomFlags, getrandom};
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

/// Time since the machine started, suspended times included, milliseconds. Nobody sets it.
pub fn boot_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Identity of this run of the kernel; empty where it does not say.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// A number by chance.
pub fn chance() -> u128 {
    let mut bytes = [0; size_of::<u128>()];
    // The kernel has chance to give from its start on, and as much as this at once.
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    u128::from_le_bytes(bytes)
}
