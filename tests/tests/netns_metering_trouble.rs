//! Metering where the disk or the control plane takes nothing: limits go on, and nothing is lost.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use limiter_agent::desired::{NodeState, parse};
use limiter_agent::metering::recorder::{Moment, Origin, Recorder};
use limiter_agent::metering::store::Store;
use limiter_agent::metering::subject::{Subject, Subjects};
use limiter_agent::metering::tracked::{Counts, Seen};
use limiter_tests::agent::Agent;
use limiter_tests::control_fake::{FakeControl, TOKEN};
use limiter_tests::observer::Observer;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{meet, send};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

const PORT: u16 = 9000;
const RATE_BPS: u64 = 1_000_000;
/// Something is to happen within this time, the end of a minute among it.
const PATIENCE: Duration = Duration::from_secs(90);
/// Identity of a record that the test made.
const RECORD: &str = "0123456789abcdef0123456789abcdef";
/// An hour of the past.
const THEN_MS: i64 = 1_789_999_200_000;

fn state(instances: &str) -> NodeState {
    let text = format!(
        "version: 1\ninterfaces: [{{match: \"inst*\"}}]\nnetworks:\n- {{name: office, prefixes: [10.10.0.0/24], \
         up: 50Mbps, instances: [{instances}]}}\n"
    );
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}")).0
}

const WEB: &str = "{name: web, addresses: [10.10.0.2]}";

fn follower<'a>(topology: &'a Topology, control: &FakeControl<'_>) -> Agent<'a> {
    let mut agent = Agent::stopped(&topology.node, "this file is nobody's business\n");
    agent.follow(&control.url(), TOKEN);
    control.publish("a", 1, state(WEB));
    agent
}

fn wait_for_status(agent: &Agent<'_>, is_it: impl Fn(&str) -> bool) -> String {
    let start = Instant::now();
    loop {
        let (_, status) = agent.ask(&["status"]);
        if is_it(&status) {
            return status;
        }
        assert!(start.elapsed() < PATIENCE, "{status}\n{}", agent.log());
        thread::sleep(Duration::from_millis(100));
    }
}

fn wait_for_bytes(control: &FakeControl<'_>, agent: &Agent<'_>, bytes: u64) {
    let start = Instant::now();
    loop {
        let sum = bytes_up(control);
        if sum == bytes {
            return;
        }
        assert!(start.elapsed() < PATIENCE && sum < bytes, "{sum} of {bytes} bytes\n{}", agent.log());
        thread::sleep(Duration::from_millis(50));
    }
}

fn bytes_up(control: &FakeControl<'_>) -> u64 {
    let batches = control.usage().batches();
    batches.iter().flat_map(|batch| &batch.networks).map(|row| row.up.bytes).sum()
}

