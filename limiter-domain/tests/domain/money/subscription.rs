//! What subscriptions cost, and what of it is given back: examples A1 to A14.

use limiter_domain::order::NewPlan;
use limiter_domain::price::{Amount, OrderKind};
use limiter_domain::{Business, Code, Duration, Status};

use super::buyer::{Buyer, cents, example, noon, tiers};
use crate::fixture::{START, at, subscription};

fn of(mbps: u64, duration: Duration) -> NewPlan {
    NewPlan { peak_bps: mbps * 1_000_000, ..subscription(duration) }
}

/// Ten Mbps for a month: A1.
fn first() -> Buyer {
    let mut buyer = Buyer::new(&example());
    assert_eq!(buyer.order(&of(10, Duration::Month), at(START)), Ok(cents(10_000)));
    buyer
}

fn since(day: &str, mbps: u64) -> Buyer {
    let mut buyer = Buyer::new(&example());
    buyer.order(&of(mbps, Duration::Month), noon(day)).expect("an order");
    buyer
}

#[test]
fn a1_to_a4_periods_and_their_ends() {
    let cases = [
        (10, Duration::Month, START, 10_000, "2026-12-24T00:00:00Z", 31),
        (8, Duration::Week, START, 2_400, "2026-12-01T00:00:00Z", 8),
        (20, Duration::Year, START, 200_000, "2027-11-24T00:00:00Z", 366),
        (10, Duration::Month, "2027-01-31T09:00:00Z", 10_000, "2027-03-01T00:00:00Z", 29),
    ];
    for (mbps, duration, start, price, end, days) in cases {
        let mut buyer = Buyer::new(&example());
        assert_eq!(buyer.order(&of(mbps, duration), at(start)), Ok(cents(price)), "{duration}");
        assert_eq!(buyer.plan().expires_at, Some(at(end)), "{duration}");
        let slice = &buyer.plan().slices[0];
        assert_eq!((slice.days(), slice.value), (days, cents(price)), "{duration}");
    }
}

#[test]
fn a5_an_upgrade_pays_the_difference_for_today_and_the_days_left() {
    let mut buyer = first();
    assert_eq!(buyer.resize(20, noon("2026-12-04")), Ok(cents(6_451)));
    let slice = &buyer.plan().slices[0];
    assert_eq!(slice.value, Amount::new(61_290_322 + 61_284_194));
    assert_eq!(slice.value_from.to_string(), "2026-12-05");
}

fn renewed() -> Buyer {
    let mut buyer = first();
    assert_eq!(buyer.renew(Duration::TwoMonths, noon("2026-12-01")), Ok(cents(20_000)));
    assert_eq!(buyer.plan().expires_at, Some(at("2027-02-24T00:00:00Z")));
    assert_eq!(buyer.plan().slices[1].days(), 62);
    buyer
}

#[test]
fn a6_an_upgrade_also_pays_for_a_period_that_has_not_begun() {
    let mut buyer = renewed();
    assert_eq!(buyer.resize(15, noon("2026-12-20")), Ok(cents(10_645)));
    assert_eq!(buyer.plan().slices[0].value, Amount::new(9_677_419 + 4_838_709));
    assert_eq!(buyer.plan().slices[1].value, Amount::new(299_998_388));
}

#[test]
fn a7_down_and_up_on_one_day_costs_nothing() {
    let mut buyer = since("2026-11-01", 20);
    assert_eq!(buyer.resize(10, noon("2026-11-10")), Ok(cents(-6_774)));
    assert_eq!(buyer.resize(20, at("2026-11-10T13:00:00Z")), Ok(cents(6_774)));
}

#[test]
fn a8_up_and_down_on_one_day_costs_the_day() {
    let mut buyer = since("2026-11-01", 10);
    assert_eq!(buyer.resize(20, noon("2026-11-10")), Ok(cents(7_096)));
    assert_eq!(buyer.resize(10, at("2026-11-10T13:00:00Z")), Ok(cents(-6_773)));
}

#[test]
fn a9_and_a12_a_downgrade_and_an_end_give_back_what_is_left() {
    let mut buyer = first();
    buyer.resize(20, noon("2026-12-04")).expect("an upgrade");
    assert_eq!(buyer.resize(5, noon("2026-12-10")), Ok(cents(-6_290)));
    assert_eq!(buyer.plan().slices[0].value, Amount::new(20_966_694));
    assert_eq!(buyer.unsubscribe(at("2026-12-15T18:00:00Z")), Ok(cents(-1_290)));
    assert_eq!(buyer.paid(), (cents(16_451), cents(-7_580)));
    assert_eq!(buyer.plan().status, Status::Released);
}

