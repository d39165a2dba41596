//! Whole setups and imports.

use limiter_api::setup::SetupChange;
use limiter_api::views::Plan;

use crate::run::Person;
use crate::server::{Server, TOKEN, network, plan};

const OFFICE: &str = "networks:\n  - name: office\n    prefixes: [10.1.0.0/24]\n    instances:\n      - {name: web-1, addresses: [10.1.0.2]}\n";

fn change(action: &str, name: &str) -> SetupChange {
    SetupChange {
        action: action.into(),
        kind: "instance".into(),
        name: name.into(),
        detail: "10.1.0.2".into(),
    }
}

fn server() -> Server {
    let server = Server::tcp();
    server.world.lock().changes = vec![change("create", "office/web-1"), change("delete", "office/old")];
    server
}

fn operator(server: &Server) -> Person {
    let person = Person::new(&server.url).with("LIMITER_TOKEN", TOKEN);
    person.file("setup.yaml", OFFICE);
    person
}

#[test]
fn a_difference_is_shown_and_nothing_is_done() {
    let server = server();
    let person = operator(&server);
    for line in ["diff -f setup.yaml", "apply -f setup.yaml --dry-run --yes"] {
        let ended = person.run(line).code(0);
        let lines: Vec<_> = ended.out.lines().collect();
        assert!(lines[0].starts_with('+') && lines[0].contains("office/web-1"), "{ended:?}");
        assert!(lines[1].starts_with('-') && lines[1].contains("office/old"), "{ended:?}");
        assert!(ended.err.contains("1 to create, 1 to delete; nothing was changed yet"), "{ended:?}");
    }
    assert!(server.world.lock().applied.is_empty());
}

#[test]
fn a_setup_is_put_in_force_after_a_yes_and_then_changes_nothing() {
    let server = server();
    let person = operator(&server);
    let refused = person.run("apply -f setup.yaml").code(2);
    assert!(refused.err.contains("office/old") && refused.err.contains("--yes"), "{refused:?}");
    assert!(server.world.lock().applied.is_empty());

    let ended = person.run("apply -f setup.yaml --yes").code(0);
    assert!(ended.err.contains("2 changes in revision 43"), "{ended:?}");
    {
        let world = server.world.lock();
        assert_eq!(world.applied.len(), 1);
        assert_eq!(world.applied[0].networks[0].instances[0].name, "web-1");
    }
    let again = person.run("apply -f setup.yaml").code(0);
    assert_eq!(again.out, "");
    assert!(again.err.contains("everything is as the file says"), "{again:?}");
    assert_eq!(server.world.lock().applied.len(), 1);
}

#[test]
fn rules_of_a_new_plan_follow_once_it_is_in_use() {
    let server = server();
    {
        let mut world = server.world.lock();
        let creating = Plan { status: "creating".into(), network: None, ..plan("plan-1") };
        world.plans.insert("plan-1".into(), creating);
        world.looks_left = 3;
        world.then = Some(plan("plan-1"));
        world.waits_for = vec!["plan-1".into()];
        world.changes_later = vec![change("create", "office/rule-of-the-plan")];
    }
    let ended = operator(&server).run("apply -f setup.yaml --yes").code(0);
    assert!(ended.out.contains("office/web-1") && ended.out.contains("rule-of-the-plan"), "{ended:?}");
    assert!(ended.err.contains("3 changes in revision 43"), "{ended:?}");
    assert_eq!(server.world.lock().applied.len(), 2);
}

#[test]
fn who_does_not_wait_is_told_what_is_left() {
    let server = server();
    server.world.lock().waits_for = vec!["plan-1".into()];
    let ended = operator(&server).run("apply -f setup.yaml --yes --no-wait").code(0);
    assert!(ended.err.contains("rules follow when their plans are in use"), "{ended:?}");
    assert_eq!(server.world.lock().applied.len(), 1);
}

#[test]
fn programs_get_the_changes() {
    let server = server();
    let json = operator(&server).run("apply -f setup.yaml --yes -o json").code(0).json();
    assert_eq!((&json["revision"], &json["changes"][1]["action"]), (&43.into(), &"delete".into()));
}

#[test]
fn a_mistake_in_the_file_is_named_by_line() {
    let server = server();
    let person = operator(&server);
    person.file("bad.yaml", &format!("{OFFICE}    plan: {{pay: pay_as_you_go, peak: fast}}\n"));
    let ended = person.run("apply -f bad.yaml --yes").code(2);
    assert!(ended.err.starts_with("error: bad.yaml:6:") && ended.err.contains("peak: fast"), "{ended:?}");
    person.run("apply -f missing.yaml").code(2);
    assert_eq!(server.world.lock().calls, Vec::<String>::new());
}

#[test]
fn an_export_is_a_setup_again() {
    let server = server();
    let person = operator(&server);
    let ended = person.run("export").code(0);
    assert!(ended.out.contains("up: 2Mbps"), "{ended:?}");
    person.file("export.yaml", &ended.out);
    person.run("diff -f export.yaml").code(0);
}

#[test]
fn instances_come_from_csv_in_one_transaction() {
    let server = server();
    server.world.lock().networks = vec![network(1)];
    let person = operator(&server);
    person.file("vms.csv", "name,addresses,external_id\nweb-1,10.1.0.2 fd00::2,vm-1\nweb-2,10.1.0.3,\n");
    person.run("instance import vms.csv --network office-1 --dry-run").code(0);
    assert!(server.world.lock().applied.is_empty());
    person.run("instance import vms.csv --network office-1 --yes").code(0);
    {
        let world = server.world.lock();
        let network = &world.applied[0].networks[0];
        assert_eq!((network.name.as_str(), network.instances.len()), ("office-1", 2));
        assert_eq!(network.instances[0].addresses, ["10.1.0.2", "fd00::2"]);
        assert_eq!(network.instances[0].external_id.as_deref(), Some("vm-1"));
    }
    person.file("bad.csv", "name,addresses\nweb-1,10.1.0.2\nweb-2,10.1.0\n");
    let ended = person.run("instance import bad.csv --network office-1 --yes").code(2);
    assert!(ended.err.contains("bad.csv: line 3: addresses: `10.1.0` is no address"), "{ended:?}");
}
