//! Every interleaving of CPUs that charge one meter, or two levels of meters, at once.
//!
//! Run: `RUSTFLAGS="--cfg loom" cargo test -p limiter-common --test loom --release`
#![cfg(loom)]

use std::sync::Mutex;

use limiter_common::gcra::{self, NextFree};
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use loom::thread;

/// A meter's word, with the orderings of the kernel program, and the time that each charge took of it.
struct Meter {
    word: AtomicU64,
    /// Word before and after each charge.
    slots: Mutex<Vec<(u64, u64)>>,
}

impl Meter {
    fn new(next_free: u64) -> Self {
        Self { word: AtomicU64::new(next_free), slots: Mutex::default() }
    }

    /// The slots in order of time, with the invariants that hold whatever the clocks say: no charge is
    /// lost, no time is given twice.
    fn slots(&self) -> Vec<(u64, u64)> {
        let mut slots = self.slots.lock().expect("one thread at a time").clone();
        slots.sort_unstable();
        assert!(slots.windows(2).all(|pair| pair[0].1 <= pair[1].0), "time given twice: {slots:?}");
        let end = self.word.load(Acquire);
        assert!(slots.last().is_none_or(|last| last.1 == end), "a charge is lost: {slots:?}, word {end}");
        slots
    }
}

/// A CPU about to charge `cost` ticks, which the trait does not tell `replace`.
struct Charge<'a> {
    meter: &'a Meter,
    cost: u64,
}

impl NextFree for Charge<'_> {
    fn load(&self) -> u64 {
        self.meter.word.load(Relaxed)
    }
    fn replace(&self, seen: u64, new: u64) -> bool {
        let done = self.meter.word.compare_exchange(seen, new, AcqRel, Acquire).is_ok();
        if done {
            let start = new - self.cost;
            assert!(seen <= start, "a busy meter was brought up to now");
            self.meter.slots.lock().expect("one thread at a time").push((start, new));
        }
        done
    }
    fn add(&self, ticks: u64) -> u64 {
        let before = self.meter.word.fetch_add(ticks, AcqRel);
        self.meter.slots.lock().expect("one thread at a time").push((before, before + ticks));
        before
    }
}

/// One packet as the kernel program treats it: every level is asked, then every level is charged.
/// The ticks that the packet waits, or none where a level refuses.
fn offer(levels: &[&Meter], now: u64, cost: u64, bound: u64) -> Option<u64> {
    let admitted = levels.iter().all(|meter| gcra::admits(gcra::lead(meter.word.load(Relaxed), now), bound));
    admitted.then(|| {
        levels.iter().map(|meter| gcra::charge(&Charge { meter, cost }, now, cost)).max().expect("a level")
    })
}

const COST: u64 = 100;
const NOW: u64 = 1_000_000;
/// A bound that nobody reaches.
const WIDE: u64 = 1 << 40;

/// Runs `cpu` with the numbers of `cpus` CPUs at once on meters whose words are `words`, and `check`
/// with the meters afterwards, for every interleaving.
fn explore<const LEVELS: usize>(
    cpus: u64,
    words: [u64; LEVELS],
    cpu: impl Fn(u64, &[Meter; LEVELS]) + Copy + Send + Sync + 'static,
    check: impl Fn(&[Meter; LEVELS]) + Send + Sync + 'static,
) {
    loom::model(move || {
        let meters = Arc::new(words.map(Meter::new));
        let others: Vec<_> = (1..cpus)
            .map(|number| {
                let meters = Arc::clone(&meters);
                thread::spawn(move || cpu(number, &meters))
            })
            .collect();
        cpu(0, &meters);
        others.into_iter().for_each(|other| other.join().expect("a CPU"));
        check(&meters);
    });
}

/// A busy meter, two CPUs with clocks apart, two packets each: the costs are in the word, exactly.
#[test]
fn a_busy_meter_loses_no_charge() {
    explore(
        2,
        [NOW + 1_000],
        |cpu, [meter]| {
            for _ in 0..2 {
                assert!(offer(&[meter], NOW + cpu * 30, COST, WIDE).is_some());
            }
        },
        |[meter]| {
            assert_eq!(meter.word.load(Acquire), NOW + 1_000 + 4 * COST);
            let starts: Vec<u64> = meter.slots().iter().map(|slot| slot.0 - NOW - 1_000).collect();
            assert_eq!(starts, [0, COST, 2 * COST, 3 * COST]);
        },
    );
}

