//! Every transition of a plan, with what is written along.

use limiter_domain::acknowledge::{is_acknowledged, settle};
use limiter_domain::association::{associate, dissociate};
use limiter_domain::mode::mode;
use limiter_domain::network::taken_from;
use limiter_domain::node::delete as delete_node;
use limiter_domain::release::{Ending, delete, unsubscribe};
use limiter_domain::renewal::{Renewal, renew};
use limiter_domain::resize::{self, Resize, resize};
use limiter_domain::schedule::{next_due, tick};
use limiter_domain::{
    Business, Code, Duration, Network, NetworkKind, NetworkMode, Node, NodeId, OperationKind, Plan, Settings,
    Status,
};

use crate::fixture::{
    MADE, acknowledged, after, associating, at, creating, free, in_use, kinds, mbps, network, node, ordered,
    pay_as_you_go, plan, slot, start, subscription,
};

fn month() -> limiter_domain::order::NewPlan {
    subscription(Duration::Month)
}

fn operation(plan: &Plan) -> Option<OperationKind> {
    plan.operation.as_ref().map(|operation| operation.kind)
}

fn acked(revision: u64) -> [Node; 1] {
    [Node { acked_revision: revision, ..node() }]
}

#[test]
fn t01_t02_t03_without_a_network_a_plan_is_there_at_once() {
    for new in [month(), pay_as_you_go()] {
        let step = ordered(&new, start()).expect("an order that is accepted");
        assert_eq!(step.plan.status, Status::NotAssociated);
        assert_eq!(step.plan.provisioned_at, Some(start()));
        assert_eq!(step.plan.expires_at.is_some(), new.duration.is_some());
        assert_eq!(step.plan.operation, None);
        assert!(!step.reaches_nodes && !step.purge_rules);
        assert_eq!(kinds(&step), ["plan.created", "plan.not_associated"]);
    }
}

#[test]
fn t04_with_a_network_a_plan_begins_when_nodes_acknowledged_it() {
    let step = creating(&month());
    let plan = step.plan.clone();
    assert_eq!((plan.status, operation(&plan)), (Status::Creating, Some(OperationKind::Provision)));
    assert_eq!((plan.provisioned_at, plan.expires_at), (None, None));
    assert!(step.reaches_nodes);
    assert_eq!(plan.generation, MADE);
    assert!(matches!(mode(&network(1), Some(&plan)), NetworkMode::Premium { .. }), "nodes are to serve it");
    assert!(!is_acknowledged(&plan, Some(&network(1)), &acked(MADE - 1)));
    assert!(is_acknowledged(&plan, Some(&network(1)), &acked(MADE)));
    let step = acknowledged(&plan, after(1));
    assert_eq!((step.plan.status, operation(&step.plan)), (Status::InUse, None));
    assert_eq!(step.plan.provisioned_at, Some(after(1)));
    assert_eq!(step.plan.expires_at, Some(at("2026-12-24T00:00:00Z")));
    assert!(step.reaches_nodes, "nodes are told when the term ends");
    assert_eq!(kinds(&step), ["plan.in_use"]);
}

#[test]
fn t05_a_first_association_is_given_up_after_five_minutes() {
    let plan = creating(&month()).plan;
    let settings = Settings::default();
    assert_eq!(next_due(&plan, &settings), Some(after(5)));
    let step = tick(&plan, &free(), &settings, after(5), MADE + 7).expect("a deadline");
    assert_eq!(
        (step.plan.status, operation(&step.plan)),
        (Status::Changing, Some(OperationKind::Dissociate))
    );
    assert_eq!(step.plan.reason.as_deref(), Some("DataPlaneTimeout"));
    assert_eq!(step.plan.provisioned_at, Some(after(5)), "it is billed, as it can be associated by hand");
    assert_eq!(step.plan.network, plan.network, "the network is not free before nodes let go");
    assert_eq!(step.plan.generation, MADE + 7);
    let step = acknowledged(&step.plan, after(6));
    assert_eq!((step.plan.status, step.plan.network), (Status::NotAssociated, None));
    assert_eq!(step.plan.reason.as_deref(), Some("DataPlaneTimeout"));
    assert_eq!(step.plan.expires_at, Some(at("2026-12-24T00:00:00Z")));
}

