//! An agent that follows a control plane: what it fetches, when it says that it is in force, and what holds
//! while nobody sensible answers.

use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use limiter_agent::dataplane::Maps;
use limiter_agent::desired::{NodeState, parse};
use limiter_agent::reading::{Owners, rate_bps};
use limiter_common::meter::Direction;
use limiter_tests::agent::Agent;
use limiter_tests::control_fake::{FakeControl, Impostor, TOKEN, Then};
use limiter_tests::topology::Topology;
use rustix::process::{Pid, Signal, kill_process};

/// A state whose network has this limit.
fn state(mbps: u64) -> NodeState {
    state_with(mbps, "")
}

fn state_with(mbps: u64, more: &str) -> NodeState {
    let text = format!(
        "version: 1\ninterfaces: [{{match: \"inst*\"}}]\nnetworks:\n- name: office\n  prefixes: [10.10.0.0/24]\n  \
         up: {mbps}Mbps\n{more}  instances: [{{name: web, addresses: [10.10.0.2]}}]\n"
    );
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}")).0
}

/// A state that the agent refuses: its instance has an address outside the network.
fn bad_state() -> NodeState {
    let mut state = state(9);
    state.networks[0].instances[0].addresses = vec!["10.99.0.1".to_owned()];
    state
}

/// The limit of the network, as its meter has it, Mbps.
fn limit_mbps(maps: &Maps) -> Option<u64> {
    let slot = Owners::read(maps.meters()).network("office")?;
    Some(rate_bps(maps.meters().read(slot, Direction::Up).cost_per_byte)? / 1_000_000)
}

fn limit_of(agent: &Agent<'_>) -> Option<u64> {
    limit_mbps(&agent.maps())
}

fn wait_for_limit(agent: &Agent<'_>, mbps: u64) {
    agent.wait_until(|maps| limit_mbps(maps) == Some(mbps));
}

/// An agent that follows `control`; it was not started yet.
fn follower<'a>(topology: &'a Topology, control: &FakeControl<'_>) -> Agent<'a> {
    let mut agent = Agent::stopped(&topology.node, "this file is nobody's business\n");
    agent.follow(&control.url(), TOKEN);
    agent
}

/// An agent that has the limit 20 of `control`.
fn settled<'a>(topology: &'a Topology, control: &FakeControl<'_>) -> Agent<'a> {
    let mut agent = follower(topology, control);
    control.publish("a", 1, state(20));
    agent.launch();
    assert_eq!(limit_of(&agent), Some(20));
    control.wait_for(|ack| ack.in_force_revision == 1);
    agent
}

/// Lets whoever acknowledges show the limit that the kernel has then.
fn witness(control: &FakeControl<'_>, agent: &Agent<'_>) {
    let pins = agent.pins();
    control.witness(move || limit_mbps(&Maps::open(&pins).ok()??));
}

/// Waits until `status` holds all of `parts`.
fn wait_for_status(agent: &Agent<'_>, parts: &[&str]) {
    let start = Instant::now();
    loop {
        let (_, status) = agent.ask(&["status"]);
        if parts.iter().all(|part| status.contains(part)) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{parts:?} are not in: {status}\n{}", agent.log());
    }
}

#[test]
fn a_change_is_in_the_kernel_soon_and_said_only_then() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let agent = settled(&topology, &control);
    witness(&control, &agent);
    let mut times = Vec::new();
    for revision in 2..22 {
        let mbps = 20 + revision;
        let start = Instant::now();
        control.publish("a", revision, state(mbps));
        wait_for_limit(&agent, mbps);
        let in_kernel = start.elapsed();
        let said = control.wait_for(|ack| ack.in_force_revision == revision);
        assert_eq!((said.seen, said.ack.problem), (Some(mbps), None), "said before it held");
        assert_eq!((said.ack.incarnation.as_str(), said.ack.revision), ("a", revision));
        times.push((in_kernel, said.at - start));
    }
    times.sort_unstable();
    let (in_kernel, _) = times[times.len() / 2];
    let acks: Vec<u64> = control.said().iter().map(|said| said.ack.in_force_revision).collect();
    assert!(acks.is_sorted(), "the newest wins: {acks:?}");
    println!("change to kernel, and to acknowledgement: {times:?}");
    assert!(in_kernel <= Duration::from_millis(50), "{times:?}");
    let (_, status) = agent.ask(&["status"]);
    let line = format!("state from {}, revision 21 in force, last contact ", control.url());
    let (_, rest) = status.split_once(&line).unwrap_or_else(|| panic!("{line:?} is not in: {status}"));
    let age_s: u64 = rest.split_once(" s ago\n").expect("an age").0.parse().expect("seconds");
    assert!(age_s <= 5, "{status}");
    let (_, plan) = agent.ask(&["plan"]);
    assert!(plan.contains("revision 21 of http://127.0.0.1") && plan.contains("Nothing to do"), "{plan}");
}

