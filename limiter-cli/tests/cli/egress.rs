//! Addresses for plans: imported, listed, taken away, moved, and who had them.

use limiter_api::views::{Address, Network};

use crate::run::Person;
use crate::server::{Server, TOKEN, address, address_use, network, node, plan};

fn operator(server: &Server) -> Person {
    Person::new(&server.url).with("LIMITER_TOKEN", TOKEN)
}

fn bound(number: usize) -> Address {
    Address { state: "bound".into(), plan: Some("plan-1".into()), ..address(number) }
}

#[test]
fn addresses_are_listed_over_all_pages_and_filtered() {
    let server = Server::tcp();
    {
        let mut world = server.world.lock();
        world.addresses = (1..=3).map(address).collect();
        world.addresses.push(bound(4));
        world.addresses.push(Address { region: "eu".into(), ..address(5) });
        world.plans.insert("plan-1".into(), plan("plan-1"));
    }
    let person = operator(&server);
    let all = "198.51.100.1\n198.51.100.2\n198.51.100.3\n198.51.100.4\n198.51.100.5\n";
    assert_eq!(person.run("address list -q").code(0).out, all);
    assert_eq!(person.run("address list --state bound -q").code(0).out, "198.51.100.4\n");
    assert_eq!(person.run("addresses list --region eu -q").code(0).out, "198.51.100.5\n");
    // People read the plan's network, programs its id.
    let table = person.run("address list --state bound").code(0).out;
    assert!(
        table.starts_with("ADDRESS") && table.contains("office-1") && !table.contains("plan-1"),
        "{table}"
    );
    let json = person.run("address list --state bound -o json").code(0).json();
    assert_eq!((&json[0]["plan"], &json[0]["region"]), (&"plan-1".into(), &"default".into()));
    let shown = person.run("address show 198.51.100.4").code(0).out;
    assert!(shown.contains("office-1") && shown.contains("rests until"), "{shown}");
    let yaml = person.run("address show 198.51.100.4 -o yaml").code(0).out;
    assert!(yaml.contains("state: bound") && yaml.contains("plan: plan-1"), "{yaml}");
    let none = person.run("address show 198.51.100.99").code(1);
    assert!(none.err.contains("AddressNotFound"), "{none:?}");
    person.run("address show 198.51.100").code(2);
}

#[test]
fn an_empty_pool_teaches_the_next_step() {
    let server = Server::tcp();
    let empty = operator(&server).run("address list").code(0);
    assert!(empty.out.is_empty() && empty.err.contains("limiter address import"), "{empty:?}");
}

#[test]
fn an_import_is_done_at_once_where_no_plan_changes() {
    let server = Server::tcp();
    let person = operator(&server);
    let dry = person.run("address import 198.51.100.1 198.51.100.2 --region eu --dry-run").code(0);
    assert_eq!(dry.out, "would import 2 addresses into region eu\n");
    assert!(server.world.lock().addresses.is_empty());
    let done = person.run("address import 198.51.100.1 198.51.100.2 --region eu").code(0);
    assert_eq!(done.out, "imported 2 addresses into region eu\n");
    assert_eq!(server.world.lock().addresses.len(), 2);
    let again = person.run("address import 198.51.100.1").code(1);
    assert_eq!(
        again.err,
        "error: ranges[0]: 198.51.100.1 was imported before; leave it out (AddressConflict)\n"
    );
    let json = person.run("address import 198.51.100.3 -o json").code(0).json();
    assert_eq!((&json["addresses"], &json["region"]), (&1.into(), &"default".into()));
    assert_eq!(person.run("address import 198.51.100.4 -q").code(0).out, "");
}

#[test]
fn an_import_that_gives_plans_an_address_is_asked_for() {
    let server = Server::tcp();
    server.world.lock().plans_without = 2;
    let person = operator(&server);
    let asked = person.run("address import 198.51.100.1 198.51.100.2 198.51.100.3").code(2);
    for said in ["Region default gets 3 addresses", "2 plans have none yet", "connections", "--yes"] {
        assert!(asked.err.contains(said), "{said}: {asked:?}");
    }
    assert!(server.world.lock().addresses.is_empty());
    let done = person.run("address import 198.51.100.1 198.51.100.2 198.51.100.3 --yes").code(0);
    assert_eq!(done.out, "imported 3 addresses into region default, 2 of them for plans without one\n");
    assert_eq!(done.err, "");
}

