//! The recorder against what it is to show, and against a kernel that is simulated.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proptest::prelude::*;

use super::bucket::Bucket;
use super::recorder::{Closed, Moment, Origin, Recorder};
use super::split::{BUCKET_MS, HOUR_MS};
use super::subject::{Subject, Subjects};
use super::tracked::{Counts, Seen};

/// Noon of a day.
const NOON_MS: i64 = 1_790_000_000_000 / HOUR_MS * HOUR_MS;

fn network(id: &str, plan: Option<&str>) -> Subject {
    Subject::Network { id: id.into(), plan: plan.map(Arc::from) }
}

fn instance(id: &str) -> Subject {
    Subject::Instance { id: id.into(), network: "n0".into() }
}

fn origin(epoch: u64) -> Origin {
    Origin { epoch, boot_id: "boot".to_owned() }
}

fn seen(slot: u32, subject: &Subject, [up, down]: [u64; 2]) -> Seen {
    let counts = |passed_bytes| Counts { passed_bytes, ..Counts::default() };
    Seen { slot, generation: 1, key: subject.key(), counts: [counts(up), counts(down)] }
}

fn at(after_ms: i64) -> Moment {
    Moment { wall_ms: NOON_MS + after_ms, boot_ms: 1_000_000 + after_ms.unsigned_abs() }
}

/// A record of new maps at noon, and a network and an instance.
fn begun() -> (Recorder, Subject, Subject, Subjects) {
    let (office, web) = (network("n0", Some("p1")), instance("i0"));
    let subjects: Subjects = [office.clone(), web.clone()].into_iter().collect();
    let mut recorder = Recorder::new(origin(0), at(0));
    recorder.go_on(origin(7), at(0), [].into_iter(), &subjects, true);
    (recorder, office, web, subjects)
}

fn bytes_up(closed: &[Closed]) -> Vec<(i64, u64, u64, bool)> {
    let rows = closed.iter().flat_map(|closed| closed.rows.iter().map(|row| (closed.start_ms, row)));
    rows.map(|(start_ms, (_, bucket))| {
        let [up, _] = bucket.measured();
        ((start_ms - NOON_MS) / 1000, up.bytes, up.window_bytes_max, bucket.is_estimated)
    })
    .collect()
}

#[test]
fn a_minute_has_its_bytes_its_highest_window_and_its_limited_seconds() {
    let (mut recorder, office, web, subjects) = begun();
    let mut bytes = 0;
    for second in 1..=60_i64 {
        bytes += if (11..=20).contains(&second) { 100 } else { 10 };
        let mut web = seen(2, &web, [bytes, 0]);
        web.counts[0].is_held = (11..=20).contains(&second);
        web.counts[1].refused_bytes = second.min(5).unsigned_abs();
        recorder.read(at(second * 1000), [seen(1, &office, [0, 0]), web].into_iter(), &subjects);
    }
    let closed = recorder.take_closed();
    assert_eq!(closed.len(), 1);
    let Closed { start_ms, complete_before_ms, complete_until_ms, rows } = &closed[0];
    assert_eq!((*start_ms, *complete_before_ms, *complete_until_ms), (NOON_MS, NOON_MS, NOON_MS + BUCKET_MS));
    assert_eq!(rows[0], (office, Bucket::default()), "a network without traffic has a row");
    let [up, down] = rows[1].1.measured();
    assert_eq!((up.bytes, up.window_bytes_max, up.limited_s), (1500, 1000, 10));
    assert_eq!((down.bytes, down.refused_bytes, down.limited_s), (0, 5, 5));
    assert!(!rows[1].1.is_estimated && recorder.is_valid());
}

#[test]
fn an_instance_without_traffic_has_no_row() {
    let (mut recorder, office, web, subjects) = begun();
    for second in [1, 61] {
        let both = [seen(1, &office, [0, 0]), seen(2, &web, [0, 0])];
        recorder.read(at(second * 1000), both.into_iter(), &subjects);
    }
    assert_eq!(recorder.take_closed()[0].rows, [(office, Bucket::default())]);
}

