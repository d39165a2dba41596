//! Time that a byte costs at a rate, in fixed point.

/// Meter time has 64 ticks a nanosecond; a `u64` of ticks wraps after nine years of uptime.
pub const TICKS_PER_NS: u64 = 64;

/// Fraction bits of a cost per byte.
pub const COST_SHIFT: u32 = 16;

/// Lowest rate a meter holds, bits per second.
pub const RATE_MIN_BPS: u64 = 8_000;

/// Highest rate a meter holds, bits per second.
pub const RATE_MAX_BPS: u64 = 100_000_000_000;

/// Longest packet that is charged in full, bytes: above every GSO packet (512 KiB) with its headers,
/// and low enough that no product here leaves 64 bits.
pub const PACKET_MAX_BYTES: u64 = 1 << 21;

/// Cost per byte of `rate_bps` in ticks, with [`COST_SHIFT`] fraction bits, rounded up.
///
/// Rounding up means that a meter never admits more than its rate; the error is below 0.1 % for
/// packets from 64 bytes up to 10 Gbps and from 512 bytes up to 100 Gbps (`tests/cost.rs`).
/// A rate outside [`RATE_MIN_BPS`]..=[`RATE_MAX_BPS`] is brought to the nearer end.
pub const fn per_byte(rate_bps: u64) -> u64 {
    let rate_bps = if rate_bps < RATE_MIN_BPS {
        RATE_MIN_BPS
    } else if rate_bps > RATE_MAX_BPS {
        RATE_MAX_BPS
    } else {
        rate_bps
    };
    ((8 * 1_000_000_000 * TICKS_PER_NS) << COST_SHIFT).div_ceil(rate_bps)
}

/// Ticks that `bytes` cost, rounded up. `per_byte` is of [`per_byte`], zero for no limit.
#[inline(always)]
pub const fn of_bytes(bytes: u64, per_byte: u64) -> u64 {
    let bytes = if bytes > PACKET_MAX_BYTES { PACKET_MAX_BYTES } else { bytes };
    (bytes * per_byte + ((1 << COST_SHIFT) - 1)) >> COST_SHIFT
}