#[test]
fn a_removal_says_what_will_happen() {
    let server = Server::tcp();
    server.world.lock().addresses = vec![address(1), address(2), bound(4)];
    let person = operator(&server);
    let dry = person.run("address remove 198.51.100.1 198.51.100.9 --dry-run").code(0);
    assert_eq!(dry.out, "would remove 1 address from region default\n");
    let asked = person.run("address remove 198.51.100.1 198.51.100.9").code(2);
    assert!(asked.err.contains("1 address is taken away") && asked.err.contains("--yes"), "{asked:?}");
    assert_eq!(server.world.lock().addresses.len(), 3);
    let done = person.run("address remove 198.51.100.1 198.51.100.9 --yes").code(0);
    assert_eq!(done.out, "removed 1 address from region default\n");
    assert_eq!(person.run("address list -q").code(0).out, "198.51.100.2\n198.51.100.4\n");
    // What is refused is refused before anybody is asked.
    let used = person.run("address remove 198.51.100.4").code(1);
    assert!(used.err.starts_with("error: ranges: 198.51.100.4 is the address of a plan"), "{used:?}");
}

#[test]
fn who_had_an_address_when_is_told() {
    let server = Server::tcp();
    {
        let mut world = server.world.lock();
        world.uses = vec![
            address_use("2026-03-01T00:00:00Z", Some("2026-03-10T00:00:00Z")),
            address_use("2026-03-20T00:00:00Z", Some("2026-03-21T00:00:00Z")),
            address_use("2026-03-21T00:00:00Z", None),
        ];
        // This network is gone since; its id stays.
        world.uses[0].network = "net-9".into();
        world.networks = vec![network(1)];
        world.nodes = vec![node(1)];
    }
    let person = operator(&server);
    let json = person.run("address uses 198.51.100.7 -o json").code(0).json();
    assert_eq!(json.as_array().map(Vec::len), Some(3));
    assert_eq!((&json[0]["account"], &json[0]["node"]), (&"acc-1".into(), &"node-1".into()));
    let line = "address uses 198.51.100.7 --at 2026-03-20T12:00:00Z";
    let json = person.run(&format!("{line} -o json")).code(0).json();
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert_eq!(json[0]["from"], "2026-03-20T00:00:00Z");
    let table = person.run("address uses 198.51.100.7").code(0).out;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[1].contains("2026-03-01 00:00:00 UTC") && lines[1].contains("net-9"), "{table}");
    assert!(lines[3].contains("office-1") && lines[3].contains("n1") && lines[3].contains("now"), "{table}");
    assert!(lines[3].contains("acme"), "{table}");
    let nobody = person.run("address uses 198.51.100.7 --at 2026-03-15T00:00:00Z").code(0);
    assert!(nobody.out.is_empty() && nobody.err.contains("no network had 198.51.100.7 then"), "{nobody:?}");
}

#[test]
fn a_node_has_a_shared_address_or_none() {
    let server = Server::tcp();
    let person = operator(&server);
    let line = "node create n1 --interface veth-* --shared-address 198.51.100.1 --egress-addresses routed";
    let made = person.run(line).code(0).out;
    for (name, value) in [("shared address", "198.51.100.1"), ("egress addresses", "routed")] {
        assert!(made.lines().any(|line| line.starts_with(name) && line.ends_with(value)), "{name}: {made}");
    }
    let table = person.run("node list").code(0).out;
    assert!(table.contains("SHARED ADDRESS") && table.contains("198.51.100.1"), "{table}");
    let asked = person.run("node update n1 --shared-address 198.51.100.2").code(2);
    assert!(
        asked.err.contains("198.51.100.2 instead of 198.51.100.1") && asked.err.contains("--yes"),
        "{asked:?}"
    );
    person.run("node update n1 --shared-address 198.51.100.1").code(0);
    assert_eq!(server.world.lock().nodes[0].shared_address.as_deref(), Some("198.51.100.1"));
    let json = person.run("node update n1 --no-shared-address -o json").code(0).json();
    assert_eq!(
        (&json["shared_address"], &json["egress_addresses"]),
        (&serde_json::Value::Null, &"routed".into())
    );
    let json = person.run("node update n1 --egress-addresses assign -o json").code(0).json();
    assert_eq!(json["egress_addresses"], "assign");
    let json = person.run("node update n1 --shared-address 198.51.100.2 -o json").code(0).json();
    assert_eq!(json["shared_address"], "198.51.100.2");
    let wrong = person.run("node update n1 --shared-address 127.0.0.1").code(2);
    assert!(wrong.err.contains("127.0.0.0/8"), "{wrong:?}");
    person.run("node update n1").code(2);
}

