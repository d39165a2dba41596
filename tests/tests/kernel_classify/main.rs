//! The loaded programs agree with the reference classifier on every kind of packet there is: verdict,
//! reason, whose counters grow and by how much, and who is listed as unknown.
//!
//! `LIMITER_TEST_PACKETS` sets how many packets, `LIMITER_TEST_SEED` repeats a run.

mod packet;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use limiter_agent::dataplane::Sizes;
use limiter_common::key::AddressKey;
use limiter_common::meter::Direction;
use limiter_common::verdict::{Reason, Tally};
use limiter_tests::program::{self, Context, Fixture, IFINDEX};
use limiter_tests::reference::{Decision, Port, Volume, World};

use limiter_tests::random::Random;
use packet::Frame;

/// Packets on one interface before the next, and interfaces in one world before the next.
const PACKETS_OF_A_PORT: usize = 100;
const PORTS_OF_A_WORLD: usize = 40;

#[test]
fn a_hundred_thousand_packets_agree_with_the_reference() {
    let packets: usize = setting("LIMITER_TEST_PACKETS", 120_000);
    let mut check = Check::new(setting("LIMITER_TEST_SEED", 1));
    while check.packets < packets {
        check.next_world();
        for _ in 0..PORTS_OF_A_WORLD {
            let port = world::port(&mut check.random, &check.world);
            let bypass = check.random.chance(2);
            check.plug(port, bypass);
            for _ in 0..PACKETS_OF_A_PORT {
                let port = check.world.port.unwrap_or_default();
                let frame = packet::any(&mut check.random, &port, &check.pool);
                check.packet(&frame);
            }
            check.totals();
        }
        check.listing();
    }
    check.finish(5);
    for reason in Reason::ALL {
        let seen = check.seen.get(&reason).copied().unwrap_or_default();
        assert!(packets < 50_000 || seen >= 100, "only {seen} packets are {}", reason.name());
    }
}

#[test]
fn every_truncation_agrees_with_the_reference() {
    let mut check = Check::new(setting("LIMITER_TEST_SEED", 2));
    check.next_world();
    for _ in 0..6 {
        let port = world::port(&mut check.random, &check.world).unwrap_or_default();
        check.plug(Some(port), false);
        for base in packet::bases(&mut check.random, &port, &check.pool) {
            for length in 14..=base.len() {
                check.packet(&Frame { bytes: base[..length].to_vec(), gso_size: 0 });
            }
        }
        check.totals();
    }
    check.listing();
    check.finish(25);
    let malformed = check.seen.get(&Reason::Malformed).copied().unwrap_or_default();
    let others = check.seen.values().sum::<usize>() - malformed;
    assert!(malformed > 1_000 && others > 1_000, "{malformed} cut too short, {others} not");
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// What the counters of one slot and direction shall be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    passed: Volume,
    refused: Volume,
}

/// The kernel's side, the reference's side, and what the first shall have counted by now.
struct Check {
    seed: u64,
    random: Random,
    fixture: Fixture,
    world: World,
    pool: Vec<IpAddr>,
    packets: usize,
    /// Packets that the kernel did not take for frames.
    refused_by_kernel: usize,
    seen: BTreeMap<Reason, usize>,
    meters: BTreeMap<(u32, Direction), Counters>,
    tallies: BTreeMap<(Reason, Direction), Tally>,
    listed: BTreeMap<AddressKey, (u64, u32)>,
}

