//! Hours of pay-as-you-go: examples B1 to B4 and C1 to C4.

use jiff::SignedDuration;
use limiter_domain::bill::{Line, by_traffic, next_hour};
use limiter_domain::order::NewPlan;
use limiter_domain::price::{Amount, Discount, Money};
use limiter_domain::segment::Segment;
use limiter_domain::statement::{EntryKind, statement};
use limiter_domain::{Charge, Code, Settings, overdue};
use limiter_state::Rate;

use super::buyer::{Buyer, cents, example, tiered};
use crate::fixture::{MADE, at, mbps, pay_as_you_go};

fn started(peak: u64, when: &str) -> Buyer {
    let mut buyer = Buyer::new(&example());
    let new = NewPlan { peak_bps: peak * 1_000_000, ..pay_as_you_go() };
    assert_eq!(buyer.order(&new, at(when)), Ok(Amount::ZERO));
    buyer
}

fn amounts(lines: &[Line]) -> Vec<i64> {
    lines.iter().map(|line| line.amount.micro() / 10_000).collect()
}

#[test]
fn b1_each_started_hour_has_its_highest_peak() {
    let mut buyer = started(10, "2026-11-23T15:10:23Z");
    buyer.resize(20, at("2026-11-23T16:05:00Z")).expect("a resize");
    buyer.resize(15, at("2026-11-23T17:00:00Z")).expect("a resize");
    buyer.delete(at("2026-11-23T18:15:33Z"));
    let lines = buyer.hours(at("2026-11-24T00:00:00Z"));
    assert_eq!(amounts(&lines), [20, 40, 30, 30]);
    assert_eq!(lines[1].quantity, 20_000_000);
    assert_eq!(lines.iter().map(|line| line.amount).sum::<Amount>(), cents(120));
}

#[test]
fn b2_hours_without_a_network_cost_the_same() {
    let mut used = crate::fixture::in_use(&NewPlan { peak_bps: 50_000_000, ..pay_as_you_go() });
    let mut buyer = started(50, "2026-11-23T08:00:00Z");
    buyer.plan = Some(used.clone());
    let step = limiter_domain::association::dissociate(&used, at("2026-11-23T09:30:00Z"), MADE);
    buyer.keep(step.expect("a dissociation"));
    used = crate::fixture::acknowledged(buyer.plan(), at("2026-11-23T09:30:01Z")).plan;
    buyer.plan = Some(used);
    assert_eq!(amounts(&buyer.hours(at("2026-11-23T14:00:00Z"))), [100; 6]);
}

#[test]
fn b3_a_moment_of_an_hour_is_an_hour() {
    let mut buyer = started(100, "2026-11-23T10:59:59.9Z");
    buyer.delete(at("2026-11-23T11:00:00.1Z"));
    assert_eq!(amounts(&buyer.hours(at("2026-11-23T13:00:00Z"))), [200, 200]);
    let mut buyer = started(100, "2026-11-23T10:59:59.9Z");
    buyer.delete(at("2026-11-23T11:00:00Z"));
    assert_eq!(amounts(&buyer.hours(at("2026-11-23T13:00:00Z"))), [200], "an end on the hour is before it");
}

#[test]
fn b4_five_minutes_of_a_higher_peak_cost_an_hour_of_it() {
    let mut buyer = started(10, "2026-11-23T14:00:00Z");
    buyer.resize(500, at("2026-11-23T14:20:00Z")).expect("a resize");
    buyer.resize(10, at("2026-11-23T14:25:00Z")).expect("a resize");
    assert_eq!(amounts(&buyer.hours(at("2026-11-23T16:00:00Z"))), [1_000, 20]);
}

#[test]
fn hours_have_tiers_and_a_discount() {
    let mut buyer = Buyer::new(&tiered()).discounted(9_999);
    buyer
        .order(&NewPlan { peak_bps: 7_000_001, ..pay_as_you_go() }, at("2026-11-23T14:00:00Z"))
        .expect("an order");
    let line = buyer.hours(at("2026-11-23T15:00:00Z")).remove(0);
    // 5 at 6,666 and 2.000001 at 20,000 make 73,330.02, of which 9,999 of 10,000 are paid.
    assert_eq!((line.original.micro(), line.amount.micro(), line.book), (73_330, 73_322, 1));
    assert_eq!(line.discount, Discount::new(9_999).expect("a discount"));
}

