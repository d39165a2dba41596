//! What the commands show of a node on which traffic runs, and what they change.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use limiter_agent::clock::monotonic_ns;
use limiter_agent::dataplane::{Limit, attach};
use limiter_common::cost;
use limiter_common::meter::{Direction, Owner};
use limiter_tests::agent::Agent;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{Sink, send};
use serde_json::Value;

const STATE: &str = "\
version: 1
interfaces:
  - match: \"inst*\"
rules: [{name: small, up: 1Mbps}]
networks:
  - name: office
    prefixes: [10.10.0.0/24]
    instances:
      - {name: web, addresses: [10.10.0.2], up: 5Mbps}
      - {name: db, addresses: [10.10.0.3], rule: small}
";

fn json(agent: &Agent<'_>, words: &[&str]) -> Value {
    let (done, text) = agent.ask(words);
    assert!(done, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What `status` says of an instance of the first network.
fn instance(status: &Value, name: &str) -> Value {
    let instances = status["networks"][0]["instances"].as_array().expect("instances");
    instances.iter().find(|instance| instance["name"] == name).expect(name).clone()
}

/// Sends 10 Mbps from the first instance to the host while `work` runs.
fn under_load<T>(topology: &Topology, work: impl FnOnce() -> T) -> T {
    let to = SocketAddr::new(host_address(false), 9000);
    let sink = Sink::start(&topology.host, to);
    let is_done = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        let from = &topology.instance(0, 0).namespace;
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                send(from, to, 10_000_000, 1400, Duration::from_millis(200));
            }
        });
        std::thread::sleep(Duration::from_secs(1));
        // A failed assertion must end the traffic too.
        let result = catch_unwind(AssertUnwindSafe(work));
        is_done.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    });
    sink.finish();
    result
}

#[test]
fn status_measures_what_passes_and_names_what_limits() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, STATE);
    let (once, watched) = under_load(&topology, || {
        let once = json(&agent, &["status", "--json"]);
        let mut command = agent.command(&["status", "--watch", "--json", "office/web"]);
        command.stdout(Stdio::piped());
        let mut process = topology.node.spawn(command);
        let lines = BufReader::new(process.stdout.take().expect("output")).lines().take(2);
        let lines: Vec<String> = lines.collect::<Result<_, _>>().expect("lines");
        process.kill().expect("kill");
        process.wait().expect("wait");
        (once, lines)
    });
    let web = instance(&once, "office/web");
    let rate = web["up"]["rate_bps"].as_u64().expect("a rate");
    assert!((4_500_000..5_500_000).contains(&rate), "{web}");
    assert!(web["up"]["refused_bps"].as_u64() > Some(3_000_000), "{web}");
    assert_eq!((&web["up"]["limit_bps"], &web["up"]["limited_by"]), (&5_000_000.into(), &"own".into()));
    assert_eq!((&web["limit_from"], &web["down"]["limit_bps"]), (&"own".into(), &Value::Null));
    let db = instance(&once, "office/db");
    assert_eq!((&db["limit_from"], &db["up"]["limited_by"]), (&"rule small".into(), &Value::Null));
    assert_eq!(once["interfaces"][0]["not_in_force"], Value::Null);

    let watched: Vec<Value> =
        watched.iter().map(|line| serde_json::from_str(line).expect("JSON a line")).collect();
    let passed = |status: &Value| instance(status, "office/web")["up"]["passed_bytes"].as_u64();
    assert!(passed(&watched[1]) > passed(&watched[0]));
    assert!(watched[1]["interval_ms"].as_u64() >= Some(1000), "{}", watched[1]["interval_ms"]);
    assert_eq!(
        watched[0]["networks"][0]["instances"].as_array().map(Vec::len),
        Some(1),
        "only what was named"
    );
}

