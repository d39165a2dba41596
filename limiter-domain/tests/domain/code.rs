//! Every code that the domain answers, one situation each, and which of two faults is told.

use std::collections::HashSet;

use limiter_domain::association::{Slot, associate};
use limiter_domain::order::{self, Facts, NewPlan};
use limiter_domain::price::Amount;
use limiter_domain::release::{Ending, delete, unsubscribe};
use limiter_domain::renewal::{Renewal, renew, set_auto_renew};
use limiter_domain::resize::{self, Resize, resize};
use limiter_domain::rule::{self, NewRule, RuleChange};
use limiter_domain::{
    AccountId, Business, Charge, Code, Duration, Fault, Network, NetworkStatus, Pay, Plan, PlanId, Refusal,
    RuleId, Settings, Status, claims,
};

use crate::fixture::{
    MADE, account, associating, free, in_use, instance, network, new_plan, pay_as_you_go, plan, rule, slot,
    start, subscription,
};

fn order(new: &NewPlan, facts: &Facts<'_>, settings: &Settings) -> Result<(), Refusal> {
    order::create(PlanId::of_random(2), account(), new, facts, settings, start(), MADE).map(drop)
}

fn ordered(new: &NewPlan) -> Result<(), Refusal> {
    order(new, &Facts::default(), &Settings::default())
}

fn month() -> NewPlan {
    subscription(Duration::Month)
}

