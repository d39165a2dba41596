//! Which slot each entity has: it keeps the one it has, a new one takes a free one.

use std::collections::HashMap;

use limiter_common::meter::Owner;

/// Slots of entities, and what has to change for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Slot of each entity, in the order asked.
    pub slots: Vec<u32>,
    /// Places in that order whose slot is new, to be claimed.
    pub claims: Vec<usize>,
    /// Slots whose owner is no longer wanted, to be released.
    pub releases: Vec<u32>,
}

/// Assigns slots to the entities with these hashes and kinds, given the owners by slot. Where none is
/// free, slots beyond those there are follow.
///
/// A slot that is to be released is never given away in the same step: its last reading comes first.
pub fn assign(owners: &[Owner], wanted: &[(u64, u32)]) -> Assignment {
    let mut held: HashMap<(u64, u32), u32> = (1_u32..)
        .zip(owners.iter().skip(1))
        .filter(|(_, owner)| owner.entity != 0)
        .map(|(slot, owner)| ((owner.entity, owner.kind), slot))
        .collect();
    let mut free = (1_u32..).filter(|&slot| owners.get(slot as usize).is_none_or(|owner| owner.entity == 0));
    let mut assignment = Assignment::default();
    for (place, entity) in wanted.iter().enumerate() {
        let held = held.remove(entity);
        if held.is_none() {
            assignment.claims.push(place);
        }
        assignment.slots.extend(held.or_else(|| free.next()));
    }
    assignment.releases = held.into_values().collect();
    assignment.releases.sort_unstable();
    assignment
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owners(entities: &[u64]) -> Vec<Owner> {
        entities.iter().map(|&entity| Owner { entity, generation: 0, kind: 1 }).collect()
    }

    #[test]
    fn holders_keep_their_slot() {
        let assignment = assign(&owners(&[0, 11, 0, 33]), &[(33, 1), (44, 1)]);
        assert_eq!(assignment, Assignment { slots: vec![3, 2], claims: vec![1], releases: vec![1] });
    }

    #[test]
    fn a_slot_to_be_released_is_not_room() {
        assert_eq!(assign(&owners(&[0, 11]), &[(44, 1)]).slots, [2]);
    }

    #[test]
    fn the_kind_is_part_of_the_owner() {
        let assignment = assign(&owners(&[0, 11, 0]), &[(11, 2)]);
        assert_eq!(assignment.releases, [1]);
    }

    proptest! {
        #[test]
        fn slots_are_distinct_and_never_zero(
            held in prop::collection::vec(0_u64..20, 1..40),
            wanted in prop::collection::hash_set(1_u64..40, 0..30),
        ) {
            let mut owners = owners(&held);
            let mut seen = std::collections::HashSet::new();
            for owner in &mut owners {
                if !seen.insert(owner.entity) { owner.entity = 0; }
            }
            let wanted: Vec<(u64, u32)> = wanted.into_iter().map(|entity| (entity, 1)).collect();
            let assignment = assign(&owners, &wanted);
            let distinct: std::collections::HashSet<u32> = assignment.slots.iter().copied().collect();
            prop_assert_eq!(distinct.len(), wanted.len());
            prop_assert!(!distinct.contains(&0));
            prop_assert!(assignment.releases.iter().all(|slot| !distinct.contains(slot)));
        }
    }
}
