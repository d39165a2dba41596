//! A status as text and as JSON, from plain data.

use super::model::{
    ControlStatus, DirectionStatus, EgressStatus, EntityStatus, FqStatus, InterfaceStatus, LimitedBy,
    MeteringStatus, ModeStatus, NetworkStatus, ReasonStatus, Status, UnknownOwner, UplinkStatus, ZoneStatus,
};
use super::text::text;
use crate::reconcile::bound::Shaping;

fn direction(limit_bps: u64, rate_bps: u64) -> DirectionStatus {
    DirectionStatus {
        limit_bps: Some(limit_bps),
        asked_bps: Some(limit_bps),
        bound_ns: 30_000_000,
        mode: Some(Shaping::Shape),
        rate_bps,
        passed_bytes: 1_234_567,
        passed_packets: 900,
        refused_bytes: 30_000,
        refused_packets: 20,
        ..DirectionStatus::default()
    }
}

fn entity(name: &str, from: &str, up: DirectionStatus, down: DirectionStatus) -> EntityStatus {
    EntityStatus { name: name.into(), limit_from: from.into(), up: Some(up), down: Some(down) }
}

fn status() -> Status {
    let full = DirectionStatus {
        limited_by: Some(LimitedBy::Own),
        backlog_ns: 28_900_000,
        ..direction(5_000_000, 4_990_000)
    };
    let held = DirectionStatus { limited_by: Some(LimitedBy::Network), ..direction(2_000_000, 1_200_000) };
    let drifted = DirectionStatus { asked_bps: Some(3_000_000), drifted: true, ..direction(1_000_000, 0) };
    let open = DirectionStatus { limit_bps: None, asked_bps: None, observe: true, ..direction(8_000, 123) };
    let offline = DirectionStatus { offline: true, mode: Some(Shaping::Police), ..direction(8_000, 0) };
    let interface = |name: &str, not_in_force: Option<&str>| InterfaceStatus {
        interface: name.into(),
        zone: "default".into(),
        bound_to: None,
        observe: false,
        not_in_force: not_in_force.map(str::to_owned),
        fq: None,
    };
    let mode = |mode, why: &str| ModeStatus { mode, why: why.into() };
    Status {
        agent_running: true,
        bypass: false,
        kernel: "6.12.0".into(),
        hooks: "tcx",
        problems: vec![],
        control: Some(ControlStatus {
            url: "https://control.example".into(),
            incarnation: Some("5f0c".into()),
            revision: Some(17),
            received_revision: Some(18),
            contact_age_ms: Some(2_345),
            problem: None,
            ack_problem: None,
        }),
        metering: Some(MeteringStatus {
            record: Some("8c1f".into()),
            recorded_age_ms: Some(4_200),
            waiting_batches: 2,
            waiting_bytes: 1_340,
            oldest: Some("2026-11-25T12:03:00Z".parse().expect("an instant")),
            problem: None,
            send_problem: None,
        }),
        interval_ms: 500,
        zones: vec![ZoneStatus {
            zone: "default".into(),
            up: mode(Shaping::Shape, "fq on every egress device"),
            down: mode(Shaping::Police, "tap1 has no fq"),
        }],
        interfaces: vec![interface("tap0", None), interface("tap1", Some("no program is attached up"))],
        uplinks: vec![UplinkStatus {
            interface: "eth0".into(),
            fq: Some(FqStatus { queued_packets: 7, dropped_packets: 3 }),
        }],
        networks: vec![NetworkStatus {
            zone: "default".into(),
            entity: entity("office", "own", full, direction(5_000_000, 0)),
            egress: Some(EgressStatus {
                kind: "exclusive",
                address: std::net::Ipv4Addr::new(198, 51, 100, 7),
                not_in_force: None,
            }),
            instances: vec![
                entity("office/web", "rule small", held, drifted),
                entity("office/db", "none", open, offline),
                EntityStatus { name: "office/new".into(), limit_from: "own".into(), up: None, down: None },
            ],
        }],
        unknown_owners: vec![UnknownOwner {
            slot: 9,
            kind: "instance",
            up: DirectionStatus { mode: None, ..direction(8_000, 0) },
            down: DirectionStatus { mode: None, ..direction(8_000, 0) },
        }],
        reasons: vec![ReasonStatus {
            reason: "spoofed",
            direction: "up",
            passes: false,
            packets: 12,
            bytes: 720,
        }],
    }
}