/// A small disk of its own for an agent's records.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(at: &'a Path) -> Self {
        fs::create_dir_all(at).expect("a folder");
        mount("disk", at, "tmpfs", MountFlags::empty(), Some(c"size=8m")).expect("a tmpfs");
        Self(at)
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let file = self.0.join("filling");
        let mut room = 8 << 20;
        while room > 0 {
            let more = fs::OpenOptions::new().create(true).append(true).open(&file);
            let written = more.and_then(|mut file| std::io::Write::write_all(&mut file, &vec![7; room]));
            if written.is_err() {
                room /= 2;
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filling")).expect("the filling");
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = unmount(self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_or_read_only_disk_holds_up_no_limit_and_loses_no_byte() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let instance = topology.instance(0, 0);
    let to = SocketAddr::new(host_address(false), PORT);
    meet(&instance.namespace, &topology.host, to);
    let mut agent = follower(&topology, &control);
    let records = agent.records();
    let disk = Disk::mount(&records);
    agent.launch();
    let observer =
        Observer::start(&topology.host, "eth0", &instance.v4.to_string(), &instance.v6.to_string());
    let offer = || {
        send(&instance.namespace, to, RATE_BPS, 1000, Duration::from_secs(1));
    };
    let is_troubled = |status: &str| status.contains("! what is measured is not recorded: ");
    offer();
    disk.fill();
    offer();
    wait_for_status(&agent, is_troubled);
    offer();
    disk.free();
    wait_for_status(&agent, |status| !is_troubled(status));

    // The record alone is read-only: everything else goes on.
    agent.kill();
    let record = records.join("usage.redb");
    mount_bind(&record, &record).expect("a mount of its own");
    mount_remount(&record, MountFlags::RDONLY | MountFlags::BIND, "").expect("read-only");
    agent.launch();
    wait_for_status(&agent, is_troubled);
    for (revision, other) in [(2, ", {name: new, addresses: [10.10.0.9], up: 7Mbps}"), (3, "")] {
        control.publish("a", revision, state(&format!("{WEB}{other}")));
        control.wait_for(|ack| ack.in_force_revision == revision);
        let (_, status) = agent.ask(&["status"]);
        assert!(status.contains("7Mbps"), "{status}");
        let kept_apart = status.contains("unknown instance (slot ");
        assert_eq!(kept_apart, other.is_empty(), "a slot is freed when its last reading is kept: {status}");
        offer();
        agent.kill();
        offer();
        agent.launch();
    }
    unmount(&record, UnmountFlags::empty()).expect("as it was");
    wait_for_status(&agent, |status| !is_troubled(status));
    thread::sleep(Duration::from_millis(300));
    let watched = observer.watched();
    assert!(watched.packets > 500, "{watched:?}");
    wait_for_bytes(&control, &agent, watched.bytes);
    assert!(agent.log().contains("metering is recorded again"), "{}", agent.log());
    agent.kill();
}

/// Makes a record with so many batches that wait; each has `bytes` up.
fn prepare(agent: &Agent<'_>, batches: i64, bytes: u64) {
    fs::create_dir_all(agent.records()).expect("a folder");
    let _ = fs::remove_file(agent.records().join("usage.redb"));
    let (mut store, _) = Store::open(&agent.records().join("usage.redb"), RECORD).expect("a record");
    let subject = Subject::Network { id: "old".into(), plan: None };
    let key = subject.key();
    let subjects: Subjects = [subject].into_iter().collect();
    let now =
        |minute: i64| Moment { wall_ms: THEN_MS + minute * 60_000, boot_ms: minute.unsigned_abs() * 60_000 };
    let mut recorder = Recorder::new(Origin { epoch: 1, boot_id: "before".to_owned() }, now(0));
    for minute in 0..=batches {
        let passed_bytes = bytes * minute.unsigned_abs();
        let counts = [Counts { passed_bytes, ..Counts::default() }, Counts::default()];
        recorder.read(now(minute), [Seen { slot: 1, generation: 1, key, counts }].into_iter(), &subjects);
    }
    store.keep(&mut recorder).expect("kept");
    assert_eq!(store.waiting().batches, batches.unsigned_abs());
}

#[test]
fn what_waits_is_sent_in_order_whatever_the_control_plane_says_meanwhile() {
    let topology = Topology::new(&[1]);
    let mut control = FakeControl::start(&topology.node);
    let mut agent = follower(&topology, &control);
    prepare(&agent, 20, 1000);
    control.usage().read_plain_alone();
    control.usage().refuse(Some((422, "Unprocessable")));
    agent.launch();
    let status = wait_for_status(&agent, |status| status.contains("! what was measured is not sent: "));
    assert!(status.contains("(Unprocessable)"), "{status}");
    assert!(
        status.contains("batches wait") && status.contains("the oldest of 2026-09-21T14:00:00Z"),
        "{status}"
    );
    control.usage().refuse(Some((500, "Internal")));
    thread::sleep(Duration::from_millis(500));
    control.stop();
    thread::sleep(Duration::from_millis(500));
    control.resume();
    control.usage().refuse(None);
    wait_for_bytes(&control, &agent, 20_000);
    let status = wait_for_status(&agent, |status| status.contains("all sent"));
    assert!(!status.contains("not sent"), "{status}");
    let batches = control.usage().batches();
    assert!(batches.iter().all(|batch| batch.record == RECORD && batch.oldest == batch.sequence));
    assert!(batches.is_sorted_by_key(|batch| batch.sequence), "{batches:?}");
    assert!(control.usage().repeated() >= 1, "an answer that was lost");
}

#[test]
fn a_copied_record_and_a_restored_control_plane_are_told() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let mut agent = follower(&topology, &control);
    prepare(&agent, 3, 1000);
    agent.launch();
    wait_for_bytes(&control, &agent, 3000);
    wait_for_status(&agent, |status| status.contains("all sent"));
    // The control plane lost the last one: the next one does not follow what it has.
    control.usage().forget_last(1);
    let status = wait_for_status(&agent, |status| status.contains("! what was measured is not sent: "));
    assert!(status.contains("has batches up to"), "{status}");
    agent.kill();
    // The same numbers with other content, as of a copy that went its own way.
    prepare(&agent, 2, 555);
    agent.launch();
    let status = wait_for_status(&agent, |status| status.contains("UsageConflict"));
    assert!(status.contains("remove usage.redb"), "{status}");
    thread::sleep(Duration::from_secs(1));
    assert!(bytes_up(&control) <= 3000, "nothing of the copy is counted");
}

#[test]
fn a_damaged_record_is_kept_and_a_new_one_begins() {
    let topology = Topology::new(&[1]);
    let control = FakeControl::start(&topology.node);
    let mut agent = follower(&topology, &control);
    let to = SocketAddr::new(host_address(false), PORT);
    let from = &topology.instance(0, 0).namespace;
    meet(from, &topology.host, to);
    agent.launch();
    let offer = || send(from, to, RATE_BPS, 1000, Duration::from_secs(1));
    offer();
    agent.kill();
    fs::write(agent.records().join("usage.redb"), vec![0x5a; 1 << 16]).expect("written");
    agent.launch();
    let status = wait_for_status(&agent, |status| status.contains("metering: recorded"));
    assert!(status.contains("usage.redb.damaged-1"), "{status}");
    assert!(agent.log().contains("the record of what was measured is damaged"), "{}", agent.log());
    let kept = fs::read(agent.records().join("usage.redb.damaged-1")).expect("kept");
    assert_eq!(kept, vec![0x5a; 1 << 16]);
    // What the meters counted before may be stored already: the new record begins at what they show.
    let instance = topology.instance(0, 0);
    let observer =
        Observer::start(&topology.host, "eth0", &instance.v4.to_string(), &instance.v6.to_string());
    offer();
    thread::sleep(Duration::from_millis(300));
    let watched = observer.watched();
    wait_for_bytes(&control, &agent, watched.bytes);
}
