//! Terms that end: what of a state is in force at an instant.

use std::borrow::Cow;

use jiff::Timestamp;

use super::model::{Desired, LimitSource, Limits};

impl Desired {
    /// What is in force at `now`. A network whose term is over has its fallback, and no rule holds for
    /// its instances; rates of their own stay.
    ///
    /// The answer follows from `now` alone, so a clock that is set back brings a plan back.
    pub fn at(&self, now: Timestamp) -> Cow<'_, Self> {
        if self.ends().all(|at| at > now) {
            return Cow::Borrowed(self);
        }
        let mut desired = self.clone();
        let Self { networks, instances, .. } = &mut desired;
        for network in networks {
            let Some(until) = network.until.take_if(|until| until.at <= now) else { continue };
            network.limits = until.limits;
            network.internet = until.internet;
            network.egress = until.egress;
            for instance in &mut instances[network.instances.clone()] {
                if matches!(instance.limits.source, LimitSource::Rule(_) | LimitSource::DefaultRule(_)) {
                    let source = LimitSource::Expired(network.plan.clone());
                    instance.limits = Limits { up: None, down: None, source };
                }
            }
        }
        Cow::Owned(desired)
    }

    /// The next instant after `now` at which something else is in force.
    pub fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.ends().filter(|at| *at > now).min()
    }

    fn ends(&self) -> impl Iterator<Item = Timestamp> {
        self.networks.iter().filter_map(|network| network.until.as_ref()).map(|until| until.at)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::desired::{Access, Egress, Rate, parse};

    const STATE: &str = "version: 1
rules: [{name: small, up: 1Mbps, down: 1Mbps}]
networks:
- name: gold
  prefixes: [10.0.0.0/24]
  plan: p-1
  up: 20Mbps
  down: 20Mbps
  egress: {exclusive: 198.51.100.7}
  until: {at: 2026-12-01T00:00:00Z, up: 5Mbps, internet: deny, egress: {shared: 198.51.100.8}}
  default_rule: small
  instances:
  - {name: default, addresses: [10.0.0.1]}
  - {name: own, addresses: [10.0.0.2], up: 2Mbps}
  - {name: rule, addresses: [10.0.0.3], rule: small}
- name: later
  prefixes: [10.0.1.0/24]
  until: {at: 2026-12-02T00:00:00Z}
  internet: deny
- name: open
  prefixes: [10.0.2.0/24]
  default_rule: small
  instances: [{name: i, addresses: [10.0.2.1]}]
";

    fn state() -> Desired {
        parse(STATE.as_bytes()).unwrap_or_else(|error| panic!("{error}")).1
    }

    fn instant(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn bps(limits: &Limits) -> [Option<u64>; 2] {
        [limits.up, limits.down].map(|rate| rate.map(Rate::bps))
    }

    #[test]
    fn the_term_ends_at_its_instant_and_no_sooner() {
        let state = state();
        let before = state.at(instant("2026-11-30T23:59:59.999999999Z"));
        assert_eq!(*before, state);
        assert_eq!(before.networks[0].limits.source, LimitSource::Plan("p-1".into()));
        let after = state.at(instant("2026-12-01T00:00:00Z"));
        let gold = &after.networks[0];
        assert_eq!((bps(&gold.limits), gold.internet), ([Some(5_000_000), None], Access::Deny));
        let addresses = [before.networks[0].egress, gold.egress];
        let [exclusive, shared] = [7, 8].map(|last| Ipv4Addr::new(198, 51, 100, last));
        assert_eq!(addresses, [Egress::Exclusive(exclusive), Egress::Shared(shared)]);
        let expired = LimitSource::Expired(Some("p-1".into()));
        assert_eq!(gold.limits.source, expired);
        let instances: Vec<_> =
            after.instances.iter().map(|instance| (bps(&instance.limits), &instance.limits.source)).collect();
        let small = LimitSource::DefaultRule("small".into());
        let expected = [
            ([None; 2], &expired),
            ([Some(2_000_000), None], &LimitSource::Own),
            ([None; 2], &expired),
            ([Some(1_000_000); 2], &small),
        ];
        assert_eq!(instances, expected);
        assert_eq!(after.networks[1..], state.networks[1..]);
        let last = state.at(instant("2026-12-02T00:00:00Z"));
        assert_eq!(last.networks[1].limits.source, LimitSource::Expired(None));
        assert_eq!(last.networks[1].internet, Access::Allow);
    }

    #[test]
    fn ends_are_awaited_in_their_order() {
        let state = state();
        let [first, second] = ["2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"].map(instant);
        assert_eq!(state.next_end(Timestamp::UNIX_EPOCH), Some(first));
        assert_eq!(state.next_end(first), Some(second));
        assert_eq!(state.next_end(second), None);
    }

    proptest! {
        #[test]
        fn nothing_changes_between_two_ends(now in 1_795_900_000_i64..1_796_300_000, step in 0_i64..200_000) {
            let state = state();
            let now = Timestamp::from_second(now).expect("in range");
            let later = now + jiff::SignedDuration::from_secs(step);
            let same = state.next_end(now).is_none_or(|end| end > later);
            prop_assert_eq!(state.at(now) == state.at(later), same);
            // What was taken at an instant stays what it is, and leads to the same later.
            let taken = state.at(now);
            prop_assert_eq!(taken.at(later), state.at(later));
            prop_assert_eq!(taken.next_end(now), state.next_end(now));
        }
    }
}
