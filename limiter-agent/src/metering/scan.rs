//! A reading of all meters: a scan of mapped memory.

use limiter_common::cost::{self, TICKS_PER_NS};
use limiter_common::gcra;
use limiter_common::meter::{Control, Direction, Meter};

use super::tracked::{Counts, Seen};
use crate::clock;
use crate::dataplane::MeterArray;

/// A meter that is ahead of now by no more than this holds nobody back, ticks.
const LEAD_MIN_TICKS: u64 = 1_000_000 * TICKS_PER_NS;
/// Nor by no more than what these bytes cost, two packets of full size: a packet that found the meter idle leaves
/// its own cost. A GSO buffer leaves more, and counts as held back where the reading falls into its time; so may
/// a burst within the bound of policing.
const LEAD_MIN_BYTES: u64 = 3000;

/// Slots that somebody owns, in their order. One whose owner changes while it is read comes in the next reading.
pub fn seen(meters: &MeterArray) -> impl Iterator<Item = Seen> {
    let now_ticks = clock::monotonic_ns().wrapping_mul(TICKS_PER_NS);
    (1..meters.slots()).filter_map(move |slot| {
        let owner = meters.owner(slot);
        if owner.entity == 0 {
            return None;
        }
        let counts = Direction::ALL.map(|way| counts(&meters.read(slot, way), now_ticks));
        let seen = Seen { slot, generation: owner.generation, key: (owner.entity, owner.kind), counts };
        (meters.owner(slot) == owner).then_some(seen)
    })
}

fn counts(meter: &Meter, now_ticks: u64) -> Counts {
    let idle_ticks = LEAD_MIN_TICKS.max(cost::of_bytes(LEAD_MIN_BYTES, meter.cost_per_byte));
    let waits = !Control(meter.control).has(Control::OBSERVE);
    let is_held =
        waits && meter.cost_per_byte != 0 && gcra::lead(meter.next_free_ticks, now_ticks) > idle_ticks;
    Counts { passed_bytes: meter.passed_bytes, refused_bytes: meter.refused_bytes, is_held }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A meter of 8 Mbps, where a packet of 1500 bytes takes 1.5 ms, that is ahead by so much.
    fn is_held(ahead_us: u64, control: u64) -> bool {
        let now = 1_000_000 * TICKS_PER_NS;
        let meter = Meter {
            next_free_ticks: now + ahead_us * 1000 * TICKS_PER_NS,
            cost_per_byte: cost::per_byte(8_000_000),
            control,
            ..Meter::default()
        };
        counts(&meter, now).is_held
    }

    #[test]
    fn a_meter_holds_back_when_packets_wait_for_it() {
        assert!(!is_held(0, 0), "idle");
        assert!(!is_held(1500, 0), "a packet that found it idle");
        assert!(is_held(4500, 0), "two more wait");
        assert!(!is_held(4500, Control::OBSERVE), "nobody waits where it is observed only");
        let unlimited = Meter { next_free_ticks: u64::MAX >> 8, ..Meter::default() };
        assert!(!counts(&unlimited, 0).is_held);
    }
}