#[test]
fn nothing_is_ready_before_a_state_is_in_force() {
    let topology = Topology::new(&[1]);
    let mut control = FakeControl::start(&topology.node);
    control.stop();
    let mut agent = follower(&topology, &control);
    let notices = agent.begin_watched(None);
    let waits = agent.wait_for_notice(&notices, |line| line == "READY=1" || line.starts_with("STATUS="));
    assert!(
        waits.starts_with("STATUS=no state in force yet, waiting for one from http://127.0.0.1"),
        "{waits}"
    );
    assert!(!agent.pins().exists(), "nothing is limited by a state that nobody gave");
    control.resume();
    // A first state that cannot be put in force is told, and waits for a better one.
    control.publish("a", 1, bad_state());
    let said = control.wait_for(|ack| ack.revision == 1);
    let problem = said.ack.problem.expect("a problem");
    assert!(said.ack.in_force_revision == 0 && problem.contains("10.99.0.1"), "{problem}");
    control.publish("a", 2, state(20));
    agent.wait_for_notice(&notices, |line| line == "READY=1");
    assert_eq!(limit_of(&agent), Some(20));
    control.wait_for(|ack| ack.in_force_revision == 2 && ack.problem.is_none());
}

#[test]
fn a_node_that_received_nothing_yet_goes_on_without_complaint() {
    let topology = Topology::new(&[1]);
    let mut control = FakeControl::start(&topology.node);
    control.stop();
    let own = "version: 1\nnetworks: [{name: office, prefixes: [10.10.0.0/24], up: 7Mbps}]\n";
    let mut agent = Agent::start(&topology.node, own);
    agent.write_state("nonsense");
    wait_for_status(&agent, &["is refused"]);
    agent.kill();
    // What was refused of the file is nobody's business any more.
    let noise = agent.log().matches("refused,").count();
    agent.follow(&control.url(), TOKEN);
    agent.launch();
    assert_eq!(limit_of(&agent), Some(7), "what was last in force stays");
    let pid = Pid::from_raw(agent.pid().expect("an agent").cast_signed()).expect("a process");
    for _ in 0..5 {
        kill_process(pid, Signal::HUP).expect("a running agent");
        thread::sleep(Duration::from_millis(50));
    }
    wait_for_status(&agent, &["none of it in force", "no contact: http://127.0.0.1"]);
    let (_, status) = agent.ask(&["status"]);
    let log = agent.log();
    assert!(!status.contains("refused,") && log.matches("refused,").count() == noise, "{status}\n{log}");
    assert_eq!(log.matches("nothing received yet").count(), 1, "{log}");
    control.publish("a", 1, state(20));
    control.resume();
    wait_for_limit(&agent, 20);
    control.wait_for(|ack| ack.in_force_revision == 1);
}

#[test]
fn a_refused_state_is_said_and_the_old_one_stays() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let mut agent = settled(&topology, &control);
    control.publish("a", 2, bad_state());
    let said = control.wait_for(|ack| ack.revision == 2);
    assert_eq!(said.ack.in_force_revision, 1);
    let problem = said.ack.problem.expect("a problem");
    assert!(problem.contains("networks[0].instances[0].addresses[0]: \"10.99.0.1\""), "{problem}");
    wait_for_status(&agent, &["is refused", "10.99.0.1", "revision 1 in force, revision 2 received"]);
    assert_eq!(limit_of(&agent), Some(20));
    // Also over a restart: the old one holds, the new one is still told.
    agent.kill();
    control.forget();
    agent.launch();
    assert_eq!(limit_of(&agent), Some(20));
    control.wait_for(|ack| ack.revision == 2 && ack.in_force_revision == 1 && ack.problem.is_some());
    assert_eq!(control.asked()[0].revision, 2, "it is not sent again");
    control.publish("a", 3, state(30));
    wait_for_limit(&agent, 30);
    control.wait_for(|ack| ack.in_force_revision == 3 && ack.problem.is_none());
}