#[test]
fn a_gap_is_split_in_proportion_and_its_remainder_comes_last() {
    let (mut recorder, office, _, subjects) = begun();
    recorder.read(at(30_000), [seen(1, &office, [60, 0])].into_iter(), &subjects);
    // 150 s later: 30 s, 60 s and 60 s of 1001 bytes.
    recorder.read(at(180_000), [seen(1, &office, [1061, 0])].into_iter(), &subjects);
    let rows = bytes_up(&recorder.take_closed());
    assert_eq!(rows, [(0, 260, 66, true), (60, 400, 66, true), (120, 401, 66, true)]);
}

#[test]
fn a_late_reading_is_split_at_the_minute_and_no_estimate() {
    let (mut recorder, office, _, subjects) = begun();
    let mut read = |second: i64, bytes: u64| {
        recorder.read(at(second * 1000), [seen(1, &office, [bytes, 0])].into_iter(), &subjects);
    };
    for second in [10, 20, 30, 40, 50, 59, 61, 75, 90, 105, 120] {
        read(second, 10 * second.min(61).unsigned_abs());
    }
    assert_eq!(bytes_up(&recorder.take_closed()), [(0, 600, 100, false), (60, 10, 10, false)]);
}

#[test]
fn a_clock_that_is_set_makes_further_rows_and_nothing_twice() {
    let (mut recorder, office, _, subjects) = begun();
    let mut read = |wall_s: i64, boot_s: u64, bytes: u64| {
        let now = Moment { wall_ms: NOON_MS + wall_s * 1000, boot_ms: 1_000_000 + boot_s * 1000 };
        recorder.read(now, [seen(1, &office, [bytes, 0])].into_iter(), &subjects);
        recorder.take_closed()
    };
    assert!(read(10, 10, 100).is_empty());
    let closed = read(10 - 3600, 11, 110);
    assert_eq!(bytes_up(&closed), [(0, 100, 100, false)]);
    assert_eq!(closed[0].complete_until_ms, NOON_MS);
    let closed = read(7200, 12, 115);
    let rows: Vec<_> = bytes_up(&closed).iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(rows, [(-3600, 10), (7140, 5)]);
    let complete: Vec<i64> =
        closed.iter().map(|closed| (closed.complete_until_ms - NOON_MS) / 1000).collect();
    assert_eq!(complete, [7140, 7200], "it never goes back");
}

#[test]
fn what_passed_before_a_switch_belongs_to_the_plan_before() {
    let (mut recorder, office, web, mut subjects) = begun();
    recorder.read(at(10_000), [seen(1, &office, [100, 0])].into_iter(), &subjects);
    let without = network("n0", None);
    for (second, subject, bytes) in [(11, &without, 130), (20, &office, 150)] {
        recorder.read(at(second * 1000), [seen(1, &office, [bytes, 0])].into_iter(), &subjects);
        subjects = [subject.clone(), web.clone()].into_iter().collect();
        recorder.attribute(&subjects);
    }
    recorder.read(at(60_000), [seen(1, &office, [175, 0])].into_iter(), &subjects);
    let closed = recorder.take_closed();
    let rows: Vec<_> =
        closed[0].rows.iter().map(|(subject, bucket)| (subject, bucket.measured()[0].bytes)).collect();
    assert_eq!(rows, [(&office, 155), (&without, 20)]);
}

#[test]
fn counters_of_maps_that_nobody_recorded_begin_at_what_they_show() {
    let (_, office, _, subjects) = begun();
    for (new, counted) in [(false, 0), (true, 5000)] {
        let mut recorder = Recorder::new(origin(0), at(0));
        let there = || [seen(1, &office, [5000, 0])].into_iter();
        recorder.go_on(origin(9), at(0), there(), &subjects, new);
        recorder.read(at(1000), there(), &subjects);
        recorder.read(at(60_000), there(), &subjects);
        let sum: u64 = bytes_up(&recorder.take_closed()).iter().map(|row| row.1).sum();
        assert_eq!(sum, counted, "new maps: {new}");
    }
}