/// The same with three CPUs and packets of different sizes.
#[test]
fn three_cpus_on_a_busy_meter_get_slots_of_their_own() {
    explore(
        3,
        [NOW + 1_000],
        |cpu, [meter]| {
            let wait = offer(&[meter], NOW - cpu * 500, COST << cpu, WIDE).expect("a wide bound");
            assert!(wait >= 1_000 + cpu * 500, "departs before the meter is free");
        },
        |[meter]| {
            assert_eq!(meter.word.load(Acquire), NOW + 1_000 + COST * 7);
            assert_eq!(meter.slots().len(), 3);
        },
    );
}

/// An idle meter whose CPUs' clocks are `APART` ticks apart: the slots begin at the earliest clock or
/// later, so at most that difference is had twice.
#[test]
fn an_idle_meter_gives_at_most_the_difference_of_the_clocks() {
    const APART: u64 = 30;
    explore(
        3,
        [NOW - 5_000],
        |cpu, [meter]| assert!(offer(&[meter], NOW + cpu * APART, COST, WIDE).is_some()),
        |[meter]| {
            let slots = meter.slots();
            assert_eq!(slots.len(), 3);
            assert!(slots[0].0 >= NOW, "a slot in the past: {slots:?}");
            assert!(slots[2].1 >= NOW + 3 * COST);
        },
    );
}

/// Rounds of idleness: the meter is idle again before each, and the CPUs race for it. What one race
/// gives too much is not added to the next: all slots fit side by side behind the earliest clock.
#[test]
fn nothing_accumulates_over_rounds() {
    const APART: u64 = 90;
    const ROUND: u64 = 10_000;
    const ROUNDS: u64 = 3;
    explore(
        2,
        [NOW - 5_000],
        |cpu, [meter]| {
            for round in 0..ROUNDS {
                assert!(offer(&[meter], NOW + round * ROUND + cpu * APART, COST, WIDE).is_some());
            }
        },
        |[meter]| {
            let slots = meter.slots();
            assert_eq!(slots.len() as u64, 2 * ROUNDS);
            assert!(slots[0].0 >= NOW);
            assert!(meter.word.load(Acquire) >= NOW + 2 * ROUNDS * COST);
        },
    );
}

/// A bound that only some of the packets fit: beyond it there is one packet for each CPU at most.
fn over_admission(cpus: u64, packets: u64) {
    const BOUND: u64 = COST + COST / 2;
    explore(
        cpus,
        [NOW - 5_000],
        move |_, [meter]| {
            for _ in 0..packets {
                offer(&[meter], NOW, COST, BOUND);
            }
        },
        move |[meter]| {
            let admitted = meter.slots().len() as u64 * COST;
            assert!(admitted <= BOUND + cpus * COST, "admitted {admitted}");
            // What one CPU alone would get, all of them get too.
            assert!(admitted >= (cpus * packets * COST).min(2 * COST));
            assert!(gcra::is_valid(meter.word.load(Acquire), NOW, BOUND, cpus * COST));
        },
    );
}

#[test]
fn two_cpus_exceed_the_bound_by_two_packets_at_most() {
    over_admission(2, 3);
}

#[test]
fn three_cpus_exceed_the_bound_by_three_packets_at_most() {
    over_admission(3, 1);
}

/// Instance and network level: both are charged or neither, so they hold the same number of packets.
#[test]
fn both_levels_or_none() {
    const BOUND: u64 = COST;
    explore(
        2,
        [NOW - 5_000, NOW + 50],
        |cpu, [instance, network]| {
            for _ in 0..2 {
                offer(&[instance, network], NOW + cpu * 10, COST, BOUND);
            }
        },
        |[instance, network]| {
            assert_eq!(instance.slots().len(), network.slots().len());
            for meter in [instance, network] {
                assert!(gcra::is_valid(meter.word.load(Acquire), NOW, BOUND + 10, 2 * COST));
            }
        },
    );
}

/// Two instances of one network: each CPU charges its own instance and the network they share.
#[test]
fn instances_that_share_a_network_share_its_time() {
    explore(
        2,
        [NOW - 5_000, NOW - 5_000, NOW + 50],
        |cpu, meters| {
            for _ in 0..2 {
                let own = &meters[cpu as usize];
                let wait = offer(&[own, &meters[2]], NOW, COST, WIDE).expect("a wide bound");
                assert!(wait >= 50, "departs before the network is free");
            }
        },
        |[one, other, network]| {
            assert_eq!(one.slots(), [(NOW, NOW + COST), (NOW + COST, NOW + 2 * COST)]);
            assert_eq!(other.slots(), one.slots());
            assert_eq!(network.word.load(Acquire), NOW + 50 + 4 * COST);
            assert_eq!(network.slots().len(), 4);
        },
    );
}
