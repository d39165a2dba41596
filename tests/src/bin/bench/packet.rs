//! What the programs cost a packet.

use std::net::Ipv6Addr;
use std::path::Path;

use anyhow::ensure;
use limiter_agent::command::table::Column;
use limiter_common::meter::Direction;
use limiter_tests::program::scene::{INTERNET_IP, udp};
use serde_json::json;

use crate::bed::{Bed, Meters, Rotor, Subject, special_v4, special_v6};
use crate::report::{Report, Target};
use crate::rounds::{Spread, interleave, pin};

/// Instances that take turns in a hot set.
const HOT: u32 = 64;
/// IP bytes of a packet.
const BYTES: u16 = 100;

/// How a packet is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
    UpV6,
    DownV6,
}

/// Which instances the packets of a run belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// The same one.
    One,
    /// Some of all.
    Hot,
    /// All, in random order.
    Spread,
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Case {
    bed: usize,
    program: Program,
    way: Way,
    access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Program {
    Empty,
    Floor,
    Shared(Meters),
    Bound(Meters),
}

/// Measures and compares.
pub(crate) fn run(quick: bool, against: Option<&Path>) -> anyhow::Result<Report> {
    let sizes: &[u32] = if quick { &[1, 1_000] } else { &[1, 1_000, 100_000, 1_000_000] };
    let (rounds, repeat) = if quick { (15, 1_000) } else { (201, 3_000) };
    let mut report = Report::new("packet", quick);
    let mut beds = sizes.iter().map(|&size| Bed::new(size, against)).collect::<Result<Vec<_>, _>>()?;
    let mut cases = cases(sizes);
    let pinned = pin()?;
    let samples =
        interleave(&mut cases, rounds, |case| sample(&mut beds[case.bed], *case, repeat, against.is_some()))?;
    for bed in beds.iter().skip(1) {
        let (touched, drawn) = (bed.touched(Direction::Up), rounds * repeat as usize);
        let least = drawn.min(bed.instances as usize) / 2;
        ensure!(touched >= least, "spread runs touched {touched} of {} instances", bed.instances);
    }
    report.say(&format!(
        "{rounds} interleaved rounds of {repeat} runs on CPU {}: medians (quartiles); ratios are within a round,\n\
         to an empty classifier and to a floor program that ran right after.\n\
         meters: idle = limited, within the limit; queued = gets a delivery time. access: one = the same instance\n\
         again, hot = {HOT} of all in random order, spread = all in random order.",
        pinned.cpu
    ));
    let measured = Measured { cases, samples };
    rows(&mut report, &measured, sizes);
    report.targets(&targets(&measured, sizes));
    Ok(report)
}

fn cases(sizes: &[u32]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |bed, program, way, access| cases.push(Case { bed, program, way, access });
    add(0, Program::Empty, Way::Up, Access::One);
    for way in [Way::Up, Way::Down, Way::UpV6, Way::DownV6] {
        add(0, Program::Floor, way, Access::One);
        add(0, Program::Shared(Meters::Idle), way, Access::One);
        add(0, Program::Bound(Meters::Idle), way, Access::One);
    }
    for meters in [Meters::Unlimited, Meters::Queued, Meters::Refused] {
        add(0, Program::Shared(meters), Way::Up, Access::One);
        add(0, Program::Bound(meters), Way::Up, Access::One);
    }
    for (bed, &size) in sizes.iter().enumerate() {
        for access in [Access::Hot, Access::Spread] {
            if access == Access::Spread && size == 1 {
                continue;
            }
            for way in [Way::Up, Way::Down] {
                add(bed, Program::Floor, way, access);
                add(bed, Program::Shared(Meters::Idle), way, access);
            }
            add(bed, Program::Bound(Meters::Idle), Way::Up, access);
        }
    }
    cases
}

/// A case and what it is compared with, one right after the other: what else the machine does changes
/// little within a millisecond.
fn sample(bed: &mut Bed, case: Case, repeat: u32, with_against: bool) -> anyhow::Result<Sample> {
    let ns = measure(bed, case, repeat)?;
    let against = match (case.program, case.way.direction()) {
        (Program::Shared(_) | Program::Bound(_), Direction::Up) if with_against => {
            Some(time(bed, case, Subject::AgainstUp, repeat)?)
        }
        (Program::Shared(_) | Program::Bound(_), Direction::Down) if with_against => {
            Some(time(bed, case, Subject::AgainstDown, repeat)?)
        }
        _ => None,
    };
    let floor = measure(bed, Case { program: Program::Floor, ..case }, repeat)?;
    let empty = measure(bed, Case { program: Program::Empty, access: Access::One, ..case }, repeat)?;
    if case.access == Access::One {
        return Ok(Sample { ns, floor, empty, against });
    }
    // The rotor's own cost: what an empty program takes behind it more than by itself. A bound interface's
    // rotor is another than the floor's.
    let floor_rotor = measure(bed, Case { program: Program::Empty, ..case }, repeat)? - empty;
    let rotor = match case.program {
        Program::Bound(_) => time(bed, case, Subject::Empty, repeat)? - empty,
        _ => floor_rotor,
    };
    let against = against.map(|against| against - rotor);
    Ok(Sample { ns: ns - rotor, floor: floor - floor_rotor, empty, against })
}

/// Nanoseconds a packet.
fn measure(bed: &mut Bed, case: Case, repeat: u32) -> anyhow::Result<f64> {
    let subject = match (case.program, case.way.direction()) {
        (Program::Empty, _) => Subject::Empty,
        (Program::Floor, Direction::Up) => Subject::FloorUp,
        (Program::Floor, Direction::Down) => Subject::FloorDown,
        (_, Direction::Up) => Subject::LimiterUp,
        (_, Direction::Down) => Subject::LimiterDown,
    };
    time(bed, case, subject, repeat)
}

fn time(bed: &mut Bed, case: Case, subject: Subject, repeat: u32) -> anyhow::Result<f64> {
    let meters = match case.program {
        Program::Shared(meters) | Program::Bound(meters) => meters,
        Program::Empty | Program::Floor => Meters::Idle,
    };
    bed.bind(matches!(case.program, Program::Bound(_)).then_some(meters));
    let packet = case.way.packet(meters);
    let active = match case.access {
        Access::One => return bed.time_ns(subject, &packet, meters != Meters::Refused, repeat),
        Access::Hot => HOT.min(bed.instances),
        Access::Spread => bed.instances,
    };
    bed.time_rotating_ns(case.rotor(), subject, active, &packet, repeat)
}

impl Case {
    fn rotor(self) -> Rotor {
        match (self.program, self.way.direction()) {
            (Program::Bound(_), _) => Rotor::Bound,
            (_, Direction::Up) => Rotor::Up,
            (_, Direction::Down) => Rotor::Down,
        }
    }
}

impl Way {
    fn direction(self) -> Direction {
        match self {
            Self::Up | Self::UpV6 => Direction::Up,
            Self::Down | Self::DownV6 => Direction::Down,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Up => "up IPv4",
            Self::Down => "down IPv4",
            Self::UpV6 => "up IPv6",
            Self::DownV6 => "down IPv6",
        }
    }

    /// A packet of the instance whose meters are in this state.
    fn packet(self, meters: Meters) -> Vec<u8> {
        let (v4, v6) = (special_v4(meters), special_v6(meters));
        let internet_v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        match self {
            Self::Up => udp(v4, INTERNET_IP, BYTES),
            Self::Down => udp(INTERNET_IP, v4, BYTES),
            Self::UpV6 => udp_v6(v6, internet_v6),
            Self::DownV6 => udp_v6(internet_v6, v6),
        }
    }
}

/// A UDP packet of [`BYTES`] IP bytes behind a MAC header.
fn udp_v6(source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    const UDP: u8 = 17;
    const HEADER_BYTES: u16 = 40;
    let mut frame = vec![2; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend((BYTES - HEADER_BYTES).to_be_bytes());
    frame.extend([UDP, 64]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    frame.extend([0x12, 0x34, 0x00, 0x35]);
    frame.extend((BYTES - HEADER_BYTES).to_be_bytes());
    frame.resize(14 + usize::from(BYTES), 0);
    frame
}

/// Nanoseconds of a case in a round, and of what it is compared with.
struct Sample {
    ns: f64,
    floor: f64,
    empty: f64,
    against: Option<f64>,
}

/// All samples by case and round.
struct Measured {
    cases: Vec<Case>,
    samples: Vec<Vec<Sample>>,
}

impl Measured {
    fn of(&self, case: Case, figure: impl Fn(&Sample) -> f64) -> Spread {
        let place = self.cases.iter().position(|other| *other == case).expect("a measured case");
        Spread::of(self.samples[place].iter().map(figure))
    }

    /// None where the case was measured against no other object.
    fn per_against(&self, case: Case) -> Option<Spread> {
        let place = self.cases.iter().position(|other| *other == case)?;
        let ratios = self.samples[place].iter().map(|sample| Some(sample.ns / sample.against?));
        Some(Spread::of(ratios.collect::<Option<Vec<_>>>()?))
    }

    fn per_empty(&self, case: Case) -> Spread {
        self.of(case, |sample| sample.ns / sample.empty)
    }

    fn per_floor(&self, case: Case) -> Spread {
        self.of(case, |sample| sample.ns / sample.floor)
    }
}

fn rows(report: &mut Report, measured: &Measured, sizes: &[u32]) {
    let columns = [
        Column::Text("program"),
        Column::Text("packet"),
        Column::Text("meters"),
        Column::Number("instances"),
        Column::Text("access"),
        Column::Number("ns"),
        Column::Number("/ empty"),
        Column::Number("/ floor"),
        Column::Number("/ against"),
    ];
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    for &case in &measured.cases {
        let ns = measured.of(case, |sample| sample.ns);
        let (per_empty, per_floor) = (measured.per_empty(case), measured.per_floor(case));
        let per_against = measured.per_against(case);
        let (program, meters) = case.program.names();
        let access = case.access.name();
        rows.push([
            program.to_owned(),
            case.way.name().to_owned(),
            meters.to_owned(),
            sizes[case.bed].to_string(),
            access.to_owned(),
            ns.cell(1),
            per_empty.cell(2),
            per_floor.cell(2),
            per_against.map_or_else(String::new, |ratio| ratio.cell(3)),
        ]);
        json.push(json!({
            "program": program, "packet": case.way.name(), "meters": meters, "instances": sizes[case.bed],
            "access": access, "ns": ns.json(), "per_empty": per_empty.json(), "per_floor": per_floor.json(),
            "per_against": per_against.map(Spread::json),
        }));
    }
    report.table("packet", columns, &rows, json);
}

fn targets(measured: &Measured, sizes: &[u32]) -> Vec<Target> {
    let mut targets = Vec::new();
    for way in [Way::Up, Way::Down] {
        let one = |program| Case { bed: 0, program, way, access: Access::One };
        targets.push(Target {
            what: format!("shared interface, {}, / floor", way.name()),
            limit: 1.3,
            found: measured.per_floor(one(Program::Shared(Meters::Idle))).median,
        });
        targets.push(Target {
            what: format!("bound interface, {}, / empty", way.name()),
            limit: 3.0,
            found: measured.per_empty(one(Program::Bound(Meters::Idle))).median,
        });
    }
    for (bed, &size) in sizes.iter().enumerate().skip(1).filter(|(_, size)| **size <= 100_000) {
        for program in [Program::Shared(Meters::Idle), Program::Bound(Meters::Idle)] {
            let hot = |bed| Case { bed, program, way: Way::Up, access: Access::Hot };
            targets.push(Target {
                what: format!("{}, hot set of {size} instances / of one", program.names().0),
                limit: 1.5,
                found: measured.per_empty(hot(bed)).median / measured.per_empty(hot(0)).median,
            });
        }
    }
    targets
}

impl Program {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Empty => ("empty", ""),
            Self::Floor => ("floor", ""),
            Self::Shared(meters) => ("shared", meters.name()),
            Self::Bound(meters) => ("bound", meters.name()),
        }
    }
}

impl Access {
    fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Hot => "hot",
            Self::Spread => "spread",
        }
    }
}

impl Meters {
    fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Unlimited => "unlimited",
            Self::Queued => "queued",
            Self::Refused => "refused",
        }
    }
}
