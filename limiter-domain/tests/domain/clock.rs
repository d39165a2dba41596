//! What time alone does.

use jiff::Timestamp;
use limiter_domain::order::NewPlan;
use limiter_domain::renewal::{Renewal, renew, set_auto_renew};
use limiter_domain::schedule::{catch_up, next_due, tick};
use limiter_domain::{Business, Duration, Plan, Settings, Status, association, release};

use crate::fixture::{
    MADE, after, associating, at, creating, free, in_use, kinds, pay_as_you_go, plan, start, subscription,
};

/// Everything that happens to `plan` until nothing is due any more.
fn diary(mut plan: Plan, settings: &Settings, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(due) = next_due(&plan, settings).filter(|_| lines.len() < most) {
        let step = tick(&plan, &free(), settings, due, MADE + 1).expect("something due");
        assert_eq!(tick(&step.plan, &free(), settings, due, MADE + 2), None, "a second time at {due}");
        lines.extend(step.events.iter().map(|event| format!("{} {}", event.at, event.kind.code())));
        plan = step.plan;
    }
    lines
}

fn with_auto_renew(duration: Duration) -> NewPlan {
    NewPlan { auto_renew: true, ..subscription(duration) }
}

#[test]
fn a_month_without_renewal() {
    assert_eq!(
        diary(plan(&subscription(Duration::Month)), &Settings::default(), 9),
        [
            "2026-12-17T00:00:00Z plan.expiring",
            "2026-12-21T00:00:00Z plan.expiring",
            "2026-12-23T00:00:00Z plan.expiring",
            "2026-12-24T00:00:00Z plan.expired",
            "2026-12-31T00:00:00Z plan.releasing",
            "2026-12-31T00:00:00Z plan.released",
        ]
    );
}

#[test]
fn a_month_that_renews_itself() {
    let lines = diary(plan(&with_auto_renew(Duration::Month)), &Settings::default(), 3);
    assert_eq!(
        lines,
        [
            "2026-12-15T08:00:00Z plan.renewed",
            "2027-01-15T08:00:00Z plan.renewed",
            "2027-02-15T08:00:00Z plan.renewed",
        ]
    );
}

/// A term too long for the horizon stands for every reason to fail.
#[test]
fn attempts_that_fail_are_repeated_and_the_last_is_at_expiry() {
    let short = Settings { renew_horizon_years: 0, ..Settings::default() };
    let lines = diary(plan(&with_auto_renew(Duration::Month)), &short, 20);
    let failed: Vec<&String> = lines.iter().filter(|line| line.ends_with("plan.auto_renew_failed")).collect();
    assert_eq!(failed.len(), 10, "{lines:#?}");
    assert_eq!(failed[0], "2026-12-15T08:00:00Z plan.auto_renew_failed");
    assert_eq!(failed[8], "2026-12-23T08:00:00Z plan.auto_renew_failed");
    assert_eq!(failed[9], "2026-12-24T00:00:00Z plan.auto_renew_failed");
    assert_eq!(lines[13], "2026-12-24T00:00:00Z plan.expired");
}

#[test]
fn the_last_attempt_saves_the_term() {
    let plan = plan(&with_auto_renew(Duration::Month));
    let late = Settings { auto_renew_lead_days: 0, reminder_days: Vec::new(), ..Settings::default() };
    let step = tick(&plan, &free(), &late, at("2026-12-24T00:00:00Z"), MADE + 1).expect("an end");
    assert_eq!(
        (step.plan.business, step.plan.expires_at),
        (Business::Normal, Some(at("2027-01-24T00:00:00Z")))
    );
    assert_eq!(kinds(&step), ["plan.renewed"]);
}

#[test]
fn a_manual_renewal_takes_the_old_attempts_away() {
    let plan = plan(&with_auto_renew(Duration::Month));
    let asked = Renewal { duration: Duration::Month, auto_renew: None, expected_amount: None };
    let step = renew(&plan, asked, &free(), &Settings::default(), at("2026-12-14T00:00:00Z"), MADE + 1)
        .expect("a renewal");
    assert_eq!(next_due(&step.plan, &Settings::default()), Some(at("2027-01-15T08:00:00Z")));
}

#[test]
fn what_was_due_before_automatic_renewal_was_on_is_not_made_up_for() {
    let now = at("2026-12-20T12:00:00Z");
    let settings = Settings::default();
    let plan = catch_up(&plan(&subscription(Duration::Month)), &free(), &settings, now, MADE + 1)
        .expect("a reminder")
        .plan;
    let step = set_auto_renew(&plan, true, now, MADE + 2).expect("a month");
    assert_eq!(next_due(&step.plan, &settings), Some(at("2026-12-21T00:00:00Z")));
    let lines = diary(step.plan, &settings, 2);
    assert_eq!(lines, ["2026-12-21T00:00:00Z plan.expiring", "2026-12-21T08:00:00Z plan.renewed"]);
}

#[test]
fn a_week_is_not_reminded_before_it_began() {
    let lines = diary(plan(&subscription(Duration::Week)), &Settings::default(), 9);
    assert_eq!(lines[0], "2026-11-24T00:00:00Z plan.expiring");
    let asked = Renewal { duration: Duration::Week, auto_renew: None, expected_amount: None };
    let now = at("2026-11-30T12:00:00Z");
    let late = catch_up(&plan(&subscription(Duration::Week)), &free(), &Settings::default(), now, MADE + 1)
        .expect("reminders");
    let step = renew(&late.plan, asked, &free(), &Settings::default(), now, MADE + 2).expect("a renewal");
    assert_eq!(
        next_due(&step.plan, &Settings::default()),
        Some(at("2026-12-01T00:00:00Z")),
        "7 days before the 8th"
    );
}

