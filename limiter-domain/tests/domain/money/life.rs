//! Random histories of money: what must hold holds after each step, with tiers and discounts.

use jiff::{SignedDuration, Timestamp};
use limiter_domain::order::NewPlan;
use limiter_domain::price::Amount;
use limiter_domain::resize::{self, Resize};
use limiter_domain::segment::highest_paid;
use limiter_domain::{Duration, Pay, Status, release, renewal, term};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::buyer::{Buyer, cents, example, tiered};
use crate::fixture::{MADE, START, at, pay_as_you_go, subscription};

/// How many histories are lived.
const HISTORIES: u32 = 20_000;

/// What is done, how, and how many minutes later.
type Act = (u8, u16, u32);

fn act() -> impl Strategy<Value = Act> {
    (0..10_u8, any::<u16>(), prop_oneof![0..90_u32, 0..3_000_u32, 0..60_000_u32])
}

#[derive(Clone, Copy, Debug)]
struct World {
    discount: u16,
    tiered: bool,
    auto_renew: bool,
    duration: Duration,
    peak: u16,
}

fn world() -> impl Strategy<Value = World> {
    let discount = prop_oneof![Just(10_000), 1..10_000_u16];
    (discount, any::<bool>(), any::<bool>(), prop::sample::select(Duration::ALL.to_vec()), 2..1000_u16)
        .prop_map(|(discount, tiered, auto_renew, duration, peak)| World {
            discount,
            tiered,
            auto_renew,
            duration,
            peak,
        })
}

