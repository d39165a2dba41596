//! Every cell of the table of operations and states.

use limiter_domain::association::{associate, dissociate};
use limiter_domain::guard::Verb;
use limiter_domain::release::{Ending, delete, unsubscribe};
use limiter_domain::renewal::{Renewal, renew, set_auto_renew};
use limiter_domain::resize::{self, Resize, resize};
use limiter_domain::rule::{self, NewRule};
use limiter_domain::{Business, Code, Duration, Pay, Plan, Refusal, RuleId, Settings, Status};

use crate::fixture::{
    MADE, acknowledged, associating, creating, free, in_use, network, new_plan, plan, slot, start,
};

/// A state of the table, with the plan that is in it.
fn state(name: &str, pay: Pay) -> Plan {
    let new = new_plan(pay);
    let with = |plan: Plan, business| Plan {
        business,
        release_at: Some(start() + Settings::default().retention),
        ..plan
    };
    let leaving = |plan: &Plan| dissociate(plan, start(), MADE + 5).expect("a plan to dissociate").plan;
    match name {
        "NA" => plan(&new),
        "InUse" => in_use(&new),
        "Associating" => associating(&new),
        "Dissociating" => leaving(&in_use(&new)),
        "NA Expired" => with(plan(&new), Business::Expired),
        "InUse Expired" => with(in_use(&new), Business::Expired),
        "Dissociating Expired" => leaving(&with(in_use(&new), Business::Expired)),
        "NA Overdue" => with(plan(&new), Business::Overdue),
        "InUse Overdue" => with(in_use(&new), Business::Overdue),
        "Associating Overdue" => with(associating(&new), Business::Overdue),
        "Creating" => creating(&new).plan,
        "Releasing" => end(&in_use(&new), true).expect("a plan to end"),
        "Released" => acknowledged(&state("Releasing", pay), start()).plan,
        "Failed" => Plan { status: Status::Failed, ..plan(&new) },
        _ => panic!("{name} is no state of the table"),
    }
}

fn end(plan: &Plan, force: bool) -> Result<Plan, Refusal> {
    let step = match plan.pay {
        Pay::PrePaid => unsubscribe(
            plan,
            Ending { force, expected_amount: None },
            &free(),
            &Settings::default(),
            start(),
            MADE + 9,
        ),
        Pay::PostPaid => delete(plan, force, start(), MADE + 9),
    };
    step.map(|step| step.plan)
}

/// Asks the real operation, not the guard alone.
fn ask(plan: &Plan, verb: Verb, force: bool) -> Option<Code> {
    let (now, revision, settings) = (start(), MADE + 20, Settings::default());
    let other = network(2);
    let rule = crate::fixture::rule(plan, 1);
    let result = match verb {
        Verb::Associate => associate(plan, &slot(&other), now, revision).map(drop),
        Verb::Dissociate => dissociate(plan, now, revision).map(drop),
        Verb::Resize => {
            let to = Resize { peak_bps: 20_000_000, expected_amount: None };
            resize(plan, to, resize::Facts::default(), &settings, now, revision).map(drop)
        }
        Verb::Renew => {
            let asked = Renewal { duration: Duration::Month, auto_renew: None, expected_amount: None };
            renew(plan, asked, &free(), &settings, now, revision).map(drop)
        }
        Verb::SetAutoRenew => set_auto_renew(plan, true, now, revision).map(drop),
        Verb::Unsubscribe => unsubscribe(
            plan,
            Ending { force, expected_amount: None },
            &free(),
            &Settings::default(),
            now,
            revision,
        )
        .map(drop),
        Verb::Delete => delete(plan, force, now, revision).map(drop),
        Verb::AddRule => {
            return all_alike([
                rule::create(
                    RuleId::of_random(2),
                    plan,
                    &new_rule(),
                    rule::Facts::default(),
                    &settings,
                    now,
                    revision,
                )
                .map(drop),
                rule::update(&rule, plan, &rule::RuleChange::default(), false, &settings, now, revision)
                    .map(drop),
                rule::bind(&rule, plan, &[], 0, &settings, now, revision).map(drop),
            ]);
        }
        Verb::RemoveRule => {
            return all_alike([
                rule::unbind(&rule, plan, &[], now, revision).map(drop),
                rule::delete(&rule, plan, now).map(drop),
                rule::unbind(&rule, plan, &[crate::fixture::instance(1, 1)], now, revision).map(drop),
            ]);
        }
    };
    result.err().map(|refusal| refusal.code)
}

fn new_rule() -> NewRule {
    NewRule { name: "small".to_owned(), up_bps: Some(1_000_000), down_bps: Some(1_000_000) }
}

/// Operations that share a row answer alike.
fn all_alike(results: [Result<(), Refusal>; 3]) -> Option<Code> {
    let [first, rest @ ..] = results.map(|result| result.err().map(|refusal| refusal.code));
    for other in rest {
        assert_eq!(other, first, "two operations of one row of the table");
    }
    first
}

/// `-`: allowed. `!`: allowed with `force`, else `PlanAssociated`.
const TABLE: &str = "
                     | Associate             | Dissociate              | Resize                 | Renew             | SetAutoRenew      | End                | AddRule             | RemoveRule
