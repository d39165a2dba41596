//! The metrics that a node serves on loopback.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use limiter_agent::desired::parse;
use limiter_agent::metrics::ALL;
use limiter_tests::agent::Agent;
use limiter_tests::control_fake::{FakeControl, TOKEN};
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{Sink, send};

const STATE: &str = "\
version: 1
interfaces:
  - match: \"inst*\"
networks:
  - name: office
    prefixes: [10.10.0.0/24]
    up: 5Mbps
    instances:
      - {name: web, addresses: [10.10.0.2], down: 3Mbps}
  - name: lab
    prefixes: [10.20.0.0/24]
";

/// The answer to a GET from inside the node.
fn get(topology: &Topology, target: &str) -> String {
    topology.node.enter(|| {
        let mut stream = TcpStream::connect("127.0.0.1:9441").expect("metrics on loopback");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer
    })
}

/// Value of a series.
fn value(page: &str, series: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let line = line.unwrap_or_else(|| panic!("no {series} in {page}"));
    line.parse().unwrap_or_else(|error| panic!("{series} {line}: {error}"))
}

/// A page that is made from a reading later than now.
fn fresh(topology: &Topology, target: &str) -> String {
    std::thread::sleep(Duration::from_millis(1100));
    get(topology, target)
}

#[test]
fn every_metric_is_served_and_says_what_the_kernel_says() {
    let topology = Topology::new(&[1]);
    let agent = Agent::start(&topology.node, STATE);
    let to = SocketAddr::new(host_address(false), 9000);
    let sink = Sink::start(&topology.host, to);
    send(&topology.instance(0, 0).namespace, to, 10_000_000, 1400, Duration::from_secs(1));
    let arrived = sink.finish().bytes();

    let page = fresh(&topology, "/metrics?instances=office");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    for metric in ALL {
        assert!(
            page.contains(&format!("\n# TYPE {} {}\n", metric.name, metric.kind.name())),
            "{}",
            metric.name
        );
    }
    assert_eq!(
        value(&page, "limiter_network_passed_bytes_total{network=\"office\",direction=\"up\"}"),
        arrived
    );
    let refused = value(&page, "limiter_network_refused_bytes_total{network=\"office\",direction=\"up\"}");
    assert!(refused > 300_000, "{refused}");
    assert_eq!(
        value(&page, "limiter_network_limit_bits_per_second{network=\"office\",direction=\"up\"}"),
        5_000_000
    );
    assert!(!page.contains("limiter_network_limit_bits_per_second{network=\"lab\""), "lab has no limit");
    let web = "{network=\"office\",instance=\"web\",direction=\"down\"}";
    assert_eq!(value(&page, &format!("limiter_instance_limit_bits_per_second{web}")), 3_000_000);
    assert_eq!(value(&page, "limiter_interfaces{zone=\"default\",in_force=\"true\"}"), 1);
    assert_eq!(value(&page, "limiter_interfaces{zone=\"default\",in_force=\"false\"}"), 0);
    assert_eq!(value(&page, "limiter_slots_used"), 3);
    assert_eq!(value(&page, "limiter_bypass") + value(&page, "limiter_state_refused"), 0);
    assert!(!get(&topology, "/metrics").contains("limiter_instance"), "instances are shown where asked for");
    assert!(get(&topology, "/metrics?instances=nobody").starts_with("HTTP/1.1 404 "));

    assert!(agent.ask(&["bypass", "on"]).0);
    let page = fresh(&topology, "/metrics");
    assert_eq!(value(&page, "limiter_bypass"), 1);
    assert!(value(&page, "limiter_reconcile_actions_total{cause=\"state\"}") > 0);
    agent.write_state("version: 1\nnetworks: nonsense\n");
    let deadline = Instant::now() + Duration::from_mins(1);
    while value(&get(&topology, "/metrics"), "limiter_state_refused") == 0 {
        assert!(Instant::now() < deadline, "the refusal is not told\n{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_broken_link_to_the_control_plane_is_told() {
    let topology = Topology::new(&[1]);
    let mut control = FakeControl::start(&topology.node);
    let mut agent = Agent::stopped(&topology.node, STATE);
    agent.follow(&control.url(), TOKEN);
    control.publish("a", 1, parse(STATE.as_bytes()).expect("a state").0);
    agent.launch();
    control.wait_for(|ack| ack.in_force_revision == 1);
    let page = fresh(&topology, "/metrics");
    assert_eq!(value(&page, "limiter_control_link_broken"), 0);
    let contact = value(&page, "limiter_control_contact_timestamp_seconds");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs();
    assert!((now - 60..=now).contains(&contact), "{contact} at {now}");
    control.stop();
    let deadline = Instant::now() + Duration::from_mins(1);
    while value(&get(&topology, "/metrics"), "limiter_control_link_broken") == 0 {
        assert!(Instant::now() < deadline, "the broken link is not told\n{}", agent.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_public_address_is_refused() {
    let topology = Topology::new(&[]);
    let agent = Agent::stopped(&topology.node, STATE);
    let (done, text) = agent.ask(&["run", "--metrics", "198.51.100.1:9441"]);
    assert!(!done && text.contains("198.51.100.1 is no loopback address"), "{text}");
}