#[test]
fn a_slot_that_nobody_can_name_is_told_and_recorded_when_it_has_a_name() {
    let (mut recorder, office, _, subjects) = begun();
    let there = || [seen(1, &office, [500, 0])].into_iter();
    recorder.read(at(1000), there(), &Subjects::default());
    assert_eq!(recorder.nameless(), 1);
    recorder.read(at(2000), there(), &subjects);
    recorder.read(at(60_000), there(), &subjects);
    assert_eq!(recorder.nameless(), 0);
    assert_eq!(bytes_up(&recorder.take_closed()), [(0, 500, 500, false)]);
}

#[test]
fn a_long_gap_of_many_makes_few_rows_and_loses_nothing() {
    let subjects: Vec<Subject> = (0..2000).map(|number| network(&format!("n{number}"), None)).collect();
    let known: Subjects = subjects.iter().cloned().collect();
    let there = |bytes| (1..).zip(&subjects).map(move |(slot, subject)| seen(slot, subject, [bytes, 7]));
    let mut recorder = Recorder::new(origin(7), at(0));
    recorder.read(at(1000), there(1), &known);
    recorder.read(at(40 * 24 * HOUR_MS), there(1_000_001), &known);
    recorder.read(at(40 * 24 * HOUR_MS + BUCKET_MS), there(1_000_001), &known);
    let rows = bytes_up(&recorder.take_closed());
    assert!(rows.len() <= 500_000 + 2 * 2000, "{} rows", rows.len());
    assert_eq!(rows.iter().map(|row| row.1).sum::<u64>(), 2000 * 1_000_001);
}

/// What happens to a node.
#[derive(Clone, Debug)]
enum Event {
    Traffic { slot: usize, way: usize, passed: u64, refused: u64 },
    Time { ms: u64 },
    Clock { ms: i64 },
    Read,
    Keep,
    Plan { network: usize, plan: usize },
    Replace { slot: usize },
    Kill,
    Reboot,
}

fn event() -> impl Strategy<Value = Event> {
    let traffic = (0..4_usize, 0..2_usize, 0..1_000_000_u64, 0..1000_u64);
    prop_oneof![
        8 => traffic.prop_map(|(slot, way, passed, refused)| Event::Traffic { slot, way, passed, refused }),
        6 => (0..12_000_u64).prop_map(|ms| Event::Time { ms }),
        1 => (0..20_000_000_u64).prop_map(|ms| Event::Time { ms }),
        1 => (-10_000_000..10_000_000_i64).prop_map(|ms| Event::Clock { ms }),
        6 => Just(Event::Read),
        3 => Just(Event::Keep),
        1 => (0..2_usize, 0..3_usize).prop_map(|(network, plan)| Event::Plan { network, plan }),
        1 => (2..4_usize).prop_map(|slot| Event::Replace { slot }),
        2 => Just(Event::Kill),
        1 => Just(Event::Reboot),
    ]
}

/// Bytes passed and refused, up and down.
type Total = [[u64; 2]; 2];

/// A node: what the kernel has, what the agent has in memory and on the disk, and what is to come out.
struct World {
    boot_ms: u64,
    wall_ms: i64,
    origin: Origin,
    /// Whose slots 1 to 4 are, their generation and counters.
    slots: Vec<(Subject, u32, Total)>,
    /// What of the counters is on the disk.
    kept_slots: Vec<Total>,
    plans: [Subject; 2],
    named: u32,
    recorder: Recorder,
    head: Vec<u8>,
    chunks: HashMap<u32, Vec<u8>>,
    rows: Vec<Closed>,
    /// By identity and plan.
    expected: BTreeMap<Subject, Total>,
}

