//! The programs over maps with any number of instances, to be run on single packets.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::{Context as _, ensure};
use aya::maps::{Array, MapData, ProgramArray};
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use limiter_agent::dataplane::{Limit, Sizes, object};
use limiter_common::LAYOUT_VERSION;
use limiter_common::cost::{RATE_MAX_BPS, RATE_MIN_BPS};
use limiter_common::interface::{Interface, Range, Zone};
use limiter_common::key::{Address, AddressKey, Target};
use limiter_common::meter::{Control, Direction};
use limiter_tests::program::Fixture;
use limiter_tests::program::scene::{UNLIMITED, address, limit};
use rustix::time::{ClockId, clock_gettime};

static OBJECT: &[u8] = include_bytes_aligned!(env!("LIMITER_BENCH_OBJECT"));

/// Instances of each network.
const OF_NETWORK: u32 = 100;
const FIRST_SLOT: u32 = 1;
const MS_NS: u64 = 1_000_000;

/// A program to be measured; the number is its place for the rotors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Empty = 0,
    FloorUp = 1,
    FloorDown = 2,
    LimiterUp = 3,
    LimiterDown = 4,
    /// The programs of another object, over the same maps.
    AgainstUp = 5,
    AgainstDown = 6,
}

const SUBJECTS: [Subject; 5] =
    [Subject::Empty, Subject::FloorUp, Subject::FloorDown, Subject::LimiterUp, Subject::LimiterDown];
const AGAINST: [Subject; 2] = [Subject::AgainstUp, Subject::AgainstDown];

/// What makes each packet of a run another instance's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotor {
    Up,
    Down,
    Bound,
}

/// State of the meters that a packet finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meters {
    /// Limited, and idle again before each packet.
    Idle = 0,
    /// Without a limit.
    Unlimited = 1,
    /// Limited and ahead of now: the packet gets a delivery time.
    Queued = 2,
    /// Ahead of now by more than its bound: the packet is dropped.
    Refused = 3,
}

/// Instances beside the numbered ones, one for each state of meters.
const STATES: [Meters; 4] = [Meters::Idle, Meters::Unlimited, Meters::Queued, Meters::Refused];

/// Maps with instances, the product's programs and those it is compared with.
pub(crate) struct Bed {
    pub(crate) instances: u32,
    fixture: Fixture,
    bench: Ebpf,
    against: Option<Ebpf>,
    turn: Array<MapData, [u64; 6]>,
    /// The kernel empties it when its last descriptor is closed.
    _subjects: ProgramArray<MapData>,
}

impl Bed {
    /// `against` is another build of the programs, with the same maps.
    pub(crate) fn new(instances: u32, against: Option<&Path>) -> anyhow::Result<Self> {
        let slots = first_special(instances) + 2 * STATES.len() as u32;
        let addresses = instances + 2 * STATES.len() as u32;
        let mut fixture = Fixture::new(Sizes { slots, addresses, prefixes: 64, zones: 4 });
        populate(&mut fixture, instances)?;
        let mut bench = load(OBJECT, fixture.pins()).context("the programs to compare with")?;
        let mut against = against.map(|path| other(path, fixture.pins())).transpose()?;
        let turn = Array::try_from(bench.take_map("TURN").context("TURN")?)?;
        let mut subjects = ProgramArray::try_from(bench.take_map("SUBJECTS").context("SUBJECTS")?)?;
        let all = SUBJECTS.into_iter().chain(against.is_some().then_some(AGAINST).into_iter().flatten());
        for subject in all {
            let program = subject.find(&mut fixture, &mut bench, against.as_mut())?;
            subjects.set(subject as u32, program.fd()?, 0)?;
        }
        Ok(Self { instances, fixture, bench, against, turn, _subjects: subjects })
    }

    /// The interface carries one instance, or whoever's address is on it.
    pub(crate) fn bind(&self, bound: Option<Meters>) {
        let bound = bound.map_or(0, |meters| special(self.instances, meters).0);
        self.fixture.interface(Interface { bound, ..Interface::default() });
    }