#[test]
fn downtime_is_worked_off_in_order_and_as_of_its_instants() {
    let settings = Settings::default();
    let plan = in_use(&subscription(Duration::Month));
    let back = at("2027-06-01T00:00:00Z");
    let step = catch_up(&plan, &free(), &settings, back, MADE + 50).expect("months of work");
    let lines: Vec<String> =
        step.events.iter().map(|event| format!("{} {}", event.at, event.kind.code())).collect();
    assert_eq!(
        lines,
        [
            "2026-12-17T00:00:00Z plan.expiring",
            "2026-12-21T00:00:00Z plan.expiring",
            "2026-12-23T00:00:00Z plan.expiring",
            "2026-12-24T00:00:00Z plan.expired",
            "2026-12-31T00:00:00Z plan.releasing",
            "2026-12-31T00:10:00Z plan.waiting",
        ]
    );
    assert!(step.purge_rules && step.reaches_nodes);
    assert_eq!((step.plan.status, step.plan.generation), (Status::Releasing, MADE + 50));
    assert_eq!(catch_up(&step.plan, &free(), &settings, back, MADE + 51), None, "twice has no second effect");
}

#[test]
fn one_by_one_or_all_at_once_is_the_same() {
    let settings = Settings { auto_renew_hour: 0, ..Settings::default() };
    let plan = plan(&with_auto_renew(Duration::ThreeMonths));
    let end = at("2030-01-01T00:00:00Z");
    let whole = catch_up(&plan, &free(), &settings, end, MADE + 1).expect("years of work").plan;
    let mut now: Timestamp = start();
    let mut daily = plan;
    while now < end {
        now = (now + jiff::SignedDuration::from_hours(7)).min(end);
        if let Some(step) = catch_up(&daily, &free(), &settings, now, MADE + 1) {
            daily = step.plan;
        }
    }
    assert_eq!(daily, whole);
}

/// Attempt and reminder at one instant are both worked.
#[test]
fn instants_that_coincide() {
    let settings = Settings { auto_renew_hour: 0, renew_horizon_years: 0, ..Settings::default() };
    let step = tick(
        &plan(&with_auto_renew(Duration::Month)),
        &free(),
        &settings,
        at("2026-12-15T00:00:00Z"),
        MADE + 1,
    );
    let plan = step.expect("the first attempt").plan;
    let step =
        tick(&plan, &free(), &settings, at("2026-12-16T00:00:00Z"), MADE + 1).expect("the second attempt");
    let step = tick(&step.plan, &free(), &settings, at("2026-12-17T00:00:00Z"), MADE + 1).expect("both");
    assert_eq!(kinds(&step), ["plan.auto_renew_failed", "plan.expiring"]);
}

#[test]
fn expiry_in_the_middle_of_an_association() {
    let plan = associating(&subscription(Duration::Month));
    let end = plan.expires_at.expect("a term");
    let begun = end - jiff::SignedDuration::from_mins(3);
    let plan = Plan {
        operation: plan
            .operation
            .map(|operation| limiter_domain::Operation { started_at: begun, ..operation }),
        ticked_at: begun,
        ..plan
    };
    let settings = Settings::default();
    assert_eq!(next_due(&plan, &settings), Some(end));
    let step = tick(&plan, &free(), &settings, end, MADE + 7).expect("an end");
    assert_eq!((step.plan.status, step.plan.business), (Status::Changing, Business::Expired));
    assert!(step.reaches_nodes, "the association is no service any more");
    assert_eq!(step.plan.generation, MADE + 7);
}

#[test]
fn a_withdrawal_that_waits_is_told_once_and_waits_on() {
    let settings = Settings::default();
    let used = in_use(&pay_as_you_go());
    let ends = [
        association::dissociate(&used, after(1), MADE + 5).expect("a dissociation"),
        release::delete(&used, true, after(1), MADE + 5).expect("an end"),
    ];
    for end in ends {
        assert_eq!(next_due(&end.plan, &settings), Some(after(11)));
        let told = catch_up(&end.plan, &free(), &settings, after(9_000), MADE + 6).expect("an alarm");
        assert_eq!(kinds(&told), ["plan.waiting"]);
        assert_eq!((told.plan.status, &told.plan.network), (end.plan.status, &end.plan.network));
        assert_eq!(next_due(&told.plan, &settings), None);
    }
}

#[test]
fn debt_is_released_like_an_expired_term() {
    let over = after(60);
    let plan = Plan { business: Business::Overdue, release_at: Some(over), ..in_use(&pay_as_you_go()) };
    assert_eq!(next_due(&plan, &Settings::default()), Some(over));
    let step = tick(&plan, &free(), &Settings::default(), over, MADE + 7).expect("a release");
    assert_eq!(step.plan.status, Status::Releasing);
}

#[test]
fn nothing_is_due_before_its_time() {
    let settings = Settings::default();
    let plan = plan(&subscription(Duration::Month));
    assert_eq!(tick(&plan, &free(), &settings, at("2026-12-16T00:00:00Z"), MADE + 1), None);
    assert_eq!(catch_up(&plan, &free(), &settings, at("2026-12-16T23:59:59Z"), MADE + 1), None);
    assert_eq!(next_due(&crate::fixture::plan(&pay_as_you_go()), &settings), None);
    let waiting = creating(&subscription(Duration::Month)).plan;
    assert_eq!(catch_up(&waiting, &free(), &settings, after(4), MADE + 1), None);
}