#[test]
fn status_tells_what_is_not_as_the_state_asks() {
    let topology = Topology::new(&[1]);
    let mut agent = Agent::start(&topology.node, STATE);
    let (_, running) = agent.ask(&["status"]);
    assert!(running.contains("agent running") && !running.contains("DRIFT"), "{running}");
    agent.kill();
    let maps = agent.maps();
    let meters = maps.meters();
    let limit_of = |slot| meters.limit(slot, Direction::Up);
    let web = (1..meters.slots()).find(|slot| limit_of(*slot).cost_per_byte == cost::per_byte(5_000_000));
    let web = web.expect("the meter of office/web");
    let drifted = Limit { cost_per_byte: cost::per_byte(9_000_000), ..limit_of(web) };
    meters.set_limit(web, Direction::Up, drifted, monotonic_ns());
    let free = (1..meters.slots()).find(|slot| meters.owner(*slot).entity == 0).expect("a free slot");
    meters.claim(free, 77, Owner::INSTANCE);
    topology.node.enter(|| {
        let ifindex = *maps.interfaces().all().keys().next().expect("an interface");
        let program = attach::loaded(Some(maps.meters_id()));
        let is_its = |program: &&attach::Loaded| program.current && program.direction == Direction::Down;
        let program = program.iter().find(is_its).expect("a program");
        if attach::has_tcx() {
            attach::detach(None, ifindex, Direction::Down, program.id).expect("detached");
        } else {
            topology.node.run("tc filter del dev inst00 egress");
        }
    });

    let (done, text) = agent.ask(&["status"]);
    assert!(done, "{text}");
    for part in [
        "agent NOT RUNNING",
        "DRIFT, asked 5Mbps",
        "9Mbps",
        &format!("unknown instance (slot {free})"),
        "inst00 is NOT in force: no program is attached down",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let status = json(&agent, &["status", "--json"]);
    assert_eq!(status["agent_running"], false);
    assert_eq!(instance(&status, "office/web")["up"]["drifted"], true);
    assert_eq!(instance(&status, "office/db")["up"]["drifted"], false);
    assert_eq!(status["unknown_owners"][0]["slot"], free);

    agent.launch();
    let (_, repaired) = agent.ask(&["status"]);
    for part in ["DRIFT", "unknown instance", "NOT"] {
        assert!(!repaired.contains(part), "{part} is in: {repaired}");
    }
}

#[test]
fn a_dry_run_shows_the_change_and_makes_none() {
    let topology = Topology::new(&[]);
    let agent = Agent::stopped(&topology.node, STATE);
    let read = || std::fs::read_to_string(agent.state_path()).expect("the state file");
    let words = ["rule", "set", "small", "--up", "2Mbps"];
    let (done, text) = agent.ask(&[&words[..], &["--dry-run"]].concat());
    let expected = "-rules: [{name: small, up: 1Mbps}]\n+rules: [{name: small, up: 2Mbps}]\n";
    assert!(done && text.starts_with(expected) && text.contains("nothing was changed now"), "{text}");
    assert_eq!(read(), STATE);
    let (done, text) = agent.ask(&words);
    assert!(done && text.starts_with(expected) && text.contains("no agent runs"), "{text}");
    assert_eq!(read(), STATE.replace("up: 1Mbps", "up: 2Mbps"));
    let (done, text) = agent.ask(&words);
    assert!(done && text.contains("nothing to change"), "{text}");

    assert!(agent.ask(&["network", "set", "lab", "--prefix", "10.20.0.0/24", "--down", "20Mbps"]).0);
    assert!(agent.ask(&["instance", "add", "lab/pc", "--address", "10.20.0.7", "--internet", "deny"]).0);
    let lists =
        [&["rule", "list", "--json"][..], &["network", "list", "--json"], &["instance", "list", "--json"]];
    let [rules, networks, instances] = lists.map(|words| json(&agent, words));
    assert_eq!(rules, serde_json::json!([{ "rule": "small", "up_bps": 2_000_000, "down_bps": null }]));
    assert_eq!((&networks[1]["network"], &networks[1]["down_bps"]), (&"lab".into(), &20_000_000.into()));
    let pc = serde_json::json!({
        "instance": "lab/pc", "addresses": ["10.20.0.7"], "up_bps": null, "down_bps": null,
        "limit_from": "none", "internet": "deny",
    });
    assert_eq!(instances[0], pc);
    let (done, text) = agent.ask(&["rule", "remove", "small"]);
    assert!(!done && text.matches("in use by instance office/db").count() == 1, "{text}");
    for words in [&["instance", "remove", "lab/pc"][..], &["network", "remove", "lab"]] {
        assert!(agent.ask(words).0);
    }
    assert_eq!(json(&agent, &["network", "list", "--json"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn doctor_sees_who_else_is_at_our_hooks_and_what_is_missing() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, STATE);
    for line in [
        "tc qdisc replace dev inst00 clsact",
        "tc filter add dev inst00 egress prio 65535 protocol all u32 match u8 0 0",
    ] {
        topology.node.run(line);
    }
    let findings = json(&agent, &["doctor", "--json"]);
    let find = |what: &str| {
        let findings = findings.as_array().expect("findings");
        findings
            .iter()
            .find(|finding| finding["what"] == what)
            .unwrap_or_else(|| panic!("no {what} in {findings:?}"))
    };
    for what in ["kernel", "bpffs", "capabilities", "state file", "agent", "devices"] {
        assert_eq!(find(what)["verdict"], "ok", "{}", find(what));
    }
    let others = find("others");
    assert_eq!(others["verdict"], "warning");
    assert!(
        others["note"]
            .as_str()
            .is_some_and(|note| note.starts_with("inst00 (filter u32 with priority 65535)")),
        "{others}"
    );

    let command = agent.command(&["doctor"]);
    let mut powerless = Command::new("setpriv");
    powerless
        .args(["--inh-caps=-all", "--bounding-set=-all"])
        .arg(command.get_program())
        .args(command.get_args());
    let output = topology.node.enter(move || powerless.output().expect("setpriv, of util-linux"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains("MISSING  CAP_NET_ADMIN"), "{text}");
}
