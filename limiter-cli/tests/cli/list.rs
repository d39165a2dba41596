//! Lists, errors and exit codes.

use std::process::Stdio;

use limiter_api::views::{Instance, Network};

use crate::run::Person;
use crate::server::{Server, TOKEN, instance, network, plan, rule};

fn operator(server: &Server) -> Person {
    Person::new(&server.url).with("LIMITER_TOKEN", TOKEN)
}

#[test]
fn pages_are_joined_in_every_form() {
    let server = Server::tcp();
    server.world.lock().networks = (1..=5).map(network).collect();
    let person = operator(&server);
    assert_eq!(person.run("network list -q").code(0).out, "net-1\nnet-2\nnet-3\nnet-4\nnet-5\n");
    let json = person.run("network list -o json").code(0).json();
    assert_eq!(json.as_array().map(Vec::len), Some(5));
    assert_eq!(json[4]["basic_bps"], 5_000_000);
    assert_eq!(json[4]["created_at"], "2026-03-31T12:00:00Z");
    let yaml = person.run("network list -o yaml").code(0).out;
    assert!(yaml.contains("name: office-5"), "{yaml}");
    let table = person.run("network list").code(0);
    let lines: Vec<_> = table.out.lines().collect();
    assert_eq!(lines.len(), 6, "{table:?}");
    assert!(lines[0].starts_with("NAME"), "{table:?}");
    assert!(lines[5].contains("office-5") && lines[5].contains("5 Mbps"), "{table:?}");
    let shown = person.run("network show office-2").code(0).out;
    assert!(shown.contains("net-2") && shown.contains("2026-03-31 12:00:00 UTC"), "{shown}");
}

#[test]
fn people_read_names_and_programs_ids() {
    let server = Server::tcp();
    {
        let mut world = server.world.lock();
        world.networks = vec![network(1)];
        world.instances = vec![instance(1), instance(2)];
        world.rules = vec![rule()];
        world.plans.insert("plan-1".into(), plan("plan-1"));
    }
    let person = operator(&server);
    let table = person.run("instance list").code(0).out;
    assert!(table.contains("office-1") && table.contains("slow") && !table.contains("net-1"), "{table}");
    let json = person.run("instance list -o json").code(0).json();
    assert_eq!((&json[0]["network"], &json[1]["rule"]), (&"net-1".into(), &"rule-1".into()));
    let table = person.run("rule list").code(0).out;
    assert!(table.contains("office-1") && table.contains("3 Mbps"), "{table}");
    assert_eq!(person.run("rule list -o json").code(0).json()[0]["plan"], "plan-1");
}

#[test]
fn lists_are_filtered() {
    let server = Server::tcp();
    {
        let mut world = server.world.lock();
        world.networks = vec![network(1), Network { zone: "blue".into(), ..network(2) }];
        world.instances = vec![instance(1), Instance { rule: None, ..instance(2) }];
    }
    let person = operator(&server);
    assert_eq!(person.run("network list --zone blue -q").code(0).out, "net-2\n");
    assert_eq!(person.run("instance list --unbound -q").code(0).out, "ins-2\n");
    person.run("instance list --unbound --rule rule-1").code(2);
}

#[test]
fn an_instance_moves_and_a_network_changes_its_nodes() {
    let server = Server::tcp();
    {
        let mut world = server.world.lock();
        world.networks = vec![network(1), network(2)];
        world.instances = vec![instance(1), Instance { rule: Some("rule-1".into()), ..instance(2) }];
        world.instances[0].rule = None;
    }
    let person = operator(&server);
    let moved = person.run("instance move ins-1 --to office-2 --address 10.2.0.9 -o json").code(0);
    assert_eq!(
        (&moved.json()["network"], &moved.json()["addresses"][0]),
        (&"net-2".into(), &"10.2.0.9".into())
    );
    let asked = person.run("instance move ins-2 --to office-2").code(2);
    assert!(asked.err.contains("leaves its rule") && asked.err.contains("--yes"), "{asked:?}");
    person.run("instance move ins-2 --to office-2 --yes").code(0);
    assert!(server.world.called("POST /v1/instances/ins-2/move"));

    let changed = person.run("network update office-1 --nodes edge-1,edge-2 -o json").code(0);
    assert_eq!(changed.json()["nodes"], serde_json::json!(["edge-1", "edge-2"]));
    let changed = person.run("network update office-1 --all-nodes -o json").code(0);
    assert_eq!(changed.json()["nodes"], serde_json::Value::Null);
    person.run("network update office-1 --all-nodes --nodes edge-1").code(2);
    person.run("network update office-1").code(2);
}

