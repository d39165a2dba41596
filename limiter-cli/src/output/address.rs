//! Addresses for plans, and who had them, as rows and details.

use jiff::tz::TimeZone;
use limiter_api::views::{Address, AddressUse};

use super::View;
use super::text::{moment, some, some_moment};

impl View for Address {
    const HEAD: &[&str] = &["address", "region", "state", "plan", "rests until"];

    fn id(&self) -> &str {
        &self.address
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![
            self.address.clone(),
            self.region.clone(),
            self.state.clone(),
            some(self.plan.as_deref()),
            some_moment(self.rests_until, zone),
        ]
    }
}

impl View for AddressUse {
    const HEAD: &[&str] = &["from", "until", "network", "account", "node", "plan"];

    fn id(&self) -> &str {
        &self.id
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        vec![
            moment(self.from, zone),
            self.until.map_or_else(|| "now".to_owned(), |until| moment(until, zone)),
            self.network.clone(),
            self.account.clone(),
            self.node.clone(),
            self.plan.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::output::table;

    #[test]
    fn an_address_says_who_has_it_or_how_long_it_rests() {
        let bound = fixture::address();
        let rests_until = Some("2026-04-01T12:00:00Z".parse().expect("a moment"));
        let resting = Address {
            address: "198.51.100.8".into(),
            state: "quarantined".into(),
            plan: None,
            rests_until,
            ..fixture::address()
        };
        let rows = [bound, resting].map(|address| address.cells(&TimeZone::UTC));
        assert_eq!(
            table(Some(Address::HEAD), rows, None),
            "ADDRESS       REGION   STATE        PLAN    RESTS UNTIL\n\
             198.51.100.7  default  bound        plan-1  -\n\
             198.51.100.8  default  quarantined  -       2026-04-01 12:00:00 UTC\n"
        );
    }

    #[test]
    fn a_use_that_lasts_says_so() {
        let until = Some("2026-03-31T13:00:00Z".parse().expect("a moment"));
        let over = AddressUse { until, node: "n2".into(), ..fixture::address_use() };
        let rows = [over, fixture::address_use()].map(|used| used.cells(&TimeZone::UTC));
        assert_eq!(
            table(Some(AddressUse::HEAD), rows, None),
            "FROM                     UNTIL                    NETWORK  ACCOUNT  NODE    PLAN\n\
             2026-03-31 12:00:00 UTC  2026-03-31 13:00:00 UTC  net-1    acc-1    n2      plan-1\n\
             2026-03-31 12:00:00 UTC  now                      net-1    acc-1    node-1  plan-1\n"
        );
    }
}