impl World {
    fn new() -> Self {
        let plans = [network("n0", None), network("n1", Some("p1"))];
        let slots = [plans[0].clone(), plans[1].clone(), instance("i0"), instance("i1")];
        let now = Moment { wall_ms: NOON_MS, boot_ms: 5000 };
        let mut world = Self {
            boot_ms: now.boot_ms,
            wall_ms: now.wall_ms,
            origin: origin(1),
            slots: slots.into_iter().map(|subject| (subject, 1, Total::default())).collect(),
            kept_slots: vec![Total::default(); 4],
            plans,
            named: 0,
            recorder: Recorder::new(origin(0), now),
            head: Vec::new(),
            chunks: HashMap::new(),
            rows: Vec::new(),
            expected: BTreeMap::new(),
        };
        world.recorder.go_on(origin(1), now, [].into_iter(), &Subjects::default(), true);
        world.keep();
        world
    }

    fn seen(&self) -> Vec<Seen> {
        let slots = (1..).zip(&self.slots);
        let counts = |total: &Total| {
            total.map(|[passed_bytes, refused_bytes]| Counts { passed_bytes, refused_bytes, is_held: false })
        };
        slots
            .map(|(slot, (subject, generation, total))| Seen {
                slot,
                generation: *generation,
                key: subject.key(),
                counts: counts(total),
            })
            .collect()
    }

    fn subjects(&self) -> Subjects {
        let instances =
            self.slots.iter().map(|(subject, _, _)| subject).filter(|subject| !subject.is_network());
        self.plans.iter().chain(instances).cloned().collect()
    }

    fn now(&self) -> Moment {
        Moment { wall_ms: self.wall_ms, boot_ms: self.boot_ms }
    }

    fn read(&mut self) {
        let subjects = self.subjects();
        self.recorder.read(self.now(), self.seen().into_iter(), &subjects);
        assert!(self.recorder.is_valid());
    }

    /// One transaction.
    fn keep(&mut self) {
        self.head = self.recorder.head();
        for (number, bytes) in self.recorder.changed_chunks() {
            if bytes.is_empty() {
                self.chunks.remove(&number);
            } else {
                self.chunks.insert(number, bytes);
            }
        }
        self.rows.extend(self.recorder.take_closed());
        self.recorder.note_kept();
    }

    fn settle(&mut self) {
        self.read();
        self.keep();
        self.kept_slots = self.slots.iter().map(|(_, _, total)| *total).collect();
    }