#[test]
fn an_empty_list_teaches_the_next_step() {
    let server = Server::tcp();
    let person = operator(&server);
    let empty = person.run("network list").code(0);
    assert_eq!(empty.out, "");
    assert!(empty.err.contains("limiter network create"), "{empty:?}");
    let json = person.run("network list -o json").code(0);
    assert_eq!((json.out.as_str(), json.err.as_str()), ("[]\n", ""));
}

#[test]
fn a_refusal_is_one_line_or_the_problem() {
    let server = Server::tcp();
    let person = operator(&server);
    person.run("network create office --prefix 10.1.0.0/24").code(0);
    let again = person.run("network create office --prefix 10.1.0.0/24").code(1);
    assert_eq!(again.err, "error: name: `office` is taken; choose another name (NameTaken)\n");
    assert_eq!(again.out, "");
    let json = person.run("network create office --prefix 10.1.0.0/24 -o json").code(1);
    let problem: serde_json::Value = serde_json::from_str(&json.err).expect("a problem");
    assert_eq!((&problem["code"], &problem["field"]), (&"NameTaken".into(), &"name".into()));
    let none = person.run("network show nowhere").code(1);
    assert!(none.err.contains("no network `nowhere`"), "{none:?}");
}

#[test]
fn calls_that_create_have_a_key() {
    let server = Server::tcp();
    operator(&server).run("network create office --prefix 10.1.0.0/24").code(0);
    let key = server.world.lock().headers.get("idempotency-key").cloned().expect("a key");
    assert_eq!(key.len(), 32);
}

#[test]
fn nobody_there_is_said_with_the_remedy() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let ended = Person::new(&url).with("LIMITER_TOKEN", TOKEN).run("network list").code(3).without(TOKEN);
    assert!(ended.err.contains(&url) && ended.err.contains("start limiter-control"), "{ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    let ended = Person::new("unix:/nowhere/control.sock").run("status").code(3);
    assert!(ended.err.contains("unix:/nowhere/control.sock"), "{ended:?}");
}

#[test]
fn an_answer_that_makes_no_sense_is_no_success() {
    let server = Server::tcp();
    let ended = operator(&server).run("account list").code(3);
    assert!(ended.err.contains("unexpected answer"), "{ended:?}");
}

#[test]
fn wrong_usage_is_told_before_anything_is_called() {
    let server = Server::tcp();
    let person = operator(&server);
    for line in [
        "plan create --peak 20mbps",
        "network update office",
        "network create office --prefix 10.1.0.1/24",
        "instance import missing.csv --network office",
        "nonsense",
        "--control http://192.0.2.1 network list",
        "--control nonsense network list",
        "--ca missing.pem network list",
    ] {
        let ended = person.run(line).code(2);
        assert!(!ended.err.is_empty(), "{line}");
    }
    assert_eq!(server.world.lock().calls, Vec::<String>::new());
    let rate = person.run("plan create --peak 20mbps");
    assert!(rate.err.contains("did you mean 20Mbps?"), "{rate:?}");
}

#[test]
fn names_of_others_cannot_steer_the_terminal() {
    let server = Server::tcp();
    let ended = operator(&server).run("event list").code(0);
    assert!(ended.out.contains("\\u{1b}[31mred") && !ended.out.contains('\u{1b}'), "{ended:?}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let person = Person::new("unix:/nowhere/control.sock");
    let mut child = person
        .command(env!("CARGO_BIN_EXE_limiter"))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(crate::run::ended(&output).code(0).err, "");
}

#[test]
fn completions_know_the_commands() {
    let ended = Person::new("unix:/nowhere/control.sock").run("completions bash").code(0);
    assert!(ended.out.contains("auto-renew"), "bash completions without the verbs");
}