    /// Mean time of `repeat` runs on `packet`, nanoseconds of this thread's CPU time: what else runs on
    /// the CPU is not counted.
    pub(crate) fn time_ns(
        &mut self,
        subject: Subject,
        packet: &[u8],
        passes: bool,
        repeat: u32,
    ) -> anyhow::Result<f64> {
        let program = subject.find(&mut self.fixture, &mut self.bench, self.against.as_mut())?;
        time_ns(program, packet, passes, repeat, repeat.div_ceil(20))
    }

    /// As [`Bed::time_ns`], each run for a random one of `active` instances; the rotor is in the time.
    pub(crate) fn time_rotating_ns(
        &mut self,
        rotor: Rotor,
        subject: Subject,
        active: u32,
        packet: &[u8],
        repeat: u32,
    ) -> anyhow::Result<f64> {
        let first_network = FIRST_SLOT + self.instances;
        let turn = [
            // Each run goes on where the last one ended.
            self.turn.get(&0, 0)?[0],
            active.into(),
            (self.instances / active).into(),
            first_network.into(),
            OF_NETWORK.into(),
            subject as u64,
        ];
        self.turn.set(0, turn, 0)?;
        let name = match rotor {
            Rotor::Up => "rotor_up",
            Rotor::Down => "rotor_down",
            Rotor::Bound => "rotor_bound",
        };
        let program = program(&mut self.bench, name)?;
        time_ns(program, packet, true, repeat, repeat.div_ceil(20).max(repeat.min(4 * active)))
    }

    /// Instances whose meters have counted.
    pub(crate) fn touched(&self, direction: Direction) -> usize {
        let meters = self.fixture.maps.meters();
        let slots = FIRST_SLOT..FIRST_SLOT + self.instances;
        slots.filter(|&slot| meters.read(slot, direction).passed_packets > 0).count()
    }
}

impl Subject {
    fn find<'a>(
        self,
        fixture: &'a mut Fixture,
        bench: &'a mut Ebpf,
        against: Option<&'a mut Ebpf>,
    ) -> anyhow::Result<&'a mut SchedClassifier> {
        match self {
            Self::Empty => program(bench, "empty"),
            Self::FloorUp => program(bench, "floor_up"),
            Self::FloorDown => program(bench, "floor_down"),
            Self::LimiterUp => Ok(fixture.programs.classifier(Direction::Up)),
            Self::LimiterDown => Ok(fixture.programs.classifier(Direction::Down)),
            Self::AgainstUp => program(against.context("no other object")?, object::name(Direction::Up)),
            Self::AgainstDown => program(against.context("no other object")?, object::name(Direction::Down)),
        }
    }
}

/// Loads all programs of an object over the maps in `pins` that it names, and over new ones of its own.
fn load(bytes: &[u8], pins: &Path) -> anyhow::Result<Ebpf> {
    let pins = pins.join(format!("v{LAYOUT_VERSION}"));
    let mut loader = EbpfLoader::new();
    for entry in fs::read_dir(&pins).with_context(|| format!("reading {}", pins.display()))? {
        let name = entry?.file_name().into_string().ok().context("a map's name")?;
        loader.map_pin_path(name.clone().leak(), pins.join(name));
    }
    let mut object = loader.load(bytes)?;
    for (_, program) in object.programs_mut() {
        <&mut SchedClassifier>::try_from(program)?.load()?;
    }
    Ok(object)
}

fn other(path: &Path, pins: &Path) -> anyhow::Result<Ebpf> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    load(&bytes, pins).with_context(|| format!("loading {}", path.display()))
}

fn program<'a>(bench: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut SchedClassifier> {
    Ok(bench.program_mut(name).with_context(|| format!("no program {name}"))?.try_into()?)
}