    /// An agent that goes on with what is on the disk.
    fn begin(&mut self, new: bool) {
        let chunks = self.chunks.values().map(Vec::as_slice);
        self.recorder = Recorder::from_saved(&self.head, chunks).expect("what was kept");
        let subjects = self.subjects();
        self.recorder.go_on(self.origin.clone(), self.now(), self.seen().into_iter(), &subjects, new);
        self.settle();
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Traffic { slot, way, passed, refused } => {
                let (subject, _, total) = &mut self.slots[slot];
                let subject = if slot < 2 { self.plans[slot].clone() } else { subject.clone() };
                let expected = self.expected.entry(subject).or_default();
                for [sum, refused_sum] in [&mut total[way], &mut expected[way]] {
                    *sum += passed;
                    *refused_sum += refused;
                }
            }
            Event::Time { ms } => {
                self.boot_ms += ms;
                self.wall_ms += ms.cast_signed();
            }
            Event::Clock { ms } => self.wall_ms += ms,
            Event::Read => self.read(),
            Event::Keep => self.settle(),
            Event::Plan { network: number, plan } => {
                self.settle();
                let plan = [None, Some("p1"), Some("p2")][plan];
                self.plans[number] = network(&format!("n{number}"), plan);
                let subjects = self.subjects();
                self.recorder.attribute(&subjects);
                self.keep();
            }
            Event::Replace { slot } => {
                // Unmapped, read, durable, released, claimed by another one.
                self.settle();
                self.named += 1;
                let generation = self.slots[slot].1 + 1;
                self.slots[slot] = (instance(&format!("new{}", self.named)), generation, Total::default());
                self.kept_slots[slot] = Total::default();
            }
            Event::Kill => self.begin(false),
            Event::Reboot => self.reboot(),
        }
    }

    /// A power cut: what was not kept is lost, and the maps are others.
    fn reboot(&mut self) {
        for slot in 0..4 {
            let subject = if slot < 2 { self.plans[slot].clone() } else { self.slots[slot].0.clone() };
            let (total, kept) = (self.slots[slot].2, self.kept_slots[slot]);
            let expected = self.expected.entry(subject).or_default();
            for way in 0..2 {
                for what in 0..2 {
                    expected[way][what] -= total[way][what] - kept[way][what];
                }
            }
            self.slots[slot].1 = 1;
            self.slots[slot].2 = Total::default();
        }
        self.kept_slots = vec![Total::default(); 4];
        self.origin = Origin { epoch: self.origin.epoch + 1, boot_id: format!("boot {}", self.boot_ms) };
        self.boot_ms = 9000;
        self.begin(true);
    }

    /// What is in rows and open buckets.
    fn recorded(&mut self) -> BTreeMap<Subject, Total> {
        self.settle();
        // All that is open closes.
        self.wall_ms += 2 * HOUR_MS;
        self.settle();
        let mut recorded = BTreeMap::new();
        for (subject, bucket) in self.rows.iter().flat_map(|closed| &closed.rows) {
            let total: &mut Total = recorded.entry(subject.clone()).or_default();
            for (sum, measured) in total.iter_mut().zip(bucket.measured()) {
                sum[0] += measured.bytes;
                sum[1] += measured.refused_bytes;
            }
        }
        recorded.retain(|_, total| *total != Total::default());
        recorded
    }
}

proptest! {
    #[test]
    fn every_byte_is_recorded_once_whatever_happens(events in prop::collection::vec(event(), 1..80)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
        }
        let recorded = world.recorded();
        world.expected.retain(|_, total| *total != Total::default());
        prop_assert_eq!(recorded, world.expected);
        let mut complete_ms = i64::MIN;
        for closed in &world.rows {
            prop_assert_eq!(closed.start_ms.rem_euclid(BUCKET_MS), 0);
            prop_assert!(complete_ms <= closed.complete_until_ms && closed.complete_before_ms <= closed.complete_until_ms);
            complete_ms = closed.complete_until_ms;
            prop_assert!(closed.rows.iter().all(|(_, bucket)| bucket.is_valid()));
        }
    }

    #[test]
    fn what_is_kept_comes_back(events in prop::collection::vec(event(), 1..40)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
        }
        world.settle();
        let back = Recorder::from_saved(&world.head, world.chunks.values().map(Vec::as_slice)).expect("what was kept");
        prop_assert_eq!(back.head(), world.recorder.head());
        // A second that is not over is not kept.
        world.recorder.tracked.iter_mut().flatten().for_each(|tracked| tracked.held = [false; 2]);
        prop_assert_eq!(back.tracked, world.recorder.tracked);
    }

    #[test]
    fn no_bytes_panic(head in prop::collection::vec(any::<u8>(), 0..200), chunk in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(recorder) = Recorder::from_saved(&head, [chunk.as_slice()].into_iter()) {
            prop_assert!(recorder.is_valid());
        }
    }

    #[test]
    fn a_changed_byte_is_no_panic(place in 0..200_usize, byte: u8) {
        let mut world = World::new();
        world.happen(&Event::Traffic { slot: 2, way: 0, passed: 1 << 40, refused: 7 });
        world.settle();
        let mut chunk = world.chunks[&0].clone();
        let place = place % chunk.len();
        chunk[place] = byte;
        if let Ok(recorder) = Recorder::from_saved(&world.head, [chunk.as_slice()].into_iter()) {
            prop_assert!(recorder.is_valid());
        }
    }
}
