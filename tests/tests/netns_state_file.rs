//! A state file in every condition that editors, scripts and orchestrators leave it in.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use limiter_agent::dataplane::Maps;
use limiter_agent::reading::Owners;
use limiter_common::cost;
use limiter_common::meter::Direction;
use limiter_tests::agent::Agent;
use limiter_tests::topology::Topology;
use rustix::process::{Pid, Signal, kill_process};

/// A change is noticed, not found by the agent's timer of 30 s.
const NOTICED: Duration = Duration::from_secs(10);
/// Time in which the agent would have read the file.
const READ: Duration = Duration::from_millis(100);

fn state(mbps: u64) -> String {
    format!(
        "version: 1\ninterfaces:\n  - match: \"inst*\"\nnetworks:\n  - name: office\n    prefixes: [10.10.0.0/24]\n    \
         instances:\n      - name: web\n        addresses: [10.10.0.2]\n        up: {mbps}Mbps\n        down: 9Mbps\n"
    )
}

/// True where the instance is there and has this limit.
fn is_limited(maps: &Maps, mbps: u64) -> bool {
    let slot = Owners::read(maps.meters()).instance("office/web");
    let is_led_to = maps.instances().is_ok_and(|instances| instances.len() == 1);
    let expected = cost::per_byte(mbps * 1_000_000);
    is_led_to && slot.is_some_and(|slot| maps.meters().limit(slot, Direction::Up).cost_per_byte == expected)
}

/// Asserts that at every moment of `work` one of these limits is in force.
fn always<T>(agent: &Agent<'_>, mbps: &[u64], work: impl FnOnce() -> T) -> T {
    let maps = agent.maps();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                assert!(
                    mbps.iter().any(|mbps| is_limited(&maps, *mbps)),
                    "none of {mbps:?} Mbps is in force"
                );
                thread::sleep(Duration::from_micros(200));
            }
        });
        // A failed assertion must end the watch, too.
        let result = catch_unwind(AssertUnwindSafe(work));
        is_done.store(true, Ordering::Relaxed);
        watch.join().expect("a limit at every moment");
        result.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Makes `change` and waits until its limit is in force instead of the old one.
fn follows(agent: &Agent<'_>, from_mbps: u64, to_mbps: u64, change: impl FnOnce()) {
    always(agent, &[from_mbps, to_mbps], || {
        let start = Instant::now();
        change();
        agent.wait_until(|maps| is_limited(maps, to_mbps));
        assert!(start.elapsed() < NOTICED, "{:?}", start.elapsed());
    });
}

fn is_refused(agent: &Agent<'_>, reason: &str) -> bool {
    let (_, status) = agent.ask(&["status"]);
    status.contains("refused") && status.contains(reason)
}

#[test]
fn a_file_written_in_pieces_is_in_force_when_it_is_whole() {
    let topology = Topology::new(&[]);
    let agent = Agent::start(&topology.node, &state(5));
    let pid = Pid::from_raw(agent.pid().expect("an agent").cast_signed()).expect("a process");
    let mut file = always(&agent, &[5], || {
        let mut file = File::create(agent.state_path()).expect("the file");
        // Cut at the end of a line, many a piece is a state: one without this instance.
        for piece in state(20).split_inclusive('\n') {
            thread::sleep(READ);
            kill_process(pid, Signal::HUP).expect("a running agent");
            thread::sleep(READ);
            file.write_all(piece.as_bytes()).expect("a piece");
        }
        thread::sleep(READ);
        assert!(is_refused(&agent, "being written"));
        file
    });
    follows(&agent, 5, 20, move || {
        file.flush().expect("flush");
        drop(file);
    });
    agent.wait_until(|_| !is_refused(&agent, ""));
}

#[test]
fn a_file_that_is_gone_or_empty_changes_nothing() {
    let topology = Topology::new(&[]);
    let mut agent = Agent::start(&topology.node, &state(5));
    always(&agent, &[5], || {
        fs::remove_file(agent.state_path()).expect("removed");
        agent.wait_until(|_| is_refused(&agent, "cannot be read"));
    });
    agent.kill();
    agent.launch();
    assert!(is_limited(&agent.maps(), 5) && is_refused(&agent, "cannot be read"));
    follows(&agent, 5, 20, || fs::write(agent.state_path(), state(20)).expect("made again"));
    always(&agent, &[20], || {
        File::create(agent.state_path()).expect("cut to nothing");
        agent.wait_until(|_| is_refused(&agent, "state.yaml"));
    });
    follows(&agent, 20, 5, || agent.write_state(&state(5)));
}

#[test]
fn a_file_behind_links_is_followed_when_they_are_swapped() {
    let topology = Topology::new(&[]);
    let agent = Agent::start(&topology.node, &state(5));
    let path = agent.state_path();
    let folder = path.parent().expect("its folder");
    // As Kubernetes mounts a ConfigMap: the file is a link through `..data`, which is swapped.
    follows(&agent, 5, 20, || {
        publish(folder, "..1", 20);
        link("..data/state.yaml", &path);
    });
    follows(&agent, 20, 30, || {
        publish(folder, "..2", 30);
        fs::remove_dir_all(folder.join("..1")).expect("the old one");
    });
    // The command line goes through the links, too.
    follows(&agent, 30, 40, || assert!(agent.ask(&["instance", "set", "office/web", "--up", "40Mbps"]).0));
    assert!(path.is_symlink());
    publish(folder, "..3", 50);
    follows(&agent, 40, 60, || {
        fs::remove_file(&path).expect("removed");
        fs::write(folder.join("elsewhere.yaml"), state(60)).expect("another file");
        symlink("elsewhere.yaml", &path).expect("a link in its place");
    });
}

/// Makes the folder `version` with a state in it, and lets `..data` lead there.
fn publish(folder: &Path, version: &str, mbps: u64) {
    fs::create_dir(folder.join(version)).expect("a folder");
    fs::write(folder.join(version).join("state.yaml"), state(mbps)).expect("a state");
    link(version, &folder.join("..data"));
}

/// Lets `path` lead to `target`, in one step.
fn link(target: &str, path: &Path) {
    let next = path.with_file_name("next");
    symlink(target, &next).expect("a link");
    fs::rename(next, path).expect("a link in its place");
}
