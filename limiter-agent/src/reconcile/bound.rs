//! How far a meter may run ahead: the queue of shaping, the burst of policing.

use limiter_common::cost;
use limiter_common::meter::Control;

use crate::dataplane::Limit;
use crate::desired::Rate;

/// What becomes of a packet above the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shaping {
    /// It waits for its turn in `fq`, up to the queue bound.
    Shape,
    /// It is refused beyond the burst.
    Police,
}

/// Shortest queue of shaping, and the time that a small rate's packets may exceed.
const QUEUE_MIN_NS: u64 = 30_000_000;
/// Packets of full size that a queue has room for at any rate: a TCP window at its start and more.
const QUEUE_MIN_PACKETS: u64 = 16;
/// Shortest burst of policing.
const BURST_MIN_NS: u64 = 100_000_000;
/// Packets of full size that a burst has room for at any rate.
const BURST_MIN_PACKETS: u64 = 2;

/// The bound of a meter of `rate` for packets of `mtu_bytes`, nanoseconds.
pub fn bound_ns(shaping: Shaping, rate: Rate, mtu_bytes: u32) -> u64 {
    let packet_ns = (u64::from(mtu_bytes) * 8 * 1_000_000_000).div_ceil(rate.bps());
    match shaping {
        Shaping::Shape => QUEUE_MIN_NS.max(QUEUE_MIN_PACKETS * packet_ns),
        Shaping::Police => BURST_MIN_NS.max(BURST_MIN_PACKETS * packet_ns),
    }
}

/// The limit as a meter holds it; no rate is no limit.
pub fn limit(shaping: Shaping, rate: Option<Rate>, mtu_bytes: u32, flags: u64) -> Limit {
    let (cost_per_byte, bound_ns) = match rate {
        Some(rate) => (cost::per_byte(rate.bps()), bound_ns(shaping, rate, mtu_bytes)),
        None => (0, 0),
    };
    Limit { cost_per_byte, control: Control::new(bound_ns, flags).0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound_ms(shaping: Shaping, rate: &str) -> u64 {
        bound_ns(shaping, rate.parse().expect("rate"), 1500) / 1_000_000
    }

    #[test]
    fn bounds_follow_the_rate() {
        assert_eq!(bound_ms(Shaping::Shape, "100Mbps"), 30);
        assert_eq!(bound_ms(Shaping::Shape, "5Mbps"), 38);
        assert_eq!(bound_ms(Shaping::Shape, "8kbps"), 24_000);
        assert_eq!(bound_ms(Shaping::Police, "100Mbps"), 100);
        assert_eq!(bound_ms(Shaping::Police, "100kbps"), 240);
    }
}