#[test]
fn limits_hold_and_terms_end_while_the_control_plane_is_gone() {
    let topology = Topology::new(&[1]);
    let mut control = FakeControl::start(&topology.node);
    let mut agent = settled(&topology, &control);
    let end = SystemTime::now() + Duration::from_secs(10);
    let at = jiff::Timestamp::try_from(end).expect("an instant");
    let term = format!("  plan: gold\n  until: {{at: {at}, up: 5Mbps}}\n");
    control.publish("a", 2, state_with(25, &term));
    control.wait_for(|ack| ack.in_force_revision == 2);
    control.stop();
    agent.kill();
    agent.launch();
    assert_eq!(limit_of(&agent), Some(25), "{}", agent.log());
    wait_for_status(&agent, &["revision 2 in force", "no contact: http://127.0.0.1", "plan gold "]);
    let (_, status) = agent.ask(&["status"]);
    // Asked after the reading, which so was before the instant.
    assert!(SystemTime::now() >= end || !status.contains("expired"), "{status}");
    wait_for_limit(&agent, 5);
    assert!(SystemTime::now() >= end);
    assert!(agent.ask(&["status"]).1.contains("plan gold expired"));
    control.forget();
    control.publish("a", 3, state(30));
    control.resume();
    wait_for_limit(&agent, 30);
    control.wait_for(|ack| ack.in_force_revision == 3);
    wait_for_status(&agent, &["revision 3 in force, last contact"]);
    assert!(!agent.ask(&["status"]).1.contains("no contact"));
}

#[test]
fn what_is_in_force_is_said_again_when_the_control_plane_is_back() {
    let topology = Topology::new(&[1]);
    let mut control = FakeControl::start(&topology.node);
    let agent = settled(&topology, &control);
    control.stop();
    wait_for_status(&agent, &["no contact"]);
    control.forget();
    control.resume();
    assert_eq!(control.wait_for(|_| true).ack.in_force_revision, 1);
}

#[test]
fn what_the_control_plane_cannot_be_told_is_shown_until_it_can() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let agent = settled(&topology, &control);
    let detail = format!("no room\n\u{1b}[2J{}", "x".repeat(5000));
    control.fail_acks(Some(&detail));
    control.forget();
    control.publish("a", 2, state(30));
    wait_for_limit(&agent, 30);
    wait_for_status(&agent, &["revision 2 in force", "! it does not know what is in force: no room  [2Jx"]);
    let start = Instant::now();
    while control.said().len() < 4 {
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}\n{}", control.said(), agent.log());
        thread::sleep(Duration::from_millis(5));
    }
    let (_, status) = agent.ask(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let problem = status["control"]["ack_problem"].as_str().expect("a problem");
    assert!(problem.ends_with("x (Busy)") && problem.chars().count() == 1007, "{problem}");
    assert_eq!(status["control"]["problem"], serde_json::Value::Null, "there is contact");
    let log = agent.log();
    assert_eq!(log.matches("no room").count(), 1, "said once, not with each try: {log}");
    assert!(!log.contains('\u{1b}'), "{log}");
    assert!(
        control.asked().iter().all(|asked| asked.incarnation.is_some()),
        "no state is fetched again for that"
    );
    control.fail_acks(None);
    let start = Instant::now();
    while agent.ask(&["status"]).1.contains("it does not know") {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", agent.log());
    }
    assert_eq!(limit_of(&agent), Some(30));
}

#[test]
fn another_incarnation_replaces_everything_and_an_old_revision_nothing() {
    let topology = Topology::new(&[1]);
    let mut control = FakeControl::start(&topology.node);
    let agent = settled(&topology, &control);
    control.publish("a", 9, state(30));
    wait_for_limit(&agent, 30);
    control.publish("b", 2, state(40));
    wait_for_limit(&agent, 40);
    control.wait_for(|ack| ack.incarnation == "b" && ack.in_force_revision == 2);
    let maps = agent.maps();
    control.publish("b", 1, state(50));
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        assert_eq!(limit_mbps(&maps), Some(40), "an old revision");
        thread::sleep(Duration::from_millis(5));
    }
    control.publish("b", 3, state(60));
    wait_for_limit(&agent, 60);
    // One that is there after a time without contact, when what was in force before is said again.
    control.stop();
    wait_for_status(&agent, &["no contact"]);
    control.publish("c", 1, state(70));
    control.forget();
    control.resume();
    control.wait_for(|ack| ack.incarnation == "c" && ack.in_force_revision == 1);
    thread::sleep(Duration::from_secs(1));
    assert_eq!(limit_mbps(&maps), Some(70));
    let (_, status) = agent.ask(&["status"]);
    assert!(
        !status.contains("no contact") && !agent.log().contains("is ignored"),
        "{status}\n{}",
        agent.log()
    );
    assert!(!status.contains("does not know what is in force"), "{status}");
}