#[test]
fn t07_t08_association() {
    let step = associate(&plan(&month()), &slot(&network(1)), after(1), MADE + 1).expect("a free network");
    assert_eq!((step.plan.status, operation(&step.plan)), (Status::Changing, Some(OperationKind::Associate)));
    assert_eq!(step.plan.network, Some(network(1).id));
    assert_eq!((step.plan.generation, step.reaches_nodes), (MADE + 1, true));
    assert_eq!(kinds(&step), ["plan.changing"]);
    let step = acknowledged(&step.plan, after(2));
    assert_eq!((step.plan.status, operation(&step.plan)), (Status::InUse, None));
    assert_eq!(kinds(&step), ["plan.in_use"]);
    assert!(!step.reaches_nodes, "nodes know already");
}

#[test]
fn t09_an_association_is_given_up_after_ten_minutes_and_the_network_is_free_when_nodes_let_go() {
    let plan = associating(&month());
    let settings = Settings::default();
    assert_eq!(next_due(&plan, &settings), Some(after(10)));
    let step = tick(&plan, &free(), &settings, after(10), MADE + 7).expect("a deadline");
    assert_eq!(
        (step.plan.status, operation(&step.plan)),
        (Status::Changing, Some(OperationKind::Dissociate))
    );
    assert_eq!(step.plan.network, Some(network(1).id));
    assert_eq!(mode(&network(1), Some(&step.plan)), NetworkMode::Basic { rate: mbps(5) });
    assert!(!is_acknowledged(&step.plan, Some(&network(1)), &acked(MADE + 6)));
    let step = acknowledged(&step.plan, after(60));
    assert_eq!((step.plan.status, &step.plan.network), (Status::NotAssociated, &None));
    assert_eq!(step.plan.reason.as_deref(), Some("DataPlaneTimeout"));
    let again =
        associate(&step.plan, &slot(&network(2)), after(61), MADE + 9).expect("a plan without network");
    assert_eq!(again.plan.reason, None);
}

#[test]
fn t10_t11_dissociation_purges_rules_and_frees_the_network_when_nodes_let_go() {
    let plan = in_use(&month());
    let step = dissociate(&plan, after(3), MADE + 7).expect("a plan with a network");
    assert!(step.purge_rules && step.reaches_nodes);
    assert_eq!(
        (step.plan.status, operation(&step.plan)),
        (Status::Changing, Some(OperationKind::Dissociate))
    );
    assert_eq!(step.plan.network, plan.network);
    assert_eq!((step.plan.expires_at, step.plan.auto_renew), (plan.expires_at, plan.auto_renew));
    let again = dissociate(&step.plan, after(4), MADE + 8).expect("the same again");
    assert_eq!((again.plan, again.events.len(), again.reaches_nodes), (step.plan.clone(), 0, false));
    let step = acknowledged(&step.plan, after(5));
    assert_eq!((step.plan.status, step.plan.network.clone()), (Status::NotAssociated, None));
    assert_eq!(kinds(&step), ["plan.not_associated"]);
    assert_eq!(next_due(&step.plan, &Settings::default()), Some(at("2026-12-17T00:00:00Z")), "no deadline");
}

#[test]
fn dissociation_wins_over_an_association_under_way() {
    let step = dissociate(&associating(&month()), after(1), MADE + 7).expect("a plan that changes");
    assert_eq!(operation(&step.plan), Some(OperationKind::Dissociate));
    assert!(!is_acknowledged(&step.plan, Some(&network(1)), &acked(MADE + 6)), "the older acknowledgement");
    assert!(is_acknowledged(&step.plan, Some(&network(1)), &acked(MADE + 7)));
}

#[test]
fn an_end_waits_for_a_node_that_changed_away_and_for_none_that_never_asked() {
    let step = dissociate(&in_use(&month()), after(1), MADE + 7).expect("a plan with a network");
    let waits = |node: Node| !is_acknowledged(&step.plan, Some(&network(1)), &[node]);
    // Another zone was asked for it at MADE + 3, and it has not acknowledged that.
    let away = Node { interfaces: Vec::new(), revision: MADE + 3, ..node() };
    assert!(waits(away.clone()), "it may still enforce the plan");
    assert!(!waits(Node { acked_revision: MADE + 3, ..away.clone() }), "it has let go");
    assert!(!waits(Node { fenced: true, ..away }));
    let unasked = Node { acked_revision: 0, seen_at: None, ..node() };
    assert!(!waits(unasked.clone()), "it was never told of the plan");
    assert!(waits(Node { seen_at: Some(start()), ..unasked }));
}