#[test]
fn a11_a_late_renewal_does_not_pay_for_the_days_without_service() {
    let mut buyer = first();
    let late = at("2026-12-27T09:00:00Z");
    buyer.catch_up(late);
    assert_eq!(buyer.plan().business, Business::Expired);
    assert_eq!(buyer.renew(Duration::Month, late), Ok(cents(10_000)));
    assert_eq!(buyer.plan().expires_at, Some(at("2027-01-28T00:00:00Z")));
    assert_eq!(buyer.plan().business, Business::Normal);
    let segments: Vec<_> = buyer.history.iter().map(|it| (it.from, it.to)).collect();
    assert_eq!(segments, [(at(START), Some(at("2026-12-24T00:00:00Z"))), (late, None)]);
}

#[test]
fn a13_an_end_gives_back_a_period_that_has_not_begun() {
    let mut buyer = renewed();
    buyer.resize(15, noon("2026-12-20")).expect("an upgrade");
    assert_eq!(buyer.unsubscribe(noon("2026-12-21")), Ok(cents(-30_967)));
    assert_eq!(buyer.paid().0, cents(40_645));
}

#[test]
fn a14_nothing_is_left_of_a_term_that_is_over() {
    let mut buyer = first();
    assert_eq!(buyer.unsubscribe(noon("2026-12-26")), Ok(Amount::ZERO));
    assert_eq!(buyer.plan().status, Status::Released);
}

#[test]
fn the_parts_of_a_peak_cost_what_their_tiers_say() {
    let mut new = example();
    new.items[1].1 = tiers(&[(Some(5), 3_400_000), (None, 11_830_000)]);
    let mut buyer = Buyer::new(&new);
    assert_eq!(buyer.order(&of(7, Duration::Month), at(START)), Ok(cents(4_066)));
}

#[test]
fn a_discount_is_part_of_the_one_rounding() {
    let mut buyer = Buyer::new(&example()).discounted(8_888);
    assert_eq!(buyer.order(&of(7, Duration::Month), at(START)), Ok(cents(6_221)));
    let order = &buyer.orders[0];
    assert_eq!((order.original, order.discount(), order.book), (cents(7_000), cents(779), 1));
    assert_eq!(order.kind, OrderKind::Purchase);
    assert_eq!(buyer.plan().slices[0].value, cents(6_221));
}

#[test]
fn a_plan_that_waits_for_its_network_keeps_what_was_paid() {
    let mut step = crate::fixture::creating(&of(10, Duration::Month));
    assert!(step.plan.slices.is_empty() && step.turns.is_empty());
    step.plan.prepaid = cents(10_000);
    let used = crate::fixture::acknowledged(&step.plan, at(START));
    assert_eq!(used.plan.prepaid, Amount::ZERO);
    assert_eq!(used.plan.slices[0].value, cents(10_000));
    assert_eq!(used.turns.len(), 1);
}

#[test]
fn a_renewal_by_itself_pays_or_fails() {
    for (has, renews) in [(10_000, true), (9_999, false)] {
        let mut buyer = Buyer::new(&example());
        let new = NewPlan { auto_renew: true, ..of(10, Duration::Month) };
        buyer.order(&new, at(START)).expect("an order");
        buyer.purse.balance = cents(has);
        let end = at("2026-12-24T00:00:00Z");
        buyer.catch_up(end);
        assert_eq!(buyer.plan().business == Business::Normal, renews);
        assert_eq!(buyer.purse.balance, if renews { Amount::ZERO } else { cents(has) });
        let last = buyer.orders.last().expect("an order");
        assert_eq!(last.kind == OrderKind::AutoRenew, renews);
        assert!(!renews || last.at == at("2026-12-15T08:00:00Z"), "paid when it was due");
    }
}

#[test]
fn what_cannot_be_paid_is_refused_and_changes_nothing() {
    let mut buyer = first();
    buyer.purse.balance = cents(6_450);
    let refused = buyer.resize(20, noon("2026-12-04")).expect_err("too little money");
    assert_eq!(refused.code, Code::InsufficientBalance);
    buyer.purse.credit_limit = cents(1);
    assert_eq!(buyer.resize(20, noon("2026-12-04")), Ok(cents(6_451)));
    assert_eq!(buyer.purse.balance, cents(-1));
    assert_eq!(buyer.resize(5, noon("2026-12-10")), Ok(cents(-6_290)), "giving back needs no money");
}

#[test]
fn a_later_book_changes_no_paid_period() {
    let mut buyer = first();
    let mut dear = example();
    dear.effective_from = Some(noon("2026-12-02"));
    for (_, tiers) in &mut dear.items {
        tiers[0].micro_per_unit *= 2;
    }
    let book = buyer.books.next(&dear, noon("2026-12-01")).expect("a book");
    let list: Vec<_> = buyer.books.list().iter().cloned().chain([book.into()]).collect();
    buyer.books = limiter_domain::price::Books::new(list);
    assert_eq!(buyer.plan().slices[0].value, cents(10_000));
    assert_eq!(buyer.renew(Duration::Month, noon("2026-12-01")), Ok(cents(10_000)));
    assert_eq!(buyer.renew(Duration::Month, noon("2026-12-02")), Ok(cents(20_000)));
    assert_eq!(buyer.orders.last().map(|order| order.book), Some(2));
}
