//! Limits, terms and quotas that a deployment may set.

use std::sync::Arc;

use jiff::SignedDuration;
use limiter_state::Rate;

/// What a deployment may set; [`Settings::default`] is the product's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Hours that billing days are ahead of UTC; fixed before the first plan.
    pub billing_utc_offset_hours: i8,
    /// The free rate of shared networks that name none.
    pub basic: Rate,
    /// Lowest and highest peak of plans charged by bandwidth.
    pub peak_by_bandwidth: (Rate, Rate),
    /// Lowest and highest peak of plans charged by traffic.
    pub peak_by_traffic: (Rate, Rate),
    /// Lowest and highest limit of a rule.
    pub rule_limit: (Rate, Rate),
    /// Plans of one account in one region.
    pub plans_per_account_and_region: usize,
    /// Rules of one plan.
    pub rules_per_plan: usize,
    /// Instances bound to one rule.
    pub instances_per_rule: usize,
    /// How far ahead a term may reach, in years.
    pub renew_horizon_years: i32,
    /// How long a plan is kept after its expiry.
    pub retention: SignedDuration,
    /// Days before expiry on which automatic renewal is tried, from this one to the last.
    pub auto_renew_lead_days: i32,
    /// Hour of the billing day at which automatic renewal is tried.
    pub auto_renew_hour: i8,
    /// Days before expiry on which the owner is reminded.
    pub reminder_days: Vec<i32>,
    /// How long a first association may wait for nodes.
    pub provision_deadline: SignedDuration,
    /// How long another association may wait for nodes.
    pub associate_deadline: SignedDuration,
    /// How long a withdrawal may wait for nodes before operators are told.
    pub withdrawal_alarm: SignedDuration,
    /// How long an address rests after its plan before another one gets it.
    pub address_quarantine: SignedDuration,
    /// How long an account may owe too much before its pay-as-you-go plans are suspended.
    pub grace: SignedDuration,
    /// How long an account must be able to pay for pay-as-you-go when it starts.
    pub pay_as_you_go_reserve: SignedDuration,
    /// How long after its end an hour of pay-as-you-go is billed.
    pub bill_delay: SignedDuration,
    /// How long after its end an hour of pay-by-data-transfer waits for nodes that have not said what they measured.
    pub late_samples: SignedDuration,
    /// How long after its end the statement of a month is written.
    pub statement_delay: SignedDuration,
    /// The agreement that every order must name; [`None`]: there is none.
    pub agreement_version: Option<Arc<str>>,
}

impl Default for Settings {
    fn default() -> Self {
        let mbps = |mbps: u64| Rate::new(mbps * 1_000_000).unwrap_or(Rate::MAX);
        Self {
            billing_utc_offset_hours: 0,
            basic: mbps(5),
            peak_by_bandwidth: (mbps(2), mbps(1000)),
            peak_by_traffic: (mbps(2), mbps(200)),
            rule_limit: (mbps(1), mbps(1000)),
            plans_per_account_and_region: 50,
            rules_per_plan: 100,
            instances_per_rule: 1000,
            renew_horizon_years: 5,
            retention: SignedDuration::from_hours(7 * 24),
            auto_renew_lead_days: 9,
            auto_renew_hour: 8,
            reminder_days: vec![7, 3, 1],
            provision_deadline: SignedDuration::from_mins(5),
            associate_deadline: SignedDuration::from_mins(10),
            withdrawal_alarm: SignedDuration::from_mins(10),
            address_quarantine: SignedDuration::from_hours(24),
            grace: SignedDuration::from_hours(24),
            pay_as_you_go_reserve: SignedDuration::from_hours(24),
            bill_delay: SignedDuration::from_mins(5),
            late_samples: SignedDuration::from_hours(72),
            statement_delay: SignedDuration::from_hours(73),
            agreement_version: None,
        }
    }
}
