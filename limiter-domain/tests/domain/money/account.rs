//! Accounts that owe too much, notes of operators, and months.

use std::collections::BTreeMap;

use limiter_domain::order::NewPlan;
use limiter_domain::price::{Amount, Discount, Note, Purse, Standing};
use limiter_domain::schedule::next_due;
use limiter_domain::statement::{EntryKind, issued_at, month_of, next_month, statement};
use limiter_domain::{Business, Code, Settings, Status, overdue};
use proptest::prelude::*;

use super::buyer::{Buyer, cents, example};
use crate::fixture::{MADE, at, in_use, kinds, mbps, pay_as_you_go, subscription};

#[test]
fn an_account_is_overdue_below_its_credit_and_normal_again_at_it() {
    let settings = Settings::default();
    let purse = Purse { credit_limit: cents(500), ..Purse::default() };
    let noon = at("2026-11-23T12:00:00Z");
    let at_limit = purse.post(cents(-500), noon).expect("a balance");
    assert_eq!((at_limit.purse.standing, at_limit.events.len()), (Standing::Normal, 0));
    let over = at_limit.purse.post(Amount::new(-1), noon).expect("a balance");
    assert_eq!((over.purse.standing, over.purse.overdue_since), (Standing::Grace, Some(noon)));
    assert_eq!(over.events[0].kind.code(), "account.overdue");
    let later = over.purse.post(cents(-1), at("2026-11-23T13:00:00Z")).expect("a balance").purse;
    assert_eq!(later.suspends_at(&settings), Some(at("2026-11-24T12:00:00Z")), "24 h after the first");
    let suspended = later.suspended(at("2026-11-24T12:00:00Z")).purse;
    assert_eq!((suspended.standing, suspended.suspends_at(&settings)), (Standing::Suspended, None));
    let back = suspended.post(Amount::new(10_001), noon).expect("a balance");
    assert_eq!((back.purse.standing, back.purse.overdue_since), (Standing::Normal, None));
    assert_eq!(back.events[0].kind.code(), "account.restored");
    let credit = suspended.with_credit(cents(600), noon).expect("a limit");
    assert_eq!(credit.purse.standing, Standing::Normal, "a higher limit restores, too");
}

#[test]
fn suspension_takes_service_and_a_top_up_gives_it_back() {
    let settings = Settings::default();
    let plan = in_use(&pay_as_you_go());
    let late = at("2026-11-24T12:00:00Z");
    let gone = overdue::suspend(&plan, &settings, late, MADE + 9).expect("a suspension");
    assert_eq!(kinds(&gone), ["plan.overdue"]);
    assert!(gone.reaches_nodes && gone.turns[0].peak.is_none());
    let release_at = at("2026-12-01T12:00:00Z");
    assert_eq!((gone.plan.status, gone.plan.release_at), (Status::InUse, Some(release_at)));
    assert_eq!(next_due(&gone.plan, &settings), Some(release_at));
    assert_eq!(overdue::suspend(&gone.plan, &settings, late, MADE + 9), None, "once");
    let back = overdue::restore(&gone.plan, late, MADE + 10).expect("a restoration");
    assert_eq!((back.plan.business, back.plan.release_at), (Business::Normal, None));
    assert_eq!((back.plan.network.clone(), back.turns[0].peak), (plan.network, Some(mbps(10))));
    assert_eq!(overdue::restore(&back.plan, late, MADE + 10), None);
    let bought = in_use(&subscription(limiter_domain::Duration::Month));
    assert_eq!(overdue::suspend(&bought, &settings, late, MADE + 9), None, "subscriptions go on");
}

#[test]
fn an_overdue_account_starts_nothing_and_raises_nothing() {
    let mut buyer = Buyer::new(&example());
    let noon = at("2026-11-23T12:00:00Z");
    buyer.order(&pay_as_you_go(), noon).expect("an order");
    buyer.purse = Purse { balance: cents(-1), ..buyer.purse }.post(cents(-1), noon).expect("a balance").purse;
    assert_eq!(buyer.resize(20, noon).map_err(|it| it.code), Err(Code::AccountOverdue));
    assert_eq!(buyer.resize(5, noon), Ok(Amount::ZERO));
    assert_eq!(buyer.order(&pay_as_you_go(), noon).map_err(|it| it.code), Err(Code::AccountOverdue));
    let subscription = NewPlan { ..subscription(limiter_domain::Duration::Month) };
    assert_eq!(buyer.order(&subscription, noon).map_err(|it| it.code), Err(Code::InsufficientBalance));
}

