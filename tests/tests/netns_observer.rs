//! What the meters count is what an independent observer sees on the wire, to the byte.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use limiter_agent::dataplane::MeterArray;
use limiter_agent::reading::Owners;
use limiter_common::cost;
use limiter_common::meter::{Direction, Meter};
use limiter_tests::agent::Agent;
use limiter_tests::observer::{Count, Observer, counters};
use limiter_tests::tcp::carry;
use limiter_tests::topology::{HOST_V4, HOST_V6, Topology, UPLINK, host_address};
use limiter_tests::udp::{Sent, header_bytes, meet, send, send_buffers};

/// What the hook gets to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    /// Every packet by itself.
    Packets,
    /// GSO buffers as the sender made them.
    Buffers,
    /// GSO buffers which the node joined from single packets.
    Joined,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    /// UDP in buffers of 40 segments, the last one short.
    Segments,
    /// UDP datagrams of one byte.
    Small,
    /// UDP datagrams of three fragments.
    Fragments,
    Tcp,
}

/// One run of traffic.
#[derive(Clone, Copy, Debug)]
struct Case {
    traffic: Traffic,
    direction: Direction,
    v6: bool,
    is_limited: bool,
}

/// Counts since the start, at a moment when nothing was under way, up and down.
#[derive(Clone, Copy, Debug)]
struct Counts {
    passed: [Count; 2],
    refused: [Count; 2],
    /// By the observer: at the host what goes up, at the instance what comes down.
    arrived: [Count; 2],
    /// Buffers or packets that the node forwarded: up behind the hook, down before it.
    forwarded: [Count; 2],
}

/// A node with one instance, its agent, and observers of what goes up and what comes down.
struct Scene<'a> {
    topology: &'a Topology,
    agent: Agent<'a>,
    observers: [Observer<'a>; 2],
}

const PORT: u16 = 9000;
const LIMIT_BPS: u64 = 40_000_000;
const SEGMENT_BYTES: u16 = 1200;
const BUFFER_BYTES: usize = 39 * SEGMENT_BYTES as usize + 711;
/// Payload of a datagram of three fragments.
const FRAGMENTED_BYTES: u64 = 4000;

#[test]
fn packets_are_counted_as_they_arrive() {
    run(Hook::Packets);
}

#[test]
fn buffers_of_the_sender_are_counted_as_they_arrive() {
    run(Hook::Buffers);
}

#[test]
fn packets_that_the_node_joins_are_counted_as_they_arrive() {
    run(Hook::Joined);
}

fn run(hook: Hook) {
    let topology = Topology::new(&[1]);
    let scene = Scene::new(&topology, hook);
    let mut counts = scene.counts();
    // TCP last: an end that is sent again late is in no count of what was offered.
    let traffics: &[Traffic] = match hook {
        Hook::Packets => &[Traffic::Segments, Traffic::Small, Traffic::Fragments, Traffic::Tcp],
        Hook::Buffers | Hook::Joined => &[Traffic::Segments, Traffic::Tcp],
    };
    for is_limited in [false, true] {
        scene.limit(is_limited);
        for &traffic in traffics {
            for v6 in [false, true] {
                for direction in Direction::ALL {
                    counts = scene.check(hook, Case { traffic, direction, v6, is_limited }, &counts);
                }
            }
        }
    }
}

impl<'a> Scene<'a> {
    fn new(topology: &'a Topology, hook: Hook) -> Self {
        let instance = topology.instance(0, 0);
        offload(topology, hook);
        for v6 in [false, true] {
            meet(&instance.namespace, &topology.host, SocketAddr::new(host_address(v6), PORT));
        }
        topology.node.run("nft add table inet forwarded");
        topology.node.run("nft add chain inet forwarded way { type filter hook forward priority 0 ; }");
        for (counter, side) in [("up", "iifname"), ("down", "oifname")] {
            let rule = format!("way {side} {} counter name {counter}", instance.device);
            topology.node.run(&format!("nft add counter inet forwarded {counter}"));
            topology.node.run(&format!("nft add rule inet forwarded {rule}"));
        }
        let [v4, v6] = [false, true].map(|v6| instance.address(v6).to_string());
        let up = Observer::start(&topology.host, "eth0", &v4, &v6);
        let down = Observer::start(&instance.namespace, "eth0", &HOST_V4.to_string(), &HOST_V6.to_string());
        Self { topology, agent: Agent::start(&topology.node, &state("")), observers: [up, down] }
    }

    fn limit(&self, is_limited: bool) {
        let (limits, expected) = if is_limited {
            (format!("        up: {LIMIT_BPS}bps\n        down: {LIMIT_BPS}bps\n"), cost::per_byte(LIMIT_BPS))
        } else {
            (String::new(), 0)
        };
        self.agent.change(&state(&limits), |maps| {
            let instance = Owners::read(maps.meters()).instance("office/web").expect("its slot");
            maps.meters().read(instance, Direction::Down).cost_per_byte == expected
        });
    }