/// Runs `warm_up` times first: what the subject before left in the caches is not this one's.
fn time_ns(
    program: &SchedClassifier,
    packet: &[u8],
    passes: bool,
    repeat: u32,
    warm_up: u32,
) -> anyhow::Result<f64> {
    let run = |repeat| {
        let mut options = TestRunOptions::new();
        options.data_in = Some(packet);
        options.repeat = repeat;
        let result = program.test_run(options).context("BPF_PROG_TEST_RUN")?;
        let verdict = result.return_value.cast_signed();
        ensure!(passes == (verdict == -1), "the program gave {verdict}");
        Ok(())
    };
    run(warm_up)?;
    let began_ns = cpu_ns();
    run(repeat)?;
    Ok((cpu_ns() - began_ns) as f64 / f64::from(repeat))
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Claims and limits all slots, and gives every instance its address.
fn populate(fixture: &mut Fixture, instances: u32) -> anyhow::Result<()> {
    // A packet every few nanoseconds finds these idle.
    let idle = limit(RATE_MAX_BPS, 100 * MS_NS, 0);
    let of_state = |meters| match meters {
        Meters::Idle => idle,
        Meters::Unlimited => UNLIMITED,
        Meters::Queued => limit(1_000_000_000, Control::BOUND_MAX_NS, 0),
        Meters::Refused => Limit { control: 0, ..limit(RATE_MIN_BPS, 0, 0) },
    };
    for slot in FIRST_SLOT..first_special(instances) {
        fixture.meter(slot, idle);
    }
    let number = |number: u32| {
        let network = FIRST_SLOT + instances + number / OF_NETWORK;
        (ipv4(number), Target::new(FIRST_SLOT + number, network, 0))
    };
    let mut entries: Vec<(Address, Target)> = (0..instances).map(number).collect();
    for meters in STATES {
        let target = special(instances, meters);
        fixture.meter(target.instance(), of_state(meters));
        fixture.meter(target.network(), if meters == Meters::Unlimited { UNLIMITED } else { idle });
        entries.push((address(special_v4(meters)), target));
        entries.push((Address::from_octets(special_v6(meters).octets()), target));
    }
    let entries: Vec<(AddressKey, Target)> =
        entries.into_iter().map(|(address, target)| (AddressKey::new(0, address), target)).collect();
    fixture.maps.put_instances(&entries)?;
    // As many ranges as there may be: networks of both families, and the node's own addresses.
    let mask = |bits: u32| Address::from_octets((u128::MAX << (128 - bits)).to_be_bytes());
    let mut zone = Zone { entity: 1, ranges: Zone::RANGES_MAX as u64, ..Zone::default() };
    zone.range[0] = Range { address: address(Ipv4Addr::new(10, 0, 0, 0)), mask: mask(96 + 8) };
    let v6 = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0);
    zone.range[1] = Range { address: Address::from_octets(v6.octets()), mask: mask(16) };
    for (host, range) in (1..).zip(&mut zone.range[2..]) {
        *range = Range { address: address(Ipv4Addr::new(198, 51, 100, host)), mask: mask(128) };
    }
    fixture.zone(0, zone);
    fixture.interface(Interface::default());
    Ok(())
}

fn first_special(instances: u32) -> u32 {
    FIRST_SLOT + instances + instances.div_ceil(OF_NETWORK)
}

fn special(instances: u32, meters: Meters) -> Target {
    let slot = first_special(instances) + 2 * meters as u32;
    Target::new(slot, slot + 1, 0)
}

/// IPv4 address of a numbered instance.
fn ipv4(number: u32) -> Address {
    address(Ipv4Addr::from_bits((10 << 24) + number))
}

/// IPv4 address of the instance in a state.
pub(crate) fn special_v4(meters: Meters) -> Ipv4Addr {
    Ipv4Addr::new(10, 255, 255, meters as u8)
}

/// IPv6 address of the instance in a state.
pub(crate) fn special_v6(meters: Meters) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1 + meters as u16)
}
