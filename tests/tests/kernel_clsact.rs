//! The programs as clsact filters, the way in for kernels without TCX.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use limiter_agent::netlink::{Filter, Netlink};
use limiter_common::meter::Direction;
use limiter_tests::program::Fixture;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const NAME: &str = "limiter-test";
/// A classic BPF program of somebody else, which lets everything go on.
const FOREIGN: &str = "1,6 0 0 4294967295,";

#[test]
fn a_program_is_attached_exchanged_and_detached() {
    let space = Space::new();
    let before = space.tc("qdisc show");
    let (old, new) = (Fixture::small(), Fixture::small());
    space.run(async |netlink| {
        assert!(netlink.ensure_clsact(space.ifindex).await.expect("clsact"));
        for (direction, priority) in [(Direction::Up, 1), (Direction::Down, u16::MAX)] {
            netlink
                .attach_filter(space.ifindex, direction, old.programs.fd(direction), NAME)
                .await
                .expect("attached");
            let first = ours(netlink, &space, direction).await;
            netlink
                .attach_filter(space.ifindex, direction, new.programs.fd(direction), NAME)
                .await
                .expect("exchanged");
            let second = ours(netlink, &space, direction).await;
            assert_eq!(first.priority, priority);
            assert!(
                first.program_id.is_some() && first.program_id != second.program_id,
                "{first:?} {second:?}"
            );
            assert_eq!(
                Filter { program_id: first.program_id, ..second },
                first,
                "only the program is another"
            );
        }
        assert!(!netlink.remove_empty_clsact(space.ifindex).await.expect("in use"));
        for direction in Direction::ALL {
            assert!(netlink.detach_filter(space.ifindex, direction, NAME).await.expect("detached"));
            assert!(!netlink.detach_filter(space.ifindex, direction, NAME).await.expect("already"));
        }
        assert!(netlink.remove_empty_clsact(space.ifindex).await.expect("deleted"));
    });
    assert_eq!(space.tc("qdisc show"), before);
}

#[test]
fn filters_of_others_stay_and_ours_goes_first_at_ingress() {
    let space = Space::new();
    let fixture = Fixture::small();
    space.tc("qdisc add dev one clsact");
    space.foreign("ingress", "1");
    space.foreign("egress", "9");
    let before = space.filters();
    space.run(async |netlink| {
        assert!(!netlink.ensure_clsact(space.ifindex).await.expect("clsact"), "it was there");
        for direction in Direction::ALL {
            let program = fixture.programs.fd(direction);
            netlink.attach_filter(space.ifindex, direction, program, NAME).await.expect("attached");
        }
        let up = bpf(netlink, &space, Direction::Up).await;
        let down = bpf(netlink, &space, Direction::Down).await;
        assert!(
            up.len() == 2 && up[0].is_named(NAME),
            "first at ingress, in the priority of another: {up:?}"
        );
        assert!(down.len() == 2 && down[1].is_named(NAME), "last at egress: {down:?}");
        for direction in Direction::ALL {
            assert!(netlink.detach_filter(space.ifindex, direction, NAME).await.expect("detached"));
        }
        assert!(!netlink.remove_empty_clsact(space.ifindex).await.expect("kept"), "somebody uses it");
    });
    assert_eq!(space.filters(), before);
}

#[test]
fn a_priority_that_another_kind_holds_is_passed_over() {
    let space = Space::new();
    let fixture = Fixture::small();
    space.tc("qdisc add dev one clsact");
    space.tc("filter add dev one ingress prio 1 protocol ip u32 match u8 0 0 flowid 1:1");
    space.run(async |netlink| {
        let program = fixture.programs.fd(Direction::Up);
        netlink.attach_filter(space.ifindex, Direction::Up, program, NAME).await.expect("attached");
        assert_eq!(ours(netlink, &space, Direction::Up).await.priority, 2);
    });
}

async fn ours(netlink: &mut Netlink, space: &Space, direction: Direction) -> Filter {
    let filters = netlink.filters(space.ifindex, direction).await.expect("filters");
    let mut ours: Vec<_> = filters.into_iter().filter(|filter| filter.is_named(NAME)).collect();
    assert_eq!(ours.len(), 1, "one filter of ours: {ours:?}");
    ours.remove(0)
}

/// The bpf filters of a direction, without the entries that stand for a whole priority.
async fn bpf(netlink: &mut Netlink, space: &Space, direction: Direction) -> Vec<Filter> {
    let filters = netlink.filters(space.ifindex, direction).await.expect("filters");
    filters.into_iter().filter(|filter| filter.kind == "bpf" && filter.handle != 0).collect()
}

/// A network namespace with the device `one`.
struct Space {
    name: String,
    ifindex: u32,
}

impl Space {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("clsact-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        command("ip", &["netns", "add", &name]);
        let mut space = Self { name, ifindex: 0 };
        command("ip", &["-n", &space.name, "link", "add", "one", "index", "11", "type", "veth"]);
        space.ifindex = 11;
        space
    }

    fn tc(&self, words: &str) -> String {
        let words: Vec<_> = ["-n", &self.name].into_iter().chain(words.split_whitespace()).collect();
        command("tc", &words)
    }

    /// Adds a filter of somebody else.
    fn foreign(&self, hook: &str, priority: &str) {
        let place = ["-n", &self.name, "filter", "add", "dev", "one", hook, "prio", priority, "handle", "1"];
        let program = ["protocol", "all", "bpf", "bytecode", FOREIGN, "direct-action"];
        command("tc", &[&place[..], &program[..]].concat());
    }

    fn filters(&self) -> String {
        self.tc("filter show dev one ingress") + &self.tc("filter show dev one egress")
    }

    /// Runs `body` on a thread of its own in the namespace.
    fn run<T: Send>(&self, body: impl AsyncFnOnce(&mut Netlink) -> T + Send) -> T {
        let enter = || {
            let file = File::open(format!("/run/netns/{}", self.name)).expect("the namespace");
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("enter it as root");
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async { body(&mut Netlink::open().expect("a socket")).await })
        };
        std::thread::scope(|scope| match scope.spawn(enter).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

fn command(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; install iproute2"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {}: {err}; needs root", words.join(" "));
    out.into_owned()
}
