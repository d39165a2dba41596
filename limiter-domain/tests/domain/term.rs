//! Dates: the worked examples, and plans walked through years.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use limiter_domain::renewal::{Renewal, renew};
use limiter_domain::schedule::{next_due, tick};
use limiter_domain::{Business, Duration, Plan, Settings, Slice, term};
use proptest::prelude::*;

use crate::fixture::{MADE, at, free, ordered, subscription};

fn bought(duration: Duration, now: &str) -> Plan {
    ordered(&subscription(duration), at(now)).expect("an order that is accepted").plan
}

fn renewed(plan: &Plan, duration: Duration, now: &str) -> Plan {
    let asked = Renewal { duration, auto_renew: None, expected_amount: None };
    renew(plan, asked, &free(), &Settings::default(), at(now), MADE + 1).expect("a renewal").plan
}

fn days(slice: &Slice) -> i32 {
    (slice.last_day - slice.first_day).get_days()
}

#[test]
fn examples_a1_to_a4() {
    for (duration, now, end, n) in [
        (Duration::Month, "2026-11-23T10:15:00Z", "2026-12-24T00:00:00Z", 31),
        (Duration::Week, "2026-11-23T10:15:00Z", "2026-12-01T00:00:00Z", 8),
        (Duration::Year, "2026-11-23T10:15:00Z", "2027-11-24T00:00:00Z", 366),
        (Duration::Month, "2027-01-31T00:00:00Z", "2027-03-01T00:00:00Z", 29),
        (Duration::Month, "2026-11-20T15:20:00Z", "2026-12-21T00:00:00Z", 31),
    ] {
        let plan = bought(duration, now);
        assert_eq!(plan.expires_at, Some(at(end)), "{duration} from {now}");
        assert_eq!(days(&plan.slices[0]), n, "{duration} from {now}");
    }
    let plan =
        renewed(&bought(Duration::Month, "2027-01-31T00:00:00Z"), Duration::Month, "2027-02-01T00:00:00Z");
    assert_eq!(plan.expires_at, Some(at("2027-04-01T00:00:00Z")));
}

#[test]
fn example_a4_comes_back_to_its_anchor() {
    let plan = bought(Duration::Month, "2026-12-30T12:00:00Z");
    assert_eq!((plan.expires_at, plan.anchor_day), (Some(at("2027-01-31T00:00:00Z")), Some(31)));
    let plan = renewed(&plan, Duration::Month, "2027-01-01T00:00:00Z");
    assert_eq!(plan.expires_at, Some(at("2027-02-28T00:00:00Z")));
    let plan = renewed(&plan, Duration::Month, "2027-01-01T00:00:00Z");
    assert_eq!(plan.expires_at, Some(at("2027-03-31T00:00:00Z")));
    let plan = renewed(&plan, Duration::Week, "2027-01-01T00:00:00Z");
    assert_eq!((plan.expires_at, plan.anchor_day), (Some(at("2027-04-07T00:00:00Z")), Some(7)));
    let plan = renewed(&plan, Duration::TwoMonths, "2027-01-01T00:00:00Z");
    assert_eq!(plan.expires_at, Some(at("2027-06-07T00:00:00Z")));
}

#[test]
fn example_a11_late_renewal_leaves_a_hole() {
    let plan = bought(Duration::Month, "2026-11-23T10:15:00Z");
    let gone = tick(&plan, &free(), &Settings::default(), at("2026-12-24T00:00:00Z"), MADE + 1)
        .expect("an end")
        .plan;
    assert_eq!(gone.business, Business::Expired);
    let plan = renewed(&gone, Duration::Month, "2026-12-27T09:00:00Z");
    assert_eq!(plan.expires_at, Some(at("2027-01-28T00:00:00Z")));
    assert_eq!((plan.slices[0].last_day, plan.slices[1].first_day), (date(2026, 12, 24), date(2026, 12, 27)));
    assert_eq!(plan.anchor_day, Some(28));
}

#[test]
fn days_are_those_of_the_billing_zone() {
    let settings = Settings { billing_utc_offset_hours: 8, ..Settings::default() };
    let term = term::start(at("2026-11-22T16:00:00Z"), Duration::Month, &settings);
    assert_eq!(term.slice.first_day, date(2026, 11, 23));
    assert_eq!(term.expires_at, at("2026-12-23T16:00:00Z"));
    let term = term::start(at("2026-11-22T15:59:59Z"), Duration::Month, &settings);
    assert_eq!(term.slice.first_day, date(2026, 11, 22));
}