/// Bytes of an answer with this status and body, which is announced with `length`.
fn http(status: &str, body: &str, length: usize) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[test]
fn nonsense_in_place_of_the_control_plane_changes_nothing() {
    let topology = Topology::new(&[1]);
    let mut control = FakeControl::start(&topology.node);
    let agent = settled(&topology, &control);
    let problem = r#"{"status":401,"code":"Unauthenticated","detail":"no such token"}"#;
    let refused = r#"{"status":403,"code":"Forbidden","detail":"no agent's token"}"#;
    let half = r#"{"incarnation":"a","revision":7,"sta"#;
    let endless =
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".iter().copied().chain(vec![b' '; 1 << 16]).collect();
    let rows: Vec<(Vec<u8>, Then, &str)> = vec![
        (http("200 OK", "<html>", 6), Then::Close, "unexpected answer"),
        (http("200 OK", "[]", 2), Then::Close, "unexpected answer"),
        (http("200 OK", r#"{"incarnation":"a","revision":7,"state":[]}"#, 43), Then::Close, "is no object"),
        (http("200 OK", half, 100), Then::Close, "no contact: http://127.0.0.1"),
        (http("200 OK", half, half.len()), Then::Close, "unexpected answer"),
        (http("200 OK", half, 100), Then::Hold, "no further piece of the answer for 10 s"),
        (endless, Then::Repeat, "more than 262144 KiB"),
        (http("401 Unauthorized", problem, problem.len()), Then::Close, "no such token"),
        (http("403 Forbidden", refused, refused.len()), Then::Close, "no agent's token"),
        (http("404 Not Found", "", 0), Then::Close, "status 404"),
        (http("500 Internal Server Error", "?", 1), Then::Close, "status 500"),
        (http("302 Found\r\nlocation: http://127.0.0.1:1/", "", 0), Then::Close, "status 302"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(), Then::Close, "no contact: http://127.0.0.1"),
        (Vec::new(), Then::Close, "no contact: http://127.0.0.1"),
    ];
    for (revision, (bytes, then, shown)) in (2..).zip(rows) {
        let mbps = 20 + revision;
        control.stop();
        let impostor = Impostor::start(&topology.node, control.address(), bytes, then);
        impostor.wait_for_requests(1);
        wait_for_status(&agent, &[shown]);
        assert_eq!(limit_of(&agent), Some(if revision == 2 { 20 } else { mbps - 1 }), "{shown}");
        drop(impostor);
        control.publish("a", revision, state(mbps));
        control.resume();
        wait_for_limit(&agent, mbps);
    }
    assert!(!agent.log().contains(TOKEN), "the token is in the log");
}

#[test]
fn an_answer_that_comes_too_soon_is_not_asked_for_again_at_once() {
    let topology = Topology::new(&[1]);
    let mut control = FakeControl::start(&topology.node);
    let agent = settled(&topology, &control);
    let origin = serde_json::json!({ "incarnation": "a", "revision": 1 });
    let old = serde_json::json!({ "version": 1, "origin": origin });
    let stale = serde_json::json!({ "incarnation": "a", "revision": 1, "state": old }).to_string();
    let nothing = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec();
    let rows = [nothing, http("200 OK", &stale, stale.len()), http("403 Forbidden", "", 0)];
    for (revision, bytes) in (2..).zip(rows) {
        control.stop();
        let impostor = Impostor::start(&topology.node, control.address(), bytes, Then::Close);
        impostor.wait_for_requests(1);
        thread::sleep(Duration::from_secs(4));
        let requests = impostor.requests();
        assert!(requests <= 16, "{requests} requests in 4 s");
        drop(impostor);
        // A state that arrives ends the pauses, which would otherwise reach into the next row.
        control.publish("a", revision, state(20 + revision));
        control.resume();
        wait_for_limit(&agent, 20 + revision);
    }
}

#[test]
fn a_token_that_is_not_known_is_told_and_a_new_one_needs_no_restart() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let mut agent = settled(&topology, &control);
    agent.follow(&control.url(), "another");
    control.publish("a", 2, state(30));
    wait_for_limit(&agent, 30);
    wait_for_status(&agent, &["no contact: the token is not known"]);
    agent.follow(&control.url(), TOKEN);
    control.publish("a", 3, state(40));
    wait_for_limit(&agent, 40);
}

#[test]
fn a_crash_anywhere_between_fetch_and_acknowledgement_is_made_good() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let mut agent = settled(&topology, &control);
    witness(&control, &agent);
    let mut before = 20;
    for revision in 2..14 {
        let mbps = 20 + revision;
        control.hold_acks(revision % 2 == 0);
        control.publish("a", revision, state(mbps));
        thread::sleep(Duration::from_millis(4 * (revision - 2)));
        agent.kill();
        let left = limit_of(&agent);
        assert!(left == Some(before) || left == Some(mbps), "{left:?}, not {before} or {mbps}");
        control.hold_acks(false);
        control.forget();
        agent.launch();
        let said = control.wait_for(|ack| ack.in_force_revision == revision);
        assert_eq!((said.seen, said.ack.problem), (Some(mbps), None));
        before = mbps;
    }
}