#[test]
fn an_end_waits_for_a_node_that_its_network_was_taken_from() {
    let step = dissociate(&in_use(&month()), after(1), MADE + 7).expect("a plan with a network");
    let one = Network { nodes: Some(vec![NodeId::of_random(9)]), ..network(1) };
    let stranger = Node { interfaces: Vec::new(), id: NodeId::of_random(8), ..node() };
    let waits = |node: Node| !is_acknowledged(&step.plan, Some(&one), &[node]);
    assert!(!waits(node()), "it never had it");
    let taken = taken_from(&network(1), &one, &[node(), stranger], MADE + 6);
    let [taken] = <[Node; 1]>::try_from(taken).expect("one node loses it");
    assert!(waits(taken.clone()), "it may still enforce the plan");
    assert!(!waits(Node { acked_revision: MADE + 7, ..taken.clone() }), "it has let go");
    assert!(!waits(Node { fenced: true, ..taken.clone() }));
    assert_eq!(
        delete_node(&taken, &[one], start()).map_err(|refusal| refusal.code),
        Err(Code::NodeInUse),
        "nor is it deleted before"
    );
}

#[test]
fn an_end_needs_no_node_and_a_beginning_does() {
    let settings = Settings::default();
    let dead = [Node { fenced: true, acked_revision: 0, ..node() }];
    let step = dissociate(&in_use(&month()), after(1), MADE + 7).expect("a plan with a network");
    let step = settle(step, Some(&network(1)), &dead, &settings, after(1), MADE + 7);
    assert_eq!((step.plan.status, step.plan.network.clone()), (Status::NotAssociated, None));
    assert_eq!(kinds(&step), ["plan.changing", "plan.not_associated"]);
    assert!(step.purge_rules);
    let waiting = associating(&month());
    assert!(!is_acknowledged(&waiting, Some(&network(1)), &dead));
    assert!(!is_acknowledged(&waiting, Some(&network(1)), &[]));
    let elsewhere = [Node { region: "west".into(), ..node() }];
    assert!(!is_acknowledged(&waiting, Some(&network(1)), &elsewhere));
}

#[test]
fn t12_t13_resize_shows_wanted_and_applied() {
    let to = Resize { peak_bps: 20_000_000, expected_amount: None };
    let settings = Settings::default();
    let step = resize(&in_use(&month()), to, resize::Facts::default(), &settings, after(1), MADE + 7)
        .expect("another peak");
    assert_eq!(step.plan.status, Status::InUse);
    assert_eq!((step.plan.peak, step.plan.applied_peak), (mbps(20), mbps(10)));
    assert_eq!((step.plan.generation, step.reaches_nodes, step.purge_rules), (MADE + 7, true, false));
    assert_eq!(step.events[0].detail, "peak 10Mbps -> 20Mbps");
    let step = acknowledged(&step.plan, after(2));
    assert_eq!(step.plan.applied_peak, mbps(20));
    let none = limiter_domain::acknowledge::acknowledged(&step.plan, &settings, after(3), MADE + 9);
    assert_eq!(none, None, "nothing waits any more");
}

#[test]
fn t14_a_plan_without_network_has_its_new_peak_at_once() {
    let to = Resize { peak_bps: 20_000_000, expected_amount: None };
    let step =
        resize(&plan(&month()), to, resize::Facts::default(), &Settings::default(), after(1), MADE + 7)
            .expect("another peak");
    assert_eq!((step.plan.peak, step.plan.applied_peak), (mbps(20), mbps(20)));
    assert!(!step.reaches_nodes);
}

fn for_a(duration: Duration) -> Renewal {
    Renewal { duration, auto_renew: None, expected_amount: None }
}

#[test]
fn t15_renewal_moves_the_end_and_tells_nodes() {
    let settings = Settings::default();
    for (plan, reaches) in [(in_use(&month()), true), (associating(&month()), true), (plan(&month()), false)]
    {
        let status = plan.status;
        let step =
            renew(&plan, for_a(Duration::Month), &free(), &settings, after(1), MADE + 7).expect("a renewal");
        assert_eq!(step.plan.status, status);
        assert_eq!(step.plan.expires_at, Some(at("2027-01-24T00:00:00Z")));
        assert_eq!(step.reaches_nodes, reaches);
        assert_eq!(kinds(&step), ["plan.renewed"]);
    }
}