/// An order that names network 1, which is `changed`.
fn with_network(change: impl FnOnce(&mut Network, &mut Slot<'_>)) -> Result<(), Refusal> {
    let mut network = network(1);
    let kept = network.clone();
    let mut slot = slot(&kept);
    change(&mut network, &mut slot);
    let slot = Slot { network: &network, ..slot };
    let new = NewPlan { network: Some(network.id.clone()), ..month() };
    order(&new, &Facts { slot: Some(slot), ..Facts::default() }, &Settings::default())
}

fn resized(plan: &Plan, peak_bps: u64, expected_amount: Option<Amount>) -> Result<(), Refusal> {
    resize(
        plan,
        Resize { peak_bps, expected_amount },
        resize::Facts::default(),
        &Settings::default(),
        start(),
        MADE + 5,
    )
    .map(drop)
}

fn renewal(duration: Duration) -> Renewal {
    Renewal { duration, auto_renew: None, expected_amount: None }
}

fn renewed(plan: &Plan, asked: Renewal) -> Result<(), Refusal> {
    renew(plan, asked, &free(), &Settings::default(), start(), MADE + 5).map(drop)
}

fn new_rule(name: &str, up_bps: Option<u64>, facts: rule::Facts) -> Result<(), Refusal> {
    let new = NewRule { name: name.to_owned(), up_bps, down_bps: Some(1_000_000_000) };
    let (plan, settings) = (in_use(&month()), Settings::default());
    rule::create(RuleId::of_random(3), &plan, &new, facts, &settings, start(), MADE + 5).map(drop)
}

fn bound(change: impl FnOnce(&mut limiter_domain::Instance), already: usize) -> Result<(), Refusal> {
    let plan = in_use(&month());
    let mut instances = [instance(1, 1), instance(1, 2)];
    change(&mut instances[1]);
    let settings = Settings::default();
    rule::bind(&rule(&plan, 1), &plan, &instances, already, &settings, start(), MADE + 5).map(drop)
}

/// Situations of plans and rules: the code, the field and the answer.
fn situations() -> Vec<(Code, Option<&'static str>, Result<(), Refusal>)> {
    let expired = |plan| Plan { business: Business::Expired, ..plan };
    let overdue = |plan| Plan { business: Business::Overdue, ..plan };
    let asked_price = Some(Amount::new(1));
    let agreed = Settings { agreement_version: Some("2026-01".into()), ..Settings::default() };
    let old = NewPlan { agreement_version: Some("2025-01".to_owned()), ..month() };
    let empty = Facts { supply: order::Supply::Empty, ..Facts::default() };
    let full = Facts { plans_in_region: 50, ..Facts::default() };
    let taken = Facts { external_id_taken: true, ..Facts::default() };
    let named = NewPlan { external_id: Some("a".to_owned()), ..month() };
    let nobody = NewPlan { network: Some(network(9).id), ..month() };
    let foreign = AccountId::of_random(9);
    let holder = PlanId::of_random(77);
    let busy = network(1);
    let busy = NewPlan { network: Some(busy.id.clone()), ..month() };
    let held = network(1);
    let held = Facts { slot: Some(Slot { holder: Some(&holder), ..slot(&held) }), ..Facts::default() };
    let released = Plan { status: Status::Released, ..plan(&month()) };
    let by_traffic = NewPlan { charge: Charge::ByTraffic, ..pay_as_you_go() };
    vec![
        (Code::InvalidParameter, Some("region"), ordered(&NewPlan { region: " east".to_owned(), ..month() })),
        (
            Code::InvalidParameter,
            Some("external_id"),
            ordered(&NewPlan { external_id: Some(String::new()), ..month() }),
        ),
        (Code::InvalidBandwidth, Some("peak_bps"), ordered(&NewPlan { peak_bps: 1_999_999, ..month() })),
        (Code::InvalidBandwidth, Some("peak_bps"), ordered(&NewPlan { peak_bps: 1_000_000_001, ..month() })),
        (Code::InvalidBandwidth, Some("peak_bps"), ordered(&NewPlan { peak_bps: u64::MAX, ..month() })),
        (Code::InvalidBandwidth, Some("peak_bps"), ordered(&NewPlan { peak_bps: 200_000_001, ..by_traffic })),
        (Code::InvalidBandwidth, Some("peak_bps"), resized(&plan(&month()), 0, None)),
        (Code::InvalidChargeType, Some("charge"), ordered(&NewPlan { charge: Charge::ByTraffic, ..month() })),
        (Code::InvalidPeriod, Some("duration"), ordered(&NewPlan { duration: None, ..month() })),
        (Code::InvalidPeriod, Some("duration"), ordered(&NewPlan { pay: Pay::PostPaid, ..month() })),
        (Code::InvalidPeriod, Some("duration"), order::duration("4m").map(drop)),
        (
            Code::AutoRenewNotSupported,
            Some("auto_renew"),
            ordered(&NewPlan { auto_renew: true, ..subscription(Duration::Week) }),
        ),
        (
            Code::AutoRenewNotSupported,
            Some("auto_renew"),
            ordered(&NewPlan { auto_renew: true, ..pay_as_you_go() }),
        ),
        (
            Code::AutoRenewNotSupported,
            Some("auto_renew"),
            renewed(&plan(&month()), Renewal { auto_renew: Some(true), ..renewal(Duration::Week) }),
        ),
        (
            Code::AutoRenewNotSupported,
            Some("auto_renew"),
            set_auto_renew(&plan(&subscription(Duration::Week)), true, start(), MADE + 1).map(drop),
        ),
        (Code::AgreementNotAccepted, Some("agreement_version"), order(&month(), &Facts::default(), &agreed)),
        (Code::AgreementNotAccepted, Some("agreement_version"), order(&old, &Facts::default(), &agreed)),
        (Code::NetworkNotFound, Some("network"), ordered(&nobody)),
        (Code::NetworkNotFound, Some("network"), with_network(|network, _| network.account = foreign)),
        (Code::RegionMismatch, Some("network"), with_network(|network, _| network.region = "west".into())),
        (
            Code::NetworkNotReady,
            Some("network"),
            with_network(|network, _| network.status = NetworkStatus::Deleting),
        ),
        (Code::NetworkHasPlan, Some("network"), order(&busy, &held, &Settings::default())),
        (Code::NetworkHasNoNode, Some("network"), with_network(|_, slot| slot.node = None)),
        (Code::NameDuplicate, Some("external_id"), order(&named, &taken, &Settings::default())),
        (Code::NoAddressAvailable, None, order(&month(), &empty, &Settings::default())),
        (Code::QuotaExceededPlan, None, order(&month(), &full, &Settings::default())),
        (
            Code::QuoteChanged,
            Some("expected_amount"),
            ordered(&NewPlan { expected_amount: asked_price, ..month() }),
        ),
        (Code::QuoteChanged, Some("expected_amount"), resized(&plan(&month()), 20_000_000, asked_price)),
        (
            Code::QuoteChanged,
            Some("expected_amount"),
            renewed(&plan(&month()), Renewal { expected_amount: asked_price, ..renewal(Duration::Month) }),
        ),
        (
            Code::QuoteChanged,
            Some("expected_amount"),
            unsubscribe(
                &plan(&month()),
                Ending { force: false, expected_amount: asked_price },
                &free(),
                &Settings::default(),
                start(),
                MADE + 1,
            )
            .map(drop),
        ),
        (Code::PlanNotFound, None, renewed(&released, renewal(Duration::Month))),
        (Code::PayTypeNotSupported, None, renewed(&plan(&pay_as_you_go()), renewal(Duration::Month))),
        (Code::PayTypeNotSupported, None, delete(&plan(&month()), true, start(), MADE + 1).map(drop)),
        (Code::ResizeNoChange, Some("peak_bps"), resized(&plan(&month()), 10_000_000, None)),
        (
            Code::RenewalHorizonExceeded,
            Some("duration"),
            renewed(&plan(&subscription(Duration::ThreeYears)), renewal(Duration::ThreeYears)),
        ),
        (
            Code::RenewalNotSupport,
            None,
            renewed(&Plan { status: Status::Releasing, ..expired(plan(&month())) }, renewal(Duration::Month)),
        ),
        (
            Code::AssociationNotSupport,
            None,
            associate(&associating(&month()), &slot(&network(2)), start(), MADE + 5).map(drop),
        ),
        (
            Code::DissociationNotSupport,
            None,
            limiter_domain::association::dissociate(
                &crate::fixture::creating(&month()).plan,
                start(),
                MADE + 5,
            )
            .map(drop),
        ),
        (Code::ModificationNotSupport, None, resized(&associating(&month()), 20_000_000, None)),
        (
            Code::DeletionNotSupport,
            None,
            delete(&crate::fixture::creating(&pay_as_you_go()).plan, true, start(), MADE + 5).map(drop),
        ),
        (Code::RuleNotSupport, None, {
            let (plan, settings) = (associating(&month()), Settings::default());
            rule::update(&rule(&plan, 1), &plan, &RuleChange::default(), false, &settings, start(), MADE)
                .map(drop)
        }),
        (
            Code::PlanAlreadyAssociated,
            None,
            associate(&in_use(&month()), &slot(&network(1)), start(), MADE + 5).map(drop),
        ),
        (
            Code::PlanNotAssociated,
            None,
            limiter_domain::association::dissociate(&plan(&month()), start(), MADE + 5).map(drop),
        ),
        (Code::PlanAssociated, None, delete(&in_use(&pay_as_you_go()), false, start(), MADE + 5).map(drop)),
        (Code::PlanExpired, None, resized(&expired(plan(&month())), 20_000_000, None)),
        (Code::PlanFinancialLocked, None, resized(&overdue(plan(&pay_as_you_go())), 20_000_000, None)),
        (Code::InvalidRuleName, Some("name"), new_rule(" \t", Some(1_000_000), rule::Facts::default())),
        (
            Code::InvalidRuleName,
            Some("name"),
            new_rule(&"x".repeat(65), Some(1_000_000), rule::Facts::default()),
        ),
        (Code::InvalidRuleName, Some("name"), new_rule("a\u{7}b", Some(1_000_000), rule::Facts::default())),
        (Code::InvalidRuleLimit, Some("up_bps"), new_rule("a", None, rule::Facts::default())),
        (Code::InvalidRuleLimit, Some("up_bps"), new_rule("a", Some(999_999), rule::Facts::default())),
        (
            Code::RuleNameDuplicate,
            Some("name"),
            new_rule("a", Some(1_000_000), rule::Facts { name_taken: true, rules_of_plan: 1 }),
        ),
        (
            Code::QuotaExceededRule,
            None,
            new_rule("a", Some(1_000_000), rule::Facts { name_taken: false, rules_of_plan: 100 }),
        ),
        (Code::InstanceNotFound, Some("instances[1]"), {
            bound(|instance| instance.account = AccountId::of_random(9), 0)
        }),
        (
            Code::InstanceNotInNetwork,
            Some("instances[1]"),
            bound(|instance| instance.network = network(2).id, 0),
        ),
        (Code::InstanceAlreadyInRule, Some("instances[1]"), {
            bound(|instance| instance.rule = Some(RuleId::of_random(77)), 0)
        }),
        (Code::QuotaExceededRuleBinding, Some("instances"), bound(|_| (), 999)),
        (Code::RuleNotFound, Some("default_rule"), {
            let plan = in_use(&month());
            let other = limiter_domain::Rule { plan: PlanId::of_random(9), ..rule(&plan, 1) };
            rule::set_default(&network(1), Some(&plan), Some(&other), start(), MADE + 5).map(drop)
        }),
        (Code::TooManyIds, Some("instances"), claims::at_most(101, 100, "instances")),
    ]
}

#[test]
fn each_condition_has_its_code_and_names_its_field() {
    for (index, (code, field, result)) in situations().into_iter().enumerate() {
        let refusal = result.expect_err(&format!("situation {index} is refused with {code:?}"));
        assert_eq!((refusal.code, refusal.field.as_deref()), (code, field), "situation {index}: {refusal}");
        if code.fault() == Fault::Input {
            assert!(refusal.field.is_some(), "{refusal}");
        }
        let remedy = refusal.message.contains(';') || refusal.message.contains("first");
        assert!(remedy, "what is wrong, then what to do: {refusal}");
        assert!(refusal.message.len() < 400, "{refusal}");
    }
}

/// Codes that only the layers around the domain answer, and those that `quota.rs`, `egress.rs`, `pool.rs`,
/// `money` and `usage_source.rs` show.
#[test]
fn no_code_is_left_out() {
    let outside = [
        Code::AccountNotFound,
        Code::AddressNotFound,
        Code::UserNotFound,
        Code::TokenNotFound,
        Code::OrderNotFound,
        Code::PriceBookNotFound,
        Code::IdempotentParameterMismatch,
        Code::VersionConflict,
    ];
    let of_money = [Code::InsufficientBalance, Code::AccountOverdue];
    let of_usage = [Code::UsageConflict, Code::UsageOutOfOrder];
    let of_networks = [
        Code::AddressInUse,
        Code::NodeHasNoSharedAddress,
        Code::NodeNotReady,
        Code::TooFewAddresses,
        Code::MissingParameter,
        Code::NodeNotFound,
        Code::NetworkInUse,
        Code::NodeInUse,
        Code::AddressConflict,
    ];
    let mut seen: HashSet<Code> = situations().into_iter().map(|(code, ..)| code).collect();
    seen.extend(outside);
    seen.extend(of_networks);
    seen.extend(of_money);
    seen.extend(of_usage);
    let missing: Vec<&Code> = Code::ALL.iter().filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no situation shows {missing:?}");
}

/// Input, existence, payment type, lifecycle, business, conflicts, quota, amount.
#[test]
fn the_first_fault_in_order_is_told() {
    let wrong_amount = Some(Amount::new(7));
    let code = |result: Result<(), Refusal>| result.expect_err("two faults").code;
    let full = Facts { plans_in_region: 50, ..Facts::default() };
    let nobody = Some(network(9).id);
    let bad_input = NewPlan { peak_bps: 0, network: nobody.clone(), ..month() };
    assert_eq!(code(order(&bad_input, &full, &Settings::default())), Code::InvalidBandwidth);
    let unknown = NewPlan { network: nobody, expected_amount: wrong_amount, ..month() };
    assert_eq!(code(order(&unknown, &full, &Settings::default())), Code::NetworkNotFound);
    let (held, holder) = (network(1), PlanId::of_random(7));
    let conflict = NewPlan { network: Some(held.id.clone()), expected_amount: wrong_amount, ..month() };
    let facts = Facts { slot: Some(Slot { holder: Some(&holder), ..slot(&held) }), ..full.clone() };
    assert_eq!(code(order(&conflict, &facts, &Settings::default())), Code::NetworkHasPlan);
    let quota = NewPlan { expected_amount: wrong_amount, ..month() };
    assert_eq!(code(order(&quota, &full, &Settings::default())), Code::QuotaExceededPlan);

    let releasing = Plan { status: Status::Releasing, ..plan(&pay_as_you_go()) };
    assert_eq!(code(renewed(&releasing, renewal(Duration::Month))), Code::PayTypeNotSupported);
    let expired = Plan { business: Business::Expired, ..associating(&month()) };
    assert_eq!(code(resized(&expired, 20_000_000, None)), Code::ModificationNotSupport);
    assert_eq!(code(resized(&expired, 20, None)), Code::InvalidBandwidth);
    let same = Plan { business: Business::Expired, ..plan(&month()) };
    assert_eq!(code(resized(&same, 10_000_000, wrong_amount)), Code::PlanExpired);
    assert_eq!(code(resized(&plan(&month()), 10_000_000, wrong_amount)), Code::ResizeNoChange);
    let foreign = Network { account: AccountId::of_random(9), ..network(1) };
    let result = associate(&in_use(&month()), &slot(&foreign), start(), MADE + 5).map(drop);
    assert_eq!(code(result), Code::NetworkNotFound);
    let west = Network { region: "west".into(), ..network(2) };
    let result = associate(&in_use(&month()), &slot(&west), start(), MADE + 5).map(drop);
    assert_eq!(code(result), Code::PlanAlreadyAssociated);
}

#[test]
fn what_is_within_the_ranges_is_accepted() {
    for pay in [Pay::PrePaid, Pay::PostPaid] {
        for peak_bps in [2_000_000, 2_500_000, 1_000_000_000] {
            ordered(&NewPlan { peak_bps, ..new_plan(pay) }).expect("a peak in its range");
        }
    }
    for peak_bps in [2_000_000, 200_000_000] {
        ordered(&NewPlan { peak_bps, charge: Charge::ByTraffic, ..pay_as_you_go() })
            .expect("a peak in its range");
    }
    for name in ["a", " a b/c ", &"x".repeat(64)] {
        new_rule(name, Some(1_000_000), rule::Facts { name_taken: false, rules_of_plan: 99 })
            .expect("a rule");
    }
    bound(|_| (), 998).expect("two more instances");
    let agreed = Settings { agreement_version: Some("2026-01".into()), ..Settings::default() };
    let new = NewPlan { agreement_version: Some("2026-01".to_owned()), ..month() };
    order(&new, &Facts { plans_in_region: 49, ..Facts::default() }, &agreed).expect("the current agreement");
    with_network(|_, _| ()).expect("a free network");
}

/// The first longer renewal of a plan of weeks decides how it renews itself.
#[test]
fn weeks_become_eligible() {
    let plan = plan(&subscription(Duration::Week));
    let step = renew(&plan, renewal(Duration::Week), &free(), &Settings::default(), start(), MADE + 1)
        .expect("a week");
    assert_eq!(step.plan.duration, Some(Duration::Week));
    let asked = Renewal { auto_renew: Some(true), ..renewal(Duration::TwoMonths) };
    let step =
        renew(&step.plan, asked, &free(), &Settings::default(), start(), MADE + 2).expect("two months");
    assert_eq!((step.plan.duration, step.plan.auto_renew), (Some(Duration::TwoMonths), true));
    let step = renew(&step.plan, renewal(Duration::Week), &free(), &Settings::default(), start(), MADE + 3)
        .expect("a week");
    assert_eq!((step.plan.duration, step.plan.auto_renew), (Some(Duration::TwoMonths), true));
    let step = renew(&step.plan, renewal(Duration::Year), &free(), &Settings::default(), start(), MADE + 4)
        .expect("a year");
    assert_eq!(step.plan.duration, Some(Duration::TwoMonths), "only from weeks");
}