/// Invariants 1, 2, 3, 5 and 9, and that a value is never below zero nor without days.
#[test]
fn money_holds_together_whatever_is_done() {
    let mut runner = TestRunner::new(Config { cases: HISTORIES, ..Config::default() });
    let strategy = (world(), prop::collection::vec(act(), 1..14));
    let result = runner.run(&strategy, |(world, acts)| {
        live(world, &acts);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

fn live(world: World, acts: &[Act]) {
    let new = if world.tiered { tiered() } else { example() };
    let mut buyer = Buyer::new(&new).discounted(world.discount);
    let opening = buyer.purse.balance;
    let mut now = at(START);
    let order = NewPlan {
        auto_renew: world.auto_renew && world.duration != Duration::Week,
        peak_bps: u64::from(world.peak) * 1_000_000,
        ..subscription(world.duration)
    };
    buyer.order(&order, now).expect("an order");
    check(&buyer, opening, now);
    for (what, how, minutes) in acts {
        now += SignedDuration::from_mins(i64::from(*minutes));
        buyer.catch_up(now);
        match what {
            0..=4 => resized(&mut buyer, 2 + u64::from(*how) % 999, now),
            5 | 6 => renewed(&mut buyer, Duration::ALL[usize::from(*how) % 8], now),
            7 => there_and_back(&mut buyer, 2 + u64::from(*how) % 999, now),
            8 => {
                now += SignedDuration::from_hours(24 * i64::from(*how % 400));
                buyer.catch_up(now);
            }
            _ => ended(&mut buyer, now),
        }
        check(&buyer, opening, now);
    }
    if buyer.plan().status != Status::Released {
        ended(&mut buyer, now);
        check(&buyer, opening, now);
    }
}

fn resized(buyer: &mut Buyer, mbps: u64, now: Timestamp) {
    let facts = resize::Facts { money: buyer.money().unlimited(), history: &buyer.history };
    let to = Resize { peak_bps: mbps * 1_000_000, expected_amount: None };
    let Ok(quote) = resize::resize(buyer.plan(), to, facts, &buyer.settings, now, MADE) else { return };
    let (before, today) = (buyer.plan().clone(), term::billing_day(now, &buyer.settings));
    let amount = buyer.resize(mbps, now).expect("as quoted");
    assert_eq!(amount, quote.amount(), "a quote is the charge");
    if buyer.plan().peak < before.peak {
        assert!(amount <= Amount::ZERO);
        let left: Amount = before.slices.iter().map(|slice| slice.value_after(today)).sum();
        let kept: Amount = buyer.plan().slices.iter().map(|slice| slice.value_after(today)).sum();
        let rounded = left.minus(kept).plus(amount);
        assert!(
            (0..10_000).contains(&rounded.micro()),
            "what is paid back and what is kept is all there was"
        );
    } else {
        assert!(amount >= Amount::ZERO);
    }
}

fn renewed(buyer: &mut Buyer, duration: Duration, now: Timestamp) {
    let asked = renewal::Renewal { duration, auto_renew: None, expected_amount: None };
    let money = buyer.money().unlimited();
    let Ok(quote) = renewal::renew(buyer.plan(), asked, &money, &buyer.settings, now, MADE) else { return };
    assert_eq!(buyer.renew(duration, now), Ok(quote.amount()));
    assert_eq!(buyer.plan().slices.last().map(|slice| slice.value), Some(quote.amount()));
}

/// Another peak and the one before, on one day: it costs the day at the highest peak, where that is new, and
/// a cent for each rounding since the order. The account gains less than a cent of each.
fn there_and_back(buyer: &mut Buyer, mbps: u64, now: Timestamp) {
    let (before, history) = (buyer.plan().clone(), buyer.history.clone());
    let today = term::billing_day(now, &buyer.settings);
    let Ok(there) = buyer.resize(mbps, now) else { return };
    let back = buyer.resize(before.peak.bps() / 1_000_000, now).expect("back");
    let begin = term::hour_of_day(today, 0, &buyer.settings);
    let highest = highest_paid(&history, begin, now + SignedDuration::from_nanos(1))
        .map_or(before.peak, |peak| peak.max(before.peak));
    let slice = before.slices.iter().find(|slice| slice.first_day <= today && today < slice.last_day);
    let slice = slice.expect("a running period");
    let price = |peak_bps| {
        let mut other = Buyer { books: buyer.books.clone(), purse: buyer.purse, ..Buyer::new(&example()) };
        other.purse.balance = cents(1_000_000_000);
        let order = NewPlan { peak_bps, ..subscription(slice.duration) };
        other.order(&order, now).expect("an order").micro()
    };
    let more = price((mbps * 1_000_000).max(highest.bps())) - price(highest.bps());
    let day = more / i64::from(slice.days());
    let net = there.plus(back).micro() - day;
    let roundings = i64::try_from(buyer.orders.len()).expect("few orders") + 2;
    assert!((-20_000..=roundings * 10_000).contains(&net), "{there} and {back} for a day of {day}");
}

fn ended(buyer: &mut Buyer, now: Timestamp) {
    let ending = release::Ending { force: false, expected_amount: None };
    let money = buyer.money().unlimited();
    let quote = release::unsubscribe(buyer.plan(), ending, &money, &buyer.settings, now, MADE);
    let Ok(quote) = quote else { return };
    assert_eq!(buyer.unsubscribe(now), Ok(quote.amount()), "a quote is the charge");
}

fn check(buyer: &Buyer, opening: Amount, now: Timestamp) {
    let (paid, back) = buyer.paid();
    assert_eq!(buyer.purse.balance, opening.minus(paid).minus(back), "the balance is the sum of its entries");
    assert!(paid.plus(back) >= Amount::ZERO, "{back} was paid back of {paid}");
    let worth: Amount = buyer.plan().slices.iter().map(|slice| slice.value).sum();
    let over = matches!(buyer.plan().status, Status::Released);
    assert!(over || worth <= paid.plus(back), "worth {worth} of {paid} {back}");
    for slice in &buyer.plan().slices {
        assert!(slice.value >= Amount::ZERO);
        assert!(slice.first_day <= slice.value_from && slice.value_from <= slice.last_day, "{slice:?}");
    }
    for order in &buyer.orders {
        assert!(order.amount.is_cents() && order.original.is_cents(), "{order:?}");
        assert!(order.discount() >= Amount::ZERO, "{order:?}");
    }
    for [before, after] in buyer.history.array_windows() {
        assert!(before.to.is_some_and(|end| end <= after.from), "segments follow each other");
    }
    let billable = buyer.plan().is_live() && buyer.plan().business == limiter_domain::Business::Normal;
    let open = buyer.history.last().filter(|segment| segment.to.is_none());
    assert_eq!(open.map(|segment| segment.peak), billable.then_some(buyer.plan().peak), "at {now}");
}

proptest! {
    /// Invariants 6 and 7: as many hours are billed as billable time touches, each once, each at the highest
    /// peak of the hour.
    #[test]
    fn hours_are_those_that_billable_time_touches(acts in prop::collection::vec((2..1000_u64, 0..10_000_i64), 0..12), end in 0..7_200_i64) {
        let mut buyer = Buyer::new(&tiered());
        let mut now = at(START);
        buyer.order(&pay_as_you_go(), now).expect("an order");
        for (mbps, seconds) in acts {
            now += SignedDuration::from_secs(seconds);
            let _ = buyer.resize(mbps, now);
        }
        now += SignedDuration::from_secs(end);
        buyer.delete(now);
        prop_assert_eq!(buyer.plan().pay, Pay::PostPaid);
        let lines = buyer.hours(now + SignedDuration::from_hours(9));
        let first = limiter_domain::usage::hour_of(at(START)).as_second() / 3600;
        let touched = if now == at(START) { 0 } else { (now.as_second() - 1).div_euclid(3600) - first + 1 };
        prop_assert_eq!(i64::try_from(lines.len()).expect("few lines"), touched);
        for line in &lines {
            let seconds = line.hour.as_second()..line.hour.as_second() + 3600;
            let peak = buyer.history.iter().filter(|it| {
                let to = it.to.map_or(i64::MAX, Timestamp::as_second);
                it.from.as_second().max(seconds.start) < to.min(seconds.end)
            }).map(|it| it.peak.bps()).max();
            prop_assert_eq!(Some(line.quantity), peak);
        }
        prop_assert!(buyer.purse.balance == cents(1_000_000_000), "lines are posted by others");
    }
}