/// The days of one duration as a calendar on the wall would tell, month by month.
fn by_calendar(first: Date, duration: Duration, anchor: i8) -> Date {
    let Some(months) = duration.months() else {
        return (0..7).fold(first, |day, _| day.tomorrow().expect("a day within the calendar"));
    };
    let (mut year, mut month) = (i32::from(first.year()), i32::from(first.month()));
    for _ in 0..months {
        month += 1;
        if month == 13 {
            (year, month) = (year + 1, 1);
        }
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    date(year as i16, month as i8, i32::from(anchor).min(length) as i8)
}

#[test]
fn every_duration_through_thirty_years_by_itself() {
    let settings = Settings::default();
    for duration in Duration::ALL.into_iter().filter(|&duration| duration != Duration::Week) {
        for first in
            ["2024-01-30T12:00:00Z", "2024-02-28T23:59:59Z", "2023-02-28T00:00:00Z", "2026-08-30T08:00:00Z"]
        {
            let new = limiter_domain::order::NewPlan { auto_renew: true, ..subscription(duration) };
            let mut plan = ordered(&new, at(first)).expect("an order that is accepted").plan;
            let anchor = plan.anchor_day.expect("a day to come back to");
            let last = at(first) + SignedDuration::from_hours(30 * 366 * 24);
            let mut renewals = 0;
            while let Some(due) = next_due(&plan, &settings).filter(|due| *due < last) {
                let before = plan.expires_at.expect("a term");
                plan = tick(&plan, &free(), &settings, due, MADE + 1).expect("something due").plan;
                let end = plan.expires_at.expect("a term");
                let day = term::billing_day(before, &settings);
                assert_eq!(plan.business, Business::Normal, "{duration} from {first} at {due}");
                assert_eq!(
                    due,
                    term::hour_of_day(day.saturating_sub(9.days()), 8, &settings),
                    "the first attempt"
                );
                assert_eq!(
                    term::billing_day(end, &settings),
                    by_calendar(day, duration, anchor),
                    "{duration} {due}"
                );
                renewals += 1;
            }
            let months = duration.months().expect("months");
            assert!((359 / months..=366 / months).contains(&renewals), "{renewals} renewals by {duration}");
            tiles(&plan, &settings);
        }
    }
}

#[test]
fn weeks_through_years_by_hand() {
    let settings = Settings::default();
    let mut plan = bought(Duration::Week, "2024-02-20T12:00:00Z");
    let mut day = date(2024, 2, 28);
    for _ in 0..600 {
        assert_eq!(plan.expires_at, Some(term::hour_of_day(day, 0, &settings)));
        let now = term::hour_of_day(day.saturating_sub(1.days()), 12, &settings);
        while let Some(due) = next_due(&plan, &settings).filter(|due| *due <= now) {
            plan = tick(&plan, &free(), &settings, due, MADE + 1).expect("something due").plan;
        }
        plan = renewed(&plan, Duration::Week, &now.to_string());
        day = by_calendar(day, Duration::Week, 1);
    }
    assert_eq!((plan.duration, plan.auto_renew), (Some(Duration::Week), false));
    tiles(&plan, &settings);
}

fn tiles(plan: &Plan, settings: &Settings) {
    for [before, after] in plan.slices.array_windows() {
        assert_eq!(before.last_day, after.first_day, "no hole and no overlap");
    }
    let last = plan.slices.last().expect("a slice");
    assert_eq!(plan.expires_at, Some(term::hour_of_day(last.last_day, 0, settings)));
}

fn instants() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000).prop_map(|second| Timestamp::from_second(second).expect("a time of this century"))
}

proptest! {
    #[test]
    fn a_term_ends_as_the_calendar_says(
        now in instants(), offset in -12_i8..=14, first in 0_usize..8, more in prop::collection::vec(0_usize..8, 0..6)
    ) {
        let settings = Settings { billing_utc_offset_hours: offset, ..Settings::default() };
        let today = term::billing_day(now, &settings);
        let mut last = term::start(now, Duration::ALL[first], &settings);
        let end = by_calendar(today, Duration::ALL[first], today.day()).tomorrow().expect("a day");
        prop_assert_eq!(last.slice.last_day, end);
        prop_assert_eq!(last.anchor_day, end.day());
        for more in more {
            let next = term::extend(last.expires_at, last.anchor_day, Duration::ALL[more], &settings);
            prop_assert_eq!(next.slice.first_day, last.slice.last_day);
            let expected = by_calendar(next.slice.first_day, Duration::ALL[more], last.anchor_day);
            prop_assert_eq!(next.slice.last_day, expected);
            prop_assert_eq!(term::billing_day(next.expires_at, &settings), expected);
            last = next;
        }
    }
}
