//! What the meters say: limits as rates, and whose each slot is.

use std::collections::HashMap;

use limiter_common::cost::{COST_SHIFT, TICKS_PER_NS};
use limiter_common::meter::Owner;

use crate::dataplane::MeterArray;
use crate::reconcile::entity;

/// Cost per byte of one bit per second.
const COST_OF_1_BPS: u64 = (8 * 1_000_000_000 * TICKS_PER_NS) << COST_SHIFT;

/// The rate that a cost per byte was made from, bits per second; none for no limit.
///
/// Costs are rounded up, so above 180 Mbps several rates share one, within 4 in a million. Of those
/// the roundest is given: the one people write.
pub fn rate_bps(cost_per_byte: u64) -> Option<u64> {
    let lowest = COST_OF_1_BPS.checked_div(cost_per_byte)?.max(1);
    let lowest = lowest + u64::from(COST_OF_1_BPS.div_ceil(lowest) > cost_per_byte);
    let highest = match cost_per_byte - 1 {
        0 => u64::MAX,
        less => COST_OF_1_BPS.div_ceil(less) - 1,
    };
    let rounded = (0..=11).rev().map(|digits| 10_u64.pow(digits)).map(|step| lowest.div_ceil(step) * step);
    rounded.into_iter().find(|rate| (lowest..=highest).contains(rate)).or(Some(lowest))
}

/// Slots that somebody owns.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    slots: HashMap<(u64, u32), u32>,
}

impl Owners {
    /// Reads all owners.
    pub fn read(meters: &MeterArray) -> Self {
        Self::of((0..meters.slots()).map(|slot| meters.owner(slot)))
    }

    /// From the owners by slot, of which the first is none: it names the maps.
    pub fn of(owners: impl Iterator<Item = Owner>) -> Self {
        let taken = (0_u32..).zip(owners).skip(1).filter(|(_, owner)| owner.entity != 0);
        Self { slots: taken.map(|(slot, owner)| ((owner.entity, owner.kind), slot)).collect() }
    }

    /// Slot of the network with this identity.
    pub fn network(&self, id: &str) -> Option<u32> {
        self.slots.get(&(entity::hash("network", id), Owner::NETWORK)).copied()
    }

    /// Slot of the instance with this identity.
    pub fn instance(&self, id: &str) -> Option<u32> {
        self.slots.get(&(entity::hash("instance", id), Owner::INSTANCE)).copied()
    }

    /// All slots, in no order.
    pub fn slots(&self) -> impl ExactSizeIterator<Item = u32> {
        self.slots.values().copied()
    }
}

#[cfg(test)]
mod tests {
    use limiter_common::cost::{RATE_MAX_BPS, RATE_MIN_BPS, per_byte};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_meter_gives_back_the_rate_it_was_set_to() {
        let digits = (1..10).chain([12, 15, 25, 125, 128, 512, 768, 999, 1024, 1536, 9999, 12_345]);
        for digits in digits {
            for rate in (0..12).map(|power| digits * 10_u64.pow(power)) {
                if (RATE_MIN_BPS..=RATE_MAX_BPS).contains(&rate) {
                    assert_eq!(rate_bps(per_byte(rate)), Some(rate));
                }
            }
        }
        assert_eq!(rate_bps(0), None);
    }

    proptest! {
        #[test]
        fn the_rate_given_back_is_the_same_limit(bps in RATE_MIN_BPS..=RATE_MAX_BPS) {
            let back = rate_bps(per_byte(bps)).expect("a limit");
            prop_assert_eq!(per_byte(back), per_byte(bps));
        }

        #[test]
        fn slow_rates_are_given_back_exactly(bps in RATE_MIN_BPS..=180_000_000) {
            prop_assert_eq!(rate_bps(per_byte(bps)), Some(bps));
        }

        #[test]
        fn no_word_in_a_map_panics(cost: u64) {
            prop_assert_eq!(rate_bps(cost).is_some(), cost != 0);
        }
    }

    #[test]
    fn slots_are_found_by_identity() {
        let owner =
            |kind, name: &str, id: &str| Owner { entity: entity::hash(name, id), generation: 1, kind };
        let owners = [
            Owner { entity: 77, generation: 0, kind: Owner::MAPS },
            owner(Owner::INSTANCE, "instance", "office/web"),
            Owner { generation: 3, ..Owner::default() },
            owner(Owner::NETWORK, "network", "office"),
        ];
        let owners = Owners::of(owners.into_iter());
        assert_eq!((owners.network("office"), owners.instance("office/web")), (Some(3), Some(1)));
        assert_eq!((owners.network("lab"), owners.instance("office")), (None, None));
        assert_eq!(owners.slots().len(), 2);
    }
}