fn expired(plan: &Plan) -> Plan {
    let end = plan.expires_at.expect("a term");
    tick(plan, &free(), &Settings::default(), end, MADE + 30).expect("an end").plan
}

#[test]
fn t16_renewal_in_retention_brings_service_back() {
    for plan in [in_use(&month()), plan(&month())] {
        let gone = expired(&plan);
        let now = at("2026-12-27T09:00:00Z");
        let step = renew(&gone, for_a(Duration::Month), &free(), &Settings::default(), now, MADE + 40)
            .expect("a renewal");
        assert_eq!((step.plan.business, step.plan.release_at), (Business::Normal, None));
        assert_eq!((step.plan.status, &step.plan.network), (plan.status, &plan.network));
        assert_eq!(step.plan.expires_at, Some(at("2027-01-28T00:00:00Z")), "example A11");
        assert_eq!(step.reaches_nodes, plan.network.is_some());
        assert_eq!(kinds(&step), ["plan.renewed", "plan.restored"]);
        assert!(!step.purge_rules);
    }
}

#[test]
fn t18_expiry_ends_service_and_keeps_the_network() {
    let plan = in_use(&month());
    let end = at("2026-12-24T00:00:00Z");
    let step = tick(&plan, &free(), &Settings::default(), end, MADE + 30).expect("an end");
    assert_eq!((step.plan.status, step.plan.business), (Status::InUse, Business::Expired));
    assert_eq!(step.plan.network, plan.network);
    assert_eq!(step.plan.release_at, Some(at("2026-12-31T00:00:00Z")));
    assert!(step.reaches_nodes && !step.purge_rules);
    assert_eq!(kinds(&step), ["plan.expired"]);
    assert_eq!(mode(&network(1), Some(&step.plan)), NetworkMode::Basic { rate: mbps(5) });
    let offline = Network { kind: NetworkKind::Vpc, ..network(1) };
    assert_eq!(mode(&offline, Some(&step.plan)), NetworkMode::Offline);
}

#[test]
fn t21_t23_retention_over() {
    let plan = expired(&in_use(&month()));
    let over = plan.release_at.expect("the end of retention");
    let step = tick(&plan, &free(), &Settings::default(), over, MADE + 40).expect("a release");
    assert_eq!((step.plan.status, operation(&step.plan)), (Status::Releasing, Some(OperationKind::Release)));
    assert!(step.purge_rules && step.reaches_nodes);
    assert_eq!(step.plan.network, plan.network, "held until nodes let go");
    let step = acknowledged(&step.plan, over);
    assert_eq!((step.plan.status, step.plan.network.clone()), (Status::Released, None));
    assert_eq!(kinds(&step), ["plan.released"]);
    assert_eq!(next_due(&step.plan, &Settings::default()), None);
}

#[test]
fn t22_ends_at_once_without_a_network_and_with_nodes_otherwise() {
    let ending = Ending { force: true, expected_amount: None };
    let step = unsubscribe(&plan(&month()), ending, &free(), &Settings::default(), after(1), MADE + 7)
        .expect("an end");
    assert_eq!(step.plan.status, Status::Released);
    assert_eq!(kinds(&step), ["plan.releasing", "plan.released"]);
    for plan in [in_use(&pay_as_you_go()), associating(&pay_as_you_go())] {
        let step = delete(&plan, true, after(1), MADE + 7).expect("an end");
        assert_eq!(
            (step.plan.status, operation(&step.plan)),
            (Status::Releasing, Some(OperationKind::Release))
        );
        assert_eq!((step.plan.generation, step.plan.network.clone()), (MADE + 7, plan.network));
        assert!(step.purge_rules && step.reaches_nodes);
        assert_eq!(kinds(&step), ["plan.releasing"]);
    }
}

#[test]
fn access_is_no_business_of_plans() {
    let closed = Network { internet: limiter_state::Access::Deny, ..network(1) };
    let plan = in_use(&month());
    assert!(matches!(mode(&closed, Some(&plan)), NetworkMode::Premium { .. }), "decided before the mode");
}
