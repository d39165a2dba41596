//! Plans: waiting for nodes, confirmation, outcomes.

use limiter_api::views::Plan;

use crate::run::Person;
use crate::server::{Server, TOKEN, network, plan};

fn operator(server: &Server) -> Person {
    Person::new(&server.url).with("LIMITER_TOKEN", TOKEN)
}

fn with_network() -> Server {
    let server = Server::tcp();
    server.world.lock().networks = vec![network(1)];
    server
}

#[test]
fn an_order_is_waited_for() {
    let server = with_network();
    {
        let mut world = server.world.lock();
        world.looks_left = 3;
        world.then = Some(plan("plan-1"));
    }
    let ended = operator(&server).run("plan create --network office-1 --peak 20Mbps -o json").code(0);
    assert_eq!(ended.json()["status"], "in_use");
    assert_eq!(ended.err, "", "no spinner without a terminal");
    let looks = server.world.lock().calls.iter().filter(|call| *call == "GET /v1/plans/plan-1").count();
    assert_eq!(looks, 4);
}

#[test]
fn who_does_not_wait_gets_the_plan_as_it_is() {
    let server = with_network();
    let ended =
        operator(&server).run("plan create --network office-1 --peak 20Mbps --no-wait -o json").code(0);
    assert_eq!(ended.json()["status"], "creating");
    assert!(!server.world.called("GET /v1/plans/plan-1"));
}

#[test]
fn what_is_not_over_in_time_has_its_own_code_and_keeps_its_id() {
    let server = with_network();
    server.world.lock().looks_left = u32::MAX;
    let ended =
        operator(&server).run("plan create --network office-1 --peak 20Mbps --timeout 300ms -q").code(4);
    assert_eq!(ended.out, "plan-1\n");
    assert!(ended.err.contains("plan plan-1: provision"), "{ended:?}");
}

#[test]
fn a_busy_control_plane_is_asked_again_while_it_says_so() {
    let server = with_network();
    server.world.lock().busy = (3, true);
    server.world.lock().then = Some(plan("plan-1"));
    let person = operator(&server);
    let ended = person.run("plan create --network office-1 --peak 20Mbps -o json").code(0);
    assert_eq!(ended.json()["status"], "in_use");
    // With bounded patience.
    server.world.lock().busy = (u32::MAX, true);
    let ended = person.run("plan create --network office-1 --peak 20Mbps --timeout 300ms").code(1);
    assert!(ended.err.contains("the database is busy"), "{ended:?}");
    // A call of the run before may still arrive, so one answer would not do.
    server.world.lock().busy = (u32::MAX, false);
    let ended = person.run("plan create --network office-1 --peak 20Mbps").code(1);
    assert!(ended.err.contains("the database is busy"), "{ended:?}");
}

#[test]
fn an_operation_that_fails_is_refused() {
    let server = with_network();
    let failed = Plan { status: "failed".into(), reason: Some("DataPlaneTimeout".into()), ..plan("plan-1") };
    server.world.lock().then = Some(failed);
    let ended = operator(&server).run("plan create --network office-1 --peak 20Mbps").code(1);
    assert!(ended.err.contains("DataPlaneTimeout"), "{ended:?}");
}

#[test]
fn a_plan_that_came_to_serve_nothing_is_no_success() {
    let server = with_network();
    let free = Plan {
        status: "not_associated".into(),
        network: None,
        reason: Some("Late".into()),
        ..plan("plan-1")
    };
    server.world.lock().then = Some(free);
    let ended = operator(&server).run("plan create --network office-1 --peak 20Mbps -q").code(1);
    assert_eq!(ended.out, "plan-1\n");
    assert!(ended.err.contains("plan-1 does not serve network net-1 (Late)"), "{ended:?}");
}