#[test]
fn a_node_is_drained_after_a_yes_and_taken_back() {
    let server = Server::tcp();
    server.world.lock().nodes = vec![node(1), node(2)];
    let person = operator(&server);
    let asked = person.run("node drain n1").code(2);
    assert!(asked.err.contains("go to other nodes") && asked.err.contains("--yes"), "{asked:?}");
    assert!(!server.world.lock().nodes[0].drained);
    person.run("node drain n1 --yes").code(0);
    let table = person.run("node list").code(0).out;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[1].contains("in force, drained") && !lines[2].contains("drained"), "{table}");
    person.run("node undrain n1").code(0);
    assert!(!server.world.lock().nodes[0].drained);
}

#[test]
fn a_network_says_what_it_leaves_through() {
    let server = Server::tcp();
    let person = operator(&server);
    person.run("network create office --prefix 10.1.0.0/24 --egress exclusive").code(0);
    assert_eq!(server.world.lock().networks[0].egress, "exclusive");
    let table = person.run("network list").code(0).out;
    assert!(table.contains("EGRESS") && table.contains("exclusive"), "{table}");
    let shown = person.run("network update office --egress shared").code(0).out;
    assert!(shown.lines().any(|line| line.starts_with("egress") && line.ends_with("shared")), "{shown}");
    assert!(!shown.contains("leaving"), "{shown}");
}

fn moving() -> Server {
    let server = Server::tcp();
    {
        let mut world = server.world.lock();
        world.nodes = vec![node(1), node(2)];
        let egress_node = Some("node-1".into());
        world.networks = vec![Network { egress: "exclusive".into(), egress_node, ..network(1) }];
    }
    server
}

#[test]
fn who_may_not_see_nodes_sees_their_ids() {
    let server = moving();
    let person = operator(&server);
    let row = |shown: String| {
        let line = shown.lines().find(|line| line.starts_with("egress node")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no egress node: {shown}"))
    };
    assert!(row(person.run("network show net-1").code(0).out).ends_with(" n1"));
    server.world.lock().hides_nodes = true;
    assert!(row(person.run("network show net-1").code(0).out).ends_with(" node-1"));
}

#[test]
fn a_move_is_asked_for_and_waited_for() {
    let server = moving();
    // One look is of the operator, the others see the address on its way.
    server.world.lock().moves_in = (3, 2);
    let person = operator(&server);
    let asked = person.run("network move-egress net-1 --node n2 --no-wait").code(2);
    assert!(asked.err.contains("at node n2 instead of n1") && asked.err.contains("--yes"), "{asked:?}");
    assert!(!server.world.called("POST /v1/networks/net-1/move-egress"));

    let moved = person.run("network move-egress net-1 --node n2 --yes").code(0).out;
    assert!(moved.lines().any(|line| line.starts_with("egress node") && line.ends_with(" n2")), "{moved}");
    assert!(!moved.contains("leaving"), "{moved}");
    assert_eq!(server.world.lock().nodes[1].acked_revision, 8);
    // It is there.
    person.run("network move-egress net-1 --node n2").code(0);
}

#[test]
fn a_move_that_takes_long_shows_how_far_it_is() {
    let server = moving();
    server.world.lock().moves_in = (u32::MAX, 0);
    let person = operator(&server);
    let late = person.run("network move-egress net-1 --node n2 --yes --timeout 300ms").code(4);
    assert!(late.err.contains("node n1 has yet to let go") && late.err.contains("network show"), "{late:?}");
    let row =
        |name: &str| late.out.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(row("egress node").ends_with(" n2") && row("leaving").ends_with(" n1"), "{late:?}");

    let server = moving();
    server.world.lock().moves_in = (0, u32::MAX);
    let person = operator(&server);
    let late = person.run("network move-egress net-1 --node n2 --yes --timeout 300ms -o json").code(4);
    assert!(late.err.contains("node n2 has yet to take the address"), "{late:?}");
    assert_eq!(late.json()["egress_node"], "node-2");
}