impl Check {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            random: Random::new(seed),
            fixture: Fixture::new(Sizes { slots: 64, addresses: 128, prefixes: 256, zones: 4 }),
            world: World::default(),
            pool: Vec::new(),
            packets: 0,
            refused_by_kernel: 0,
            seen: BTreeMap::new(),
            meters: BTreeMap::new(),
            tallies: BTreeMap::new(),
            listed: BTreeMap::new(),
        }
    }

    fn next_world(&mut self) {
        (self.world, self.pool) = world::any(&mut self.random);
        world::install(&mut self.fixture, &self.world, &mut self.random);
        self.listed.clear();
    }

    fn plug(&mut self, port: Option<Port>, bypass: bool) {
        (self.world.port, self.world.bypass) = (port, bypass);
        world::plug(&self.fixture, &self.world);
    }

    /// Runs one packet and compares all that it may have changed.
    fn packet(&mut self, frame: &Frame) {
        let direction = self.random.pick(&Direction::ALL);
        let context = Context { gso_size: frame.gso_size, ..Context::default() };
        self.packets += 1;
        let outcome = program::run(&mut self.fixture.programs, direction, &frame.bytes, context, 1);
        let Some(outcome) = outcome else {
            assert!(may_be_refused(&frame.bytes), "the kernel refuses a whole frame: {}", hex(&frame.bytes));
            self.refused_by_kernel += 1;
            return;
        };
        let expected = self.world.decide(&frame.bytes, frame.gso_size, direction);
        *self.seen.entry(expected.reason).or_default() += 1;
        self.expect(&expected, frame, direction);

        let mut wrong = String::new();
        let verdict = if expected.reason.passes() { -1 } else { 2 };
        if outcome.verdict != verdict {
            let _ = writeln!(wrong, "returned {}, not {verdict}", outcome.verdict);
        }
        if let Some(tally) = self.tallies.get(&(expected.reason, direction)) {
            let found = self.fixture.tally(expected.reason, direction);
            if found != *tally {
                let _ = writeln!(wrong, "{} counts {found:?}, not {tally:?}", expected.reason.name());
            }
        }
        for (&(slot, direction), counters) in &self.meters {
            let found = self.counters(slot, direction);
            if found != *counters {
                let _ =
                    writeln!(wrong, "slot {slot} {} counts {found:?}, not {counters:?}", direction.name());
            }
        }
        if !wrong.is_empty() {
            self.fail(&wrong, &format!("{expected:?}"), frame, direction);
        }
    }

    /// Adds to the counters what the decision says.
    fn expect(&mut self, expected: &Decision, frame: &Frame, direction: Direction) {
        if !matches!(expected.reason, Reason::Admitted | Reason::NotOurs) {
            let tally = self.tallies.entry((expected.reason, direction)).or_default();
            tally.packets += 1;
            tally.bytes += frame.bytes.len() as u64;
        }
        let mut grow = |slot: u32, of: fn(&mut Counters) -> &mut Volume| {
            let volume = of(self.meters.entry((slot, direction)).or_default());
            volume.bytes += expected.volume.bytes;
            volume.packets += expected.volume.packets;
        };
        expected.passed.iter().for_each(|&slot| grow(slot, |counters| &mut counters.passed));
        expected.refused.iter().for_each(|&slot| grow(slot, |counters| &mut counters.refused));
        if let (Some((source, network)), Some(port)) = (expected.listed, self.world.port) {
            let key = AddressKey::new(port.zone as u32, world::address(source));
            self.listed.entry(key).or_insert((0, network)).0 += 1;
        }
    }

    fn counters(&self, slot: u32, direction: Direction) -> Counters {
        let meter = self.fixture.maps.meters().read(slot, direction);
        Counters {
            passed: Volume { bytes: meter.passed_bytes, packets: meter.passed_packets },
            refused: Volume { bytes: meter.refused_bytes, packets: meter.refused_packets },
        }
    }

    /// All reasons and all meters have what they shall have, and no other has anything.
    fn totals(&self) {
        for reason in Reason::ALL {
            for direction in Direction::ALL {
                let expected = self.tallies.get(&(reason, direction)).copied().unwrap_or_default();
                let found = self.fixture.tally(reason, direction);
                assert_eq!(found, expected, "{} {}, seed {}", reason.name(), direction.name(), self.seed);
            }
        }
        for slot in 0..self.fixture.maps.meters().slots() {
            for direction in Direction::ALL {
                let expected = self.meters.get(&(slot, direction)).copied().unwrap_or_default();
                assert_eq!(self.counters(slot, direction), expected, "slot {slot}, seed {}", self.seed);
            }
        }
    }

    /// Exactly the sources that the reference lists are listed.
    fn listing(&self) {
        let listed = self.fixture.maps.unknown().expect("listing");
        for (key, unknown) in &listed {
            assert_eq!(unknown.ifindex, IFINDEX);
            assert!(unknown.seen_ns > 0);
            let expected = self.listed.get(key);
            assert_eq!(Some(&(unknown.packets, unknown.network)), expected, "{key:?}, seed {}", self.seed);
        }
        assert_eq!(listed.len(), self.listed.len(), "sources listed, seed {}", self.seed);
    }

    /// The kernel ran all but `percent` of the packets.
    fn finish(&self, percent: usize) {
        println!("{} packets, {} refused by the kernel", self.packets, self.refused_by_kernel);
        println!("{:?}", self.seen);
        assert!(self.refused_by_kernel * 100 <= self.packets * percent, "the kernel refuses too many");
    }

    fn fail(&self, wrong: &str, expected: &str, frame: &Frame, direction: Direction) -> ! {
        panic!(
            "packet {} of seed {}, {}, gso_size {}\n{}\nexpected {expected}\nbut {wrong}\
             bypass {}, {:?}\n{:#?}\n{:?}",
            self.packets,
            self.seed,
            direction.name(),
            frame.gso_size,
            hex(&frame.bytes),
            self.world.bypass,
            self.world.port,
            self.world.zones,
            self.world.meters
        );
    }
}

/// A test run wants something behind the MAC header, and later kernels a whole fixed header where the
/// `EtherType` says IP.
fn may_be_refused(frame: &[u8]) -> bool {
    let behind = frame.len() - 14;
    match frame[12..14] {
        [0x08, 0x00] => behind < 20,
        [0x86, 0xdd] => behind < 40,
        _ => behind == 0,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