#[test]
fn a_resize_is_over_when_it_is_applied() {
    let server = with_network();
    {
        let mut world = server.world.lock();
        world.plans.insert("plan-1".into(), plan("plan-1"));
        // One look finds the plan, two see it on its way.
        world.looks_left = 3;
        world.then = Some(Plan { peak_bps: 50_000_000, applied_peak_bps: 50_000_000, ..plan("plan-1") });
    }
    let ended = operator(&server).run("plan resize plan-1 --peak 50Mbps").code(0);
    assert!(ended.out.contains("50 Mbps") && !ended.out.contains("->"), "{ended:?}");
}

#[test]
fn nothing_is_taken_back_without_a_yes() {
    let server = with_network();
    server.world.lock().plans.insert("plan-1".into(), plan("plan-1"));
    let person = operator(&server);
    let ended = person.run("plan dissociate office-1").code(2);
    for said in ["2 rules are purged", "back to basic 5 Mbps", "billing stay", "--yes"] {
        assert!(ended.err.contains(said), "{said}: {ended:?}");
    }
    assert!(!server.world.called("POST /v1/plans/plan-1/dissociate"));
    let free = Plan {
        status: "not_associated".into(),
        label: "Not Associated".into(),
        network: None,
        network_name: None,
        ..plan("plan-1")
    };
    server.world.lock().looks_left = 2;
    server.world.lock().then = Some(free);
    let ended = person.run("plan dissociate office-1 --yes").code(0);
    assert!(ended.out.contains("Not Associated"), "{ended:?}");
    assert!(server.world.called("POST /v1/plans/plan-1/dissociate"));

    person.run("network delete office-1").code(2);
    assert!(!server.world.called("DELETE /v1/networks/net-1"));
    let ended = person.run("network delete office-1 --yes").code(0);
    assert_eq!(ended.out, "network net-1 deleted\n");
}

#[test]
fn a_change_names_the_version_it_is_of() {
    let server = with_network();
    server.world.lock().plans.insert("plan-1".into(), plan("plan-1"));
    let person = operator(&server);
    let named =
        || server.world.lock().headers.get("if-match").map(|value| value.to_str().expect("text").to_owned());
    person.run("plan resize plan-1 --peak 50Mbps --no-wait --if-version 3").code(0);
    assert_eq!(named().as_deref(), Some("\"3\""));
    person.run("plan resize plan-1 --peak 60Mbps --no-wait").code(0);
    assert_eq!(named(), None);
    let shown = person.run("network show office-1").code(0).out;
    assert!(shown.lines().any(|line| line.starts_with("version") && line.ends_with(" 1")), "{shown}");
    person.run("network delete office-1 --yes --if-version 4").code(0);
    assert_eq!(named().as_deref(), Some("\"4\""));
    let ended = person.run("instance delete a b --yes --if-version 4").code(2);
    assert!(ended.err.contains("one at a time"), "{ended:?}");
}

#[test]
fn each_plan_has_its_outcome_and_one_refusal_decides() {
    let server = with_network();
    {
        let mut world = server.world.lock();
        world.plans.insert("plan-1".into(), plan("plan-1"));
        let free = Plan { network: None, network_name: None, ..plan("plan-2") };
        world.plans.insert("plan-2".into(), free);
    }
    let person = operator(&server);
    let ended = person.run("plan delete plan-1 plan-2 --yes").code(1);
    let lines: Vec<_> = ended.out.lines().collect();
    assert!(lines[1].contains("plan-1") && lines[1].contains("PlanAssociated"), "{ended:?}");
    assert!(lines[2].contains("plan-2") && lines[2].contains("done"), "{ended:?}");
    assert!(ended.err.contains("1 of 2 refused"), "{ended:?}");
    person.run("plan delete office-1 --force --yes").code(0);
    assert!(server.world.lock().plans.is_empty());
}

#[test]
fn a_refused_association_names_field_and_remedy() {
    let server = with_network();
    server.world.lock().plans.insert("plan-1".into(), plan("plan-1"));
    let ended = operator(&server).run("plan associate plan-1 --network office-1").code(1);
    assert_eq!(ended.err, "error: network: network net-1 has a plan; dissociate it first (NetworkHasPlan)\n");
}