#[test]
fn notes_are_whole_cents_above_zero() {
    assert_eq!(Note::TopUp.signed(cents(5)), Ok(cents(5)));
    assert_eq!(Note::Debit.signed(cents(5)), Ok(cents(-5)));
    for wrong in [0, -10_000, 10_001, i64::MAX, i64::MIN] {
        let refused = Note::Credit.signed(Amount::new(wrong)).expect_err("out of range");
        assert_eq!(refused.field.as_deref(), Some("amount_micro"), "{wrong}");
    }
    let full = Purse { balance: Amount::new(4_000_000_000_000_000_000), ..Purse::default() };
    assert!(full.post(cents(1), at("2026-11-23T12:00:00Z")).is_err());
    let owes = Purse { balance: Amount::new(i64::MIN), ..Purse::default() };
    assert!(owes.post(cents(-1), at("2026-11-23T12:00:00Z")).is_err());
    assert!(owes.with_credit(cents(-1), at("2026-11-23T12:00:00Z")).is_err());
    assert!(Discount::new(0).is_err() && Discount::new(10_001).is_err());
}

#[test]
fn months_are_of_the_billing_zone_and_written_when_every_hour_is_closed() {
    let settings = Settings { billing_utc_offset_hours: 8, ..Settings::default() };
    let month = month_of(at("2026-11-30T16:00:00Z"), &settings);
    assert_eq!(month.to_string(), "2026-12-01");
    assert_eq!(next_month(month).to_string(), "2027-01-01");
    assert_eq!(issued_at(month, &settings), at("2027-01-03T17:00:00Z"));
}

/// What may happen to a purse: a movement, another limit, or time.
#[derive(Clone, Copy, Debug)]
enum Act {
    Post(i64),
    Limit(i64),
    Wait(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let amount = prop_oneof![-2_000_000..2_000_000_i64, any::<i64>()];
    prop_oneof![
        amount.clone().prop_map(Act::Post),
        amount.prop_map(Act::Limit),
        (0..100_000_i64).prop_map(Act::Wait)
    ]
}

proptest! {
    /// An account that owes too much does so since the movement that made it, is suspended 24 hours later at
    /// the earliest, and is back whenever it owes no more; each turn is told once.
    #[test]
    fn purses_are_sound_whatever_happens(acts in prop::collection::vec(act(), 0..60)) {
        let settings = Settings::default();
        let (mut purse, mut now) = (Purse::default(), at("2026-11-23T12:00:00Z"));
        let mut exact = 0_i128;
        for act in acts {
            let before = purse;
            let moved = match act {
                Act::Post(micro) => purse.post(Amount::new(micro), now).inspect(|_| exact += i128::from(micro)),
                Act::Limit(micro) => purse.with_credit(Amount::new(micro), now),
                Act::Wait(seconds) => {
                    now += jiff::SignedDuration::from_secs(seconds);
                    let Some(due) = purse.suspends_at(&settings).filter(|due| *due <= now) else { continue };
                    Ok(purse.suspended(due))
                }
            };
            let Ok(moved) = moved else { continue };
            purse = moved.purse;
            prop_assert!(purse.is_sound(), "{purse:?}");
            prop_assert_eq!(i128::from(purse.balance.micro()), exact);
            prop_assert_eq!(moved.events.len(), usize::from(before.standing != purse.standing));
            if (before.standing, purse.standing) == (Standing::Grace, Standing::Suspended) {
                prop_assert!(purse.overdue_since.is_some_and(|since| since + settings.grace <= now));
            }
            prop_assert!(
                (before.standing, purse.standing) != (Standing::Normal, Standing::Suspended)
                    && (before.standing, purse.standing) != (Standing::Suspended, Standing::Grace)
            );
        }
    }

    /// Months in a row: what one closes with, the next opens with, and the last balance is the sum of all.
    #[test]
    fn statements_and_balance_agree(months in prop::collection::vec(
        (0..1_000_000_000_i64, -1_000_000..1_000_000_i64, 0..10_000_i64), 1..24
    )) {
        let (mut opening, mut exact) = (Amount::ZERO, 0_i128);
        for (lines, order, top_up) in months {
            let entries: BTreeMap<_, _> = [
                (EntryKind::Line, Amount::new(-lines)),
                (EntryKind::Order, cents(order)),
                (EntryKind::TopUp, cents(top_up)),
            ].into();
            let month = statement(opening, &entries);
            prop_assert!((0..10_000).contains(&month.round_down.micro()));
            prop_assert!(month.total.is_cents() && month.closing.is_cents());
            prop_assert_eq!(month.total, month.hours.minus(cents(order)));
            prop_assert_eq!(statement(opening, &month.sums), month.clone(), "again it is the same");
            exact += month.sums.values().map(|it| i128::from(it.micro())).sum::<i128>();
            prop_assert_eq!(i128::from(month.closing.micro()), exact);
            opening = month.closing;
        }
    }
}