#[test]
fn hours_while_overdue_cost_nothing() {
    let mut buyer = started(10, "2026-11-23T14:10:00Z");
    let step = overdue::suspend(buyer.plan(), &Settings::default(), at("2026-11-23T15:30:00Z"), MADE);
    buyer.keep(step.expect("a suspension"));
    let step = overdue::restore(buyer.plan(), at("2026-11-23T18:30:00Z"), MADE).expect("a restoration");
    buyer.keep(step);
    let lines = buyer.hours(at("2026-11-23T20:00:00Z"));
    let hours: Vec<_> = lines.iter().map(|line| line.hour.to_string()).collect();
    assert_eq!(
        hours,
        ["2026-11-23T14:00:00Z", "2026-11-23T15:00:00Z", "2026-11-23T18:00:00Z", "2026-11-23T19:00:00Z"]
    );
}

fn by_data(bytes: u64, billed: &[Line], peak: Rate) -> Option<Line> {
    let buyer = Buyer::new(&example());
    let history = [Segment { from: at("2026-11-23T00:00:00Z"), to: None, peak }];
    by_traffic(&history, at("2026-11-23T10:00:00Z"), bytes, billed, &buyer.money())
}

fn micro(bytes: u64) -> Option<i64> {
    by_data(bytes, &[], mbps(200)).map(|line| line.amount.micro())
}

#[test]
fn c1_to_c3_inbound_bytes_and_a_statement_in_cents() {
    assert_eq!(micro(3_758_096_384), Some(420_000));
    assert_eq!(micro(123_456_789), Some(13_797));
    assert_eq!(micro(8948), Some(1));
    let entries = [(EntryKind::Line, Amount::new(-433_798))].into();
    let month = statement(cents(1_000), &entries);
    assert_eq!((month.total, month.round_down), (cents(43), Amount::new(3_798)));
    assert_eq!(month.closing, cents(957), "balance and statement agree");
}

#[test]
fn c4_a_month_of_a_constant_rate() {
    let hour = by_data(2_000_000 / 8 * 3600, &[], mbps(2)).expect("a line");
    assert!(!hour.held);
    let month = statement(Amount::ZERO, &[(EntryKind::Line, Amount::new(-720 * hour.amount.micro()))].into());
    assert_eq!(month.total, cents(7_241));
    let buyer = started(2, "2026-11-01T00:00:00Z");
    let lines = buyer.hours(at("2026-12-01T00:00:00Z"));
    assert_eq!((lines.len(), lines.iter().map(|line| line.amount).sum()), (720, cents(2_880)));
}

#[test]
fn late_bytes_adjust_their_hour_and_none_is_billed_twice() {
    let mut billed = Vec::new();
    for (bytes, micro) in
        [(100_000_000, Some(11_175)), (123_456_789, Some(2_622)), (123_456_789, None), (5, None)]
    {
        let line = by_data(bytes, &billed, mbps(200));
        assert_eq!(line.as_ref().map(|line| line.amount.micro()), micro, "{bytes}");
        assert!(line.as_ref().is_none_or(|line| line.revision as usize == billed.len()));
        billed.extend(line);
    }
    assert_eq!(
        billed.iter().map(|line| line.amount.micro()).sum::<i64>(),
        13_797,
        "as if they had come at once"
    );
    assert_eq!(micro(0), None, "nothing came in");
    let before = at("2026-11-22T00:00:00Z");
    assert_eq!(by_traffic(&[], before, 5, &[], &Money::default()), None, "no plan was there");
}

#[test]
fn more_than_a_peak_can_pass_is_held() {
    let most = 2_000_000 / 8 * 3600 * 105 / 100;
    assert!(!by_data(most, &[], mbps(2)).expect("a line").held);
    assert!(by_data(most + 1, &[], mbps(2)).expect("a line").held);
    assert!(by_data(u64::MAX, &[], Rate::MAX).expect("a line").held);
}

#[test]
fn pay_as_you_go_starts_where_a_day_of_it_can_be_paid() {
    for (charge, day) in [(Charge::ByBandwidth, 480), (Charge::ByTraffic, 288)] {
        let new = NewPlan { charge, ..pay_as_you_go() };
        let mut buyer = Buyer::new(&example());
        buyer.purse.balance = cents(day - 1);
        let refused = buyer.order(&new, at("2026-11-23T10:00:00Z")).expect_err("too little");
        assert_eq!(refused.code, Code::InsufficientBalance);
        buyer.purse.balance = cents(day);
        assert_eq!(buyer.order(&new, at("2026-11-23T10:00:00Z")), Ok(Amount::ZERO));
        assert_eq!(buyer.purse.balance, cents(day), "nothing is taken yet");
    }
}

#[test]
fn hours_follow_each_other() {
    let hour = at("2026-11-23T10:00:00Z");
    assert_eq!(next_hour(at("2026-11-23T10:59:59.999Z")), hour + SignedDuration::from_hours(1));
    assert_eq!(next_hour(jiff::Timestamp::MAX), jiff::Timestamp::MAX);
}