#[test]
fn the_control_plane_owns_the_state_until_a_file_does_again() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let mut agent = settled(&topology, &control);
    let received = agent.records().join("received.json");
    let before = fs::read(&received).expect("a state");
    for words in [
        &["rule", "set", "small", "--up", "1Mbps"][..],
        &["network", "set", "office", "--up", "1Mbps"],
        &["instance", "add", "office/db", "--address", "10.10.0.3"],
        &["instance", "remove", "office/web", "--dry-run"],
    ] {
        let (done, text) = agent.ask(words);
        let owner = format!("the state of this node comes from {}; change it there", control.url());
        assert!(!done && text.contains(&owner), "{words:?}: {text}");
    }
    assert_eq!(fs::read(&received).expect("a state"), before);
    let (done, text) = agent.ask(&["instance", "list"]);
    assert!(done && text.contains("office/web"), "{text}");
    // Bypass is the node's own emergency switch, with and without an agent.
    let is_bypassed = |agent: &Agent<'_>| agent.ask(&["status"]).1.contains("BYPASS");
    assert!(agent.ask(&["bypass", "on"]).0);
    control.publish("a", 2, state(30));
    wait_for_limit(&agent, 30);
    assert!(is_bypassed(&agent), "a round of the agent does not end it");
    agent.kill();
    agent.launch();
    assert!(is_bypassed(&agent));
    assert!(agent.ask(&["bypass", "off"]).0 && !is_bypassed(&agent));

    assert!(agent.ask(&["bypass", "on"]).0 && is_bypassed(&agent));
    agent.kill();
    agent.unfollow();
    agent.write_state("version: 1\nnetworks: [{name: office, prefixes: [10.10.0.0/24], up: 7Mbps}]\n");
    agent.launch();
    assert_eq!(limit_of(&agent), Some(7));
    assert!(!received.exists() && !agent.ask(&["status"]).1.contains("state from"));
    assert!(!is_bypassed(&agent) && agent.log().contains("the bypass of this node ends"), "{}", agent.log());
    let (done, text) = agent.ask(&["network", "set", "office", "--up", "8Mbps"]);
    assert!(done, "{text}");
    wait_for_limit(&agent, 8);
}

/// Name and effective capabilities of each thread of a process.
fn threads(pid: u32) -> Vec<(String, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a running agent");
    let of = |status: &str, field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.expect("a field").trim().to_owned()
    };
    let read = |path: std::path::PathBuf| fs::read_to_string(path.join("status")).expect("a thread");
    let all = tasks.map(|task| read(task.expect("a thread").path()));
    all.map(|status| (of(&status, "Name:"), of(&status, "CapEff:"))).collect()
}

#[test]
fn what_reads_from_the_network_has_no_capability_also_on_the_local_socket() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let mut agent = follower(&topology, &control);
    agent.follow(&control.socket_url(), TOKEN);
    control.publish("a", 1, state(20));
    agent.launch();
    control.publish("a", 2, state(30));
    wait_for_limit(&agent, 30);
    control.wait_for(|ack| ack.in_force_revision == 2);
    wait_for_status(&agent, &[&format!("state from {}, revision 2 in force", control.socket_url())]);
    let threads = threads(agent.pid().expect("an agent"));
    let nothing = "0000000000000000";
    assert!(threads.contains(&("control".to_owned(), nothing.to_owned())), "{threads:?}");
    let with: Vec<_> = threads.iter().filter(|(_, capabilities)| capabilities != nothing).collect();
    assert_eq!(with.len(), 1, "one thread changes the node: {threads:?}");
}