#[test]
fn one_screen() {
    let expected = "\
agent running, Linux 6.12.0, hooks tcx, networks 1, instances 3
state from https://control.example, revision 17 in force, revision 18 received, last contact 2 s ago
metering: recorded 4 s ago, 2 batches wait (1.34kB), the oldest of 2026-11-25T12:03:00Z
zone default: up shape (fq on every egress device), down police (tap1 has no fq)
interfaces in force: 1
! tap1 is NOT in force: no program is attached up
egress addresses in force: office 198.51.100.7 (exclusive)

NAME                       WAY       LIMIT  FROM        MODE         NOW  PASSED  REFUSED  NOTE
office                     up        5Mbps  own         shape   4.99Mbps  1.23MB   30.0kB  at its limit, queue 28 ms
                           down      5Mbps              shape       0bps  1.23MB   30.0kB
office/web                 up        2Mbps  rule small  shape   1.20Mbps  1.23MB   30.0kB  network at its limit
                           down      1Mbps              shape       0bps  1.23MB   30.0kB  DRIFT, asked 3Mbps
office/db                  up    unlimited  none                  123bps  1.23MB   30.0kB  observed only
                           down    offline              police      0bps  1.23MB   30.0kB
office/new                 up               own                                            NOT METERED
                           down
unknown instance (slot 9)  up        8kbps                          0bps  1.23MB   30.0kB
                           down      8kbps                          0bps  1.23MB   30.0kB

WHAT HAPPENED     WAY  PACKETS  BYTES
DROPPED: spoofed  up        12   720B
*** fq on eth0 dropped 3 packets after they were counted ***
";
    let screen = text(&status(), None, usize::MAX);
    assert_eq!(screen, expected, "{screen}");
}

#[test]
fn what_does_not_fit_is_counted() {
    let screen = text(&status(), Some(80), 5);
    assert!(screen.contains("\n... and 3 more: name a network to see it, or give --all\n"), "{screen}");
    assert!(screen.contains("office/web") && !screen.contains("office/db"), "{screen}");
}

#[test]
fn bypass_and_a_dead_agent_are_loud() {
    let mut status = status();
    status.bypass = true;
    status.agent_running = false;
    status.problems = vec!["the state file is refused".into()];
    status.interfaces[0].observe = true;
    let screen = text(&status, None, 0);
    for line in [
        "*** BYPASS: everything passes unmetered; `limiter-agent bypass off` ends it ***",
        "agent NOT RUNNING, Linux 6.12.0, hooks tcx, networks 1, instances 3",
        "! the state file is refused",
        "! observed only, nothing is refused: tap0",
    ] {
        assert!(screen.lines().any(|shown| shown == line), "{line} is not in: {screen}");
    }
}

#[test]
fn names_choose_networks_and_instances() {
    let names = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut one = status();
    super::only(&mut one, &names(&["office/db"])).expect("there is one");
    assert_eq!(one.networks[0].instances.len(), 1);
    let mut all = status();
    super::only(&mut all, &names(&["office"])).expect("there is one");
    assert_eq!(all, status());
    let error = super::only(&mut status(), &names(&["office", "shop"])).expect_err("no shop").to_string();
    assert_eq!(error, "nothing in force is called \"shop\"; write NETWORK or NETWORK/INSTANCE");
}

#[test]
fn the_form_of_the_json_is_stable() {
    let mut status = status();
    status.interfaces.truncate(1);
    status.networks[0].instances.drain(..2);
    status.unknown_owners.clear();
    let json = serde_json::to_string_pretty(&status).expect("JSON") + "\n";
    let documented = include_str!("../../../../docs/status.md");
    assert!(documented.contains(&json), "docs/status.md has another form than:\n{json}");
}

#[test]
fn a_control_plane_that_is_gone_is_shown() {
    let mut status = status();
    let control = status.control.as_mut().expect("a control plane");
    (control.revision, control.contact_age_ms) = (None, None);
    control.problem = Some("https://control.example does not answer".into());
    control.ack_problem = Some("no room (Unavailable)".into());
    let screen = text(&status, None, 0);
    for line in [
        "state from https://control.example, none of it in force, revision 18 received, no contact yet",
        "! no contact: https://control.example does not answer",
        "! it does not know what is in force: no room (Unavailable)",
    ] {
        assert!(screen.lines().any(|shown| shown == line), "{line} is not in: {screen}");
    }
    status.control = None;
    assert!(!text(&status, None, 0).contains("state from"));
}

#[test]
fn metering_that_does_not_work_is_shown() {
    let mut status = status();
    let line = "metering: recorded 4 s ago, 2 batches wait (1.34kB), the oldest of 2026-11-25T12:03:00Z";
    assert!(text(&status, None, 0).lines().any(|shown| shown == line), "{}", text(&status, None, 0));
    let metering = status.metering.as_mut().expect("metering");
    (metering.waiting_batches, metering.recorded_age_ms) = (0, None);
    metering.problem = Some("no space left".into());
    metering.send_problem = Some("https://control.example does not answer".into());
    let screen = text(&status, None, 0);
    for line in [
        "metering: nothing recorded yet",
        "! what is measured is not recorded: no space left",
        "! what was measured is not sent: https://control.example does not answer",
    ] {
        assert!(screen.lines().any(|shown| shown == line), "{line} is not in: {screen}");
    }
}