NA                   | -                     | PlanNotAssociated       | -                      | -                 | -                 | -                  | PlanNotAssociated   | PlanNotAssociated
InUse                | PlanAlreadyAssociated | -                       | -                      | -                 | -                 | !                  | -                   | -
Associating          | AssociationNotSupport | -                       | ModificationNotSupport | -                 | -                 | !                  | RuleNotSupport      | -
Dissociating         | AssociationNotSupport | -                       | ModificationNotSupport | -                 | -                 | -                  | RuleNotSupport      | -
NA Expired           | PlanExpired           | PlanNotAssociated       | PlanExpired            | -                 | PlanExpired       | -                  | PlanNotAssociated   | PlanNotAssociated
InUse Expired        | PlanAlreadyAssociated | -                       | PlanExpired            | -                 | PlanExpired       | !                  | PlanExpired         | -
Dissociating Expired | AssociationNotSupport | -                       | ModificationNotSupport | -                 | PlanExpired       | -                  | RuleNotSupport      | -
NA Overdue           | PlanFinancialLocked   | PlanNotAssociated       | PlanFinancialLocked    | /                 | /                 | -                  | PlanNotAssociated   | PlanNotAssociated
InUse Overdue        | PlanAlreadyAssociated | -                       | PlanFinancialLocked    | /                 | /                 | !                  | PlanFinancialLocked | -
Associating Overdue  | AssociationNotSupport | -                       | ModificationNotSupport | /                 | /                 | !                  | RuleNotSupport      | -
Creating             | AssociationNotSupport | DissociationNotSupport  | ModificationNotSupport | RenewalNotSupport | RenewalNotSupport | DeletionNotSupport | RuleNotSupport      | RuleNotSupport
Releasing            | AssociationNotSupport | DissociationNotSupport  | ModificationNotSupport | RenewalNotSupport | RenewalNotSupport | DeletionNotSupport | RuleNotSupport      | RuleNotSupport
Failed               | AssociationNotSupport | DissociationNotSupport  | ModificationNotSupport | RenewalNotSupport | RenewalNotSupport | DeletionNotSupport | RuleNotSupport      | RuleNotSupport
Released             | PlanNotFound          | PlanNotFound            | PlanNotFound           | PlanNotFound      | PlanNotFound      | PlanNotFound       | PlanNotFound        | PlanNotFound
";

fn verb(column: &str, pay: Pay) -> Verb {
    match (column, pay) {
        ("Associate", _) => Verb::Associate,
        ("Dissociate", _) => Verb::Dissociate,
        ("Resize", _) => Verb::Resize,
        ("Renew", _) => Verb::Renew,
        ("SetAutoRenew", _) => Verb::SetAutoRenew,
        ("End", Pay::PrePaid) => Verb::Unsubscribe,
        ("End", Pay::PostPaid) => Verb::Delete,
        ("AddRule", _) => Verb::AddRule,
        ("RemoveRule", _) => Verb::RemoveRule,
        _ => panic!("{column} is no column of the table"),
    }
}

/// What the table says, as (without force, with force).
fn expected(cell: &str, verb: Verb, pay: Pay) -> (Option<Code>, Option<Code>) {
    let wrong_pay = pay == Pay::PostPaid && matches!(verb, Verb::Renew | Verb::SetAutoRenew);
    match cell {
        "PlanNotFound" => (Some(Code::PlanNotFound), Some(Code::PlanNotFound)),
        _ if wrong_pay => (Some(Code::PayTypeNotSupported), Some(Code::PayTypeNotSupported)),
        "-" => (None, None),
        "!" => (Some(Code::PlanAssociated), None),
        name => {
            let code = Code::ALL.iter().copied().find(|code| format!("{code:?}") == name);
            let code = Some(code.unwrap_or_else(|| panic!("{name} is no code")));
            (code, code)
        }
    }
}

#[test]
fn every_cell() {
    let mut rows = TABLE.trim_matches('\n').lines().map(|row| row.split('|').map(str::trim));
    let columns: Vec<&str> = rows.next().expect("a row of columns").skip(1).collect();
    let mut cells = 0;
    for mut row in rows {
        let name = row.next().expect("a state");
        for (column, cell) in columns.iter().zip(row) {
            for pay in pays(name) {
                let (verb, plan) = (verb(column, pay), state(name, pay));
                if cell == "/" && pay == Pay::PrePaid {
                    continue;
                }
                let (plain, forced) = expected(cell, verb, pay);
                assert_eq!(ask(&plan, verb, false), plain, "{verb:?} of a {pay} plan that is {name}");
                assert_eq!(ask(&plan, verb, true), forced, "{verb:?} of a {pay} plan that is {name}, forced");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 8 * (8 * 2 + 3 + 3), "cells of the table that were asked");
}

/// Subscriptions expire; pay-as-you-go falls into debt.
fn pays(state: &str) -> Vec<Pay> {
    match state {
        _ if state.ends_with("Expired") => vec![Pay::PrePaid],
        _ if state.ends_with("Overdue") => vec![Pay::PostPaid],
        _ => vec![Pay::PrePaid, Pay::PostPaid],
    }
}

#[test]
fn the_wrong_payment_type_is_refused_in_every_state() {
    for name in ["NA", "InUse", "Associating", "Creating", "Releasing", "Failed"] {
        for (verb, pay) in [
            (Verb::Renew, Pay::PostPaid),
            (Verb::SetAutoRenew, Pay::PostPaid),
            (Verb::Unsubscribe, Pay::PostPaid),
            (Verb::Delete, Pay::PrePaid),
        ] {
            let answer = ask(&state(name, pay), verb, true);
            assert_eq!(answer, Some(Code::PayTypeNotSupported), "{verb:?} of a {pay} plan that is {name}");
        }
    }
}