    /// Sends and compares what all counted since `before`; returns the counts after it.
    fn check(&self, hook: Hook, case: Case, before: &Counts) -> Counts {
        let sent = self.send(case);
        let after = self.counts();
        let what = format!("{hook:?} {case:?} {before:?} {after:?}");
        for way in Direction::ALL.map(|direction| direction as usize) {
            let passed = after.passed[way] - before.passed[way];
            assert_eq!(passed, after.arrived[way] - before.arrived[way], "{what}");
        }
        let way = case.direction as usize;
        let passed = after.passed[way] - before.passed[way];
        let refused = after.refused[way] - before.refused[way];
        let offered =
            Count { packets: passed.packets + refused.packets, bytes: passed.bytes + refused.bytes };
        if let Some(sent) = sent {
            assert_eq!(offered, Count { packets: sent.packets, bytes: sent.bytes }, "{what}");
        }
        assert!(passed.packets > 0, "{what}");
        if case.traffic != Traffic::Small {
            assert_eq!(refused.packets > 0, case.is_limited, "{what}");
        }
        let forwarded = (after.forwarded[way] - before.forwarded[way]).packets;
        let on_the_wire = if case.direction == Direction::Up { passed } else { offered }.packets;
        match (hook, case.traffic) {
            (Hook::Packets, _) => assert_eq!(on_the_wire, forwarded, "{what}"),
            (Hook::Buffers, Traffic::Segments) => assert_eq!(on_the_wire, 40 * forwarded, "{what}"),
            _ => assert!(on_the_wire > forwarded, "no GSO buffer was at the hook: {what}"),
        }
        after
    }

    /// What was offered at the hook, where the sender knows.
    fn send(&self, case: Case) -> Option<Sent> {
        let instance = self.topology.instance(0, 0);
        let (from, at, to) = match case.direction {
            Direction::Up => (&instance.namespace, &self.topology.host, host_address(case.v6)),
            Direction::Down => (&self.topology.host, &instance.namespace, instance.address(case.v6)),
        };
        let address = SocketAddr::new(to, PORT);
        if case.traffic == Traffic::Tcp {
            carry(from, at, address, if case.is_limited { 1_500_000 } else { 6_000_000 });
            return None;
        }
        // Somebody has to be there, or the answer is an error. What is not read is lost behind the observer.
        let _nobody_reads = at.enter(|| UdpSocket::bind(address)).expect("socket");
        Some(match case.traffic {
            Traffic::Segments => send_buffers(from, address, 100, BUFFER_BYTES, SEGMENT_BYTES),
            Traffic::Small => send_buffers(from, address, 1000, 1, SEGMENT_BYTES),
            Traffic::Fragments | Traffic::Tcp => {
                let packet_bytes = FRAGMENTED_BYTES + header_bytes(to);
                let sent = send(from, address, 200_000_000, packet_bytes, Duration::from_millis(150));
                // Each fragment has an IP header, in IPv6 with that of the fragment.
                let ip_bytes = 8 + FRAGMENTED_BYTES + 3 * if case.v6 { 40 + 8 } else { 20 };
                Sent { packets: 3 * sent.packets, bytes: ip_bytes * sent.packets, ..sent }
            }
        })
    }

    fn counts(&self) -> Counts {
        let maps = self.agent.maps();
        let owners = Owners::read(maps.meters());
        let slots =
            [owners.instance("office/web"), owners.network("office")].map(|slot| slot.expect("its slot"));
        let mut meters = read(maps.meters(), slots);
        loop {
            // What had passed then has arrived now, and when nothing passed since, that was all.
            thread::sleep(Duration::from_millis(30));
            let arrived = self.observers.each_ref().map(Observer::watched);
            let forwarded = counters(&self.topology.node, "inet forwarded");
            let seen = std::mem::replace(&mut meters, read(maps.meters(), slots));
            if seen == meters {
                let [instance, network] = meters.map(|ways| ways.map(passed));
                assert_eq!(instance, network, "the levels differ");
                let refused = meters[0]
                    .map(|meter| Count { packets: meter.refused_packets, bytes: meter.refused_bytes });
                return Counts {
                    passed: instance,
                    refused,
                    arrived,
                    forwarded: [forwarded["up"], forwarded["down"]],
                };
            }
        }
    }
}

/// The meters of some slots, up and down.
fn read(meters: &MeterArray, slots: [u32; 2]) -> [[Meter; 2]; 2] {
    slots.map(|slot| Direction::ALL.map(|direction| meters.read(slot, direction)))
}

fn passed(meter: Meter) -> Count {
    Count { packets: meter.passed_packets, bytes: meter.passed_bytes }
}

/// Lets the hook see what `hook` says, and the observers every packet by itself.
fn offload(topology: &Topology, hook: Hook) {
    let instance = topology.instance(0, 0);
    let is = |on: bool| if on { "on" } else { "off" };
    let (tso, gso, gro) = (is(hook == Hook::Buffers), is(hook != Hook::Packets), is(hook == Hook::Joined));
    for end in [&topology.host, &instance.namespace] {
        end.run(&format!("ethtool -K eth0 tso {tso} tx-udp-segmentation {tso} gso {gso} gro off"));
    }
    for device in [UPLINK, &instance.device] {
        let joining = format!("gro {gro} rx-udp-gro-forwarding {gro}");
        topology.node.run(&format!("ethtool -K {device} tso off tx-udp-segmentation off gso off {joining}"));
    }
}

/// One instance with these limits in a network without any.
fn state(limits: &str) -> String {
    format!(
        "version: 1\ninterfaces:\n  - match: \"inst*\"\nnetworks:\n  - name: office\n    prefixes: [10.10.0.0/24, \
         \"fd00:10::/64\"]\n    instances:\n      - name: web\n        addresses: [10.10.0.2, \"fd00:10::2\"]\n{limits}"
    )
}
