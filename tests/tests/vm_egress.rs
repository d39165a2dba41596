//! Egress addresses where packets are shaped, and on other kernels.

use std::fs;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use limiter_tests::agent::Agent;
use limiter_tests::netns::Namespace;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::trace::Trace;
use limiter_tests::udp::{meet, send};
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;

const PORT: u16 = 9000;
const GOLD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const SHARED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);

fn state(egress: &str) -> String {
    format!(
        "version: 1\ninterfaces: [{{match: \"inst*\"}}]\nnetworks:\n\
         - {{name: n, prefixes: [10.10.0.0/24], up: 1Mbps, egress: {egress}, instances: [{{name: a, addresses: [10.10.0.2]}}]}}\n"
    )
}

/// Who sent each packet that arrives, and when the kernel received it, until `stop`.
fn arrivals(at: &Namespace, stop: &AtomicBool) -> Vec<(IpAddr, TimeSpec)> {
    at.enter(|| {
        let socket = UdpSocket::bind((host_address(false), PORT)).expect("the port is free");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("timeout");
        setsockopt(&socket, ReceiveTimestampns, &true).expect("timestamps");
        let mut seen = Vec::new();
        let mut control = nix::cmsg_space!(TimeSpec);
        while !stop.load(Ordering::Relaxed) {
            let mut buffer = [0; 2048];
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let received =
                recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty());
            let Ok(message) = received else { continue };
            let from = message.address.expect("an address").ip();
            let stamp = message.cmsgs().expect("control messages").find_map(|message| match message {
                ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                _ => None,
            });
            seen.push((IpAddr::V4(from), stamp.expect("a timestamp")));
        }
        seen
    })
}

/// A kernel without a module, until this is dropped.
struct Without {
    module: &'static str,
    loader: String,
}

const LOADER: &str = "/proc/sys/kernel/modprobe";

impl Without {
    fn module(module: &'static str) -> Self {
        let loader = fs::read_to_string(LOADER).expect("the program that loads modules");
        fs::write(LOADER, "/bin/false").expect("root");
        let removed = Command::new("rmmod").arg(module).status().expect("rmmod: install kmod");
        assert!(removed.success(), "the module {module} cannot be removed");
        Self { module, loader }
    }
}

impl Drop for Without {
    fn drop(&mut self) {
        let _ = fs::write(LOADER, self.loader.trim());
        let loaded = Command::new("modprobe").arg(self.module).status();
        assert!(loaded.is_ok_and(|status| status.success()), "{} cannot be loaded again", self.module);
    }
}

#[test]
fn a_kernel_that_does_not_tell_its_connections_is_refused_with_the_remedy() {
    let topology = Topology::new(&[1]);
    let before = Trace::settled(&topology.node);
    let mut agent = Agent::stopped(&topology.node, &state(&format!("{{exclusive: {GOLD}}}")));
    let without = Without::module("nf_conntrack_netlink");
    let (done, text) = agent.ask(&["run"]);
    assert!(!done, "{text}");
    for part in ["connection tracking", "modprobe -a nf_conntrack nf_conntrack_netlink"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let left = before.lasting_changes(&topology.node);
    assert!(left.is_empty(), "nothing is half-applied: {left:#?}");
    agent.write_state(&state("none"));
    agent.launch();
    drop(without);
    agent.write_state(&state(&format!("{{exclusive: {GOLD}}}")));
    agent.wait_until(|_| topology.node.ip("-o addr").contains(&GOLD.to_string()));
}

#[test]
fn packets_that_wait_with_the_old_address_have_left_before_the_acknowledgement() {
    let topology = Topology::new(&[1]);
    let (instance, to) = (&topology.instance(0, 0).namespace, SocketAddr::new(host_address(false), PORT));
    let [gold, shared] =
        [format!("{{exclusive: {GOLD}}}"), format!("{{shared: {SHARED}}}")].map(|egress| state(&egress));
    let mut agent = Agent::stopped(&topology.node, &gold);
    let notices = agent.launch_watched(None);
    let (_, status) = agent.ask(&["status"]);
    assert!(status.contains("up shape"), "shaping is what this test is about: {status}");
    meet(instance, &topology.host, to);
    let stop = AtomicBool::new(false);
    let (seen, acknowledged) = thread::scope(|scope| {
        let seen = scope.spawn(|| arrivals(&topology.host, &stop));
        let sender = scope.spawn(|| send(instance, to, 4_000_000, 1400, Duration::from_secs(4)));
        thread::sleep(Duration::from_secs(2));
        let mut buffer = [0; 4096];
        notices.set_nonblocking(true).expect("a socket");
        while notices.recv(&mut buffer).is_ok() {}
        notices.set_nonblocking(false).expect("a socket");
        agent.write_state(&shared);
        agent.wait_for_notice(&notices, |line| line == "READY=1");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let acknowledged = TimeSpec::from_duration(now);
        sender.join().expect("the sender");
        stop.store(true, Ordering::Relaxed);
        (seen.join().expect("the sink"), acknowledged)
    });
    let of = |address: Ipv4Addr| seen.iter().filter(move |(from, _)| *from == IpAddr::V4(address));
    assert!(of(GOLD).count() > 50 && of(SHARED).count() > 50, "both addresses were used");
    assert_eq!(of(GOLD).count() + of(SHARED).count(), seen.len(), "and no other");
    let late: Vec<_> = of(GOLD).filter(|(_, at)| *at > acknowledged).collect();
    assert!(late.is_empty(), "acknowledged at {acknowledged:?}, and then came {late:?}\n{}", agent.log());
}
