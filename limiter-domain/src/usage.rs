//! What passed in a clock hour, and the points of a graph.
//!
//! An hour is kept in buckets of one grain; older ones are made coarser. A maximum is that of the highest
//! window of 10 s.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use jiff::Timestamp;

use crate::NodeId;

/// Seconds of an hour; every grain divides it.
pub const HOUR_S: u16 = 3600;

/// Seconds of the windows whose highest is a maximum.
pub const WINDOW_S: u64 = 10;

/// One direction for some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// IP bytes that passed.
    pub bytes: u64,
    /// The most bytes of one window.
    pub window_bytes_max: u64,
    /// IP bytes that the meter refused.
    pub refused_bytes: u64,
    /// Seconds in which the meter refused or held back packets.
    pub limited_s: u64,
}

/// Both directions for some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Instance to Internet.
    pub up: Flow,
    /// Internet to instance.
    pub down: Flow,
    /// Some of it was split over time from a longer reading.
    pub estimated: bool,
}

/// The length of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// As agents send them.
    Minute,
    /// Fifteen minutes.
    Quarter,
    /// The whole hour.
    Hour,
}

/// What passed in one clock hour, by buckets of one grain. A bucket that is not there was not measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageHour {
    /// How long a bucket is.
    pub grain: Grain,
    /// By their place in the hour.
    pub buckets: BTreeMap<u8, Passed>,
}

/// A bucket of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its start.
    pub start: Timestamp,
    /// What passed.
    pub passed: Passed,
}

impl Flow {
    /// This and `other`, which passed at the same time in another place: their highest windows may coincide.
    fn beside(self, other: Self) -> Self {
        let sum = self.then(other);
        let windows = self.window_bytes_max.saturating_add(other.window_bytes_max);
        Self {
            window_bytes_max: windows.min(sum.bytes),
            limited_s: self.limited_s.max(other.limited_s),
            ..sum
        }
    }

    /// This and `other`, which passed before or after it.
    fn then(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            window_bytes_max: self.window_bytes_max.max(other.window_bytes_max),
            refused_bytes: self.refused_bytes.saturating_add(other.refused_bytes),
            limited_s: self.limited_s.saturating_add(other.limited_s),
        }
    }

    /// The average over `period_s` seconds, bits per second.
    pub fn average_bps(self, period_s: NonZeroU16) -> u64 {
        let bits = u128::from(self.bytes) * 8 / u128::from(period_s.get());
        u64::try_from(bits).unwrap_or(u64::MAX)
    }

    /// The rate of the highest window, bits per second.
    pub fn max_bps(self) -> u64 {
        self.window_bytes_max.saturating_mul(8) / WINDOW_S
    }
}

impl Passed {
    /// This and `other`, which passed at the same time in another place.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        let estimated = self.estimated || other.estimated;
        Self { up: self.up.beside(other.up), down: self.down.beside(other.down), estimated }
    }

    /// This and `other`, which passed before or after it.
    #[must_use]
    pub fn then(self, other: Self) -> Self {
        let estimated = self.estimated || other.estimated;
        Self { up: self.up.then(other.up), down: self.down.then(other.down), estimated }
    }
}

impl Grain {
    /// All, the finest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Quarter, Self::Hour];

    /// Seconds of a bucket.
    pub const fn seconds(self) -> NonZeroU16 {
        let seconds = match self {
            Self::Minute => NonZeroU16::new(60),
            Self::Quarter => NonZeroU16::new(900),
            Self::Hour => NonZeroU16::new(HOUR_S),
        };
        match seconds {
            Some(seconds) => seconds,
            None => NonZeroU16::MIN,
        }
    }

    /// The grain of `seconds`.
    pub fn of_seconds(seconds: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|grain| grain.seconds().get() == seconds)
    }
}

impl Default for UsageHour {
    fn default() -> Self {
        Self { grain: Grain::Minute, buckets: BTreeMap::new() }
    }
}

impl UsageHour {
    /// Adds what passed in the minute `minute` of the hour, beside what is there of it already.
    pub fn add(&mut self, minute: u8, passed: Passed) {
        let place = u16::from(minute) * Grain::Minute.seconds().get() / self.grain.seconds();
        let bucket = self.buckets.entry(place as u8).or_default();
        *bucket = bucket.then(passed);
        let longest = u64::from(self.grain.seconds().get());
        for flow in [&mut bucket.up, &mut bucket.down] {
            flow.limited_s = flow.limited_s.min(longest);
        }
    }

    /// All of it.
    pub fn total(&self) -> Passed {
        self.buckets.values().fold(Passed::default(), |sum, passed| sum.then(*passed))
    }

    /// The same in coarser buckets; in finer ones it cannot be had.
    #[must_use]
    pub fn coarser(&self, grain: Grain) -> Self {
        let grain = grain.max(self.grain);
        let mut coarse = Self { grain, buckets: BTreeMap::new() };
        for (place, passed) in &self.buckets {
            let place = u16::from(*place) * self.grain.seconds().get() / grain.seconds();
            let bucket = coarse.buckets.entry(place as u8).or_default();
            *bucket = bucket.then(*passed);
        }
        coarse
    }
}

/// The start of the clock hour of `at`; the same in every zone of whole hours.
pub fn hour_of(at: Timestamp) -> Timestamp {
    start_of(at, HOUR_S)
}

/// The points of `period` in `[from, to)`. Hours of one node join what several plans had there; those of
/// several nodes lie beside each other. Hours that are kept coarser than `period` give no points.
pub fn points<'a>(
    hours: impl IntoIterator<Item = (&'a NodeId, Timestamp, &'a UsageHour)>,
    (from, to): (Timestamp, Timestamp),
    period: Grain,
) -> Vec<Point> {
    let mut by_node: BTreeMap<(i64, &NodeId), Passed> = BTreeMap::new();
    for (node, hour, usage) in hours.into_iter().filter(|(_, _, usage)| usage.grain <= period) {
        for (place, passed) in &usage.buckets {
            let start = hour.as_second() + i64::from(*place) * i64::from(usage.grain.seconds().get());
            let sum = by_node.entry((start, node)).or_default();
            *sum = sum.then(*passed);
        }
    }
    let mut fine: BTreeMap<i64, Passed> = BTreeMap::new();
    for ((start, _), passed) in by_node {
        fine.entry(start).and_modify(|sum| *sum = sum.beside(passed)).or_insert(passed);
    }
    let mut points: BTreeMap<Timestamp, Passed> = BTreeMap::new();
    for (start, passed) in fine {
        let Ok(start) = Timestamp::from_second(start) else { continue };
        let sum = points.entry(start_of(start, period.seconds().get())).or_default();
        *sum = sum.then(passed);
    }
    let within = points.into_iter().filter(|(start, _)| (from..to).contains(start));
    within.map(|(start, passed)| Point { start, passed }).collect()
}

fn start_of(at: Timestamp, seconds: u16) -> Timestamp {
    let second = at.as_microsecond().div_euclid(1_000_000);
    let second = second - second.rem_euclid(i64::from(seconds));
    Timestamp::from_second(second).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flow(bytes: u64, window: u64) -> Flow {
        Flow { bytes, window_bytes_max: window, refused_bytes: bytes / 7, limited_s: bytes % 61 }
    }

    fn down(bytes: u64, window: u64) -> Passed {
        Passed { down: flow(bytes, window), ..Passed::default() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    fn node(letter: char) -> NodeId {
        format!("nd-{}", String::from(letter).repeat(17)).parse().expect("an id")
    }

    #[test]
    fn an_average_is_over_the_whole_period_and_a_maximum_over_ten_seconds() {
        let flow = flow(7_500_000, 2_500_000);
        assert_eq!(flow.average_bps(Grain::Minute.seconds()), 1_000_000);
        assert_eq!(flow.max_bps(), 2_000_000);
    }

    #[test]
    fn a_minute_that_nobody_measured_is_a_gap_and_one_without_traffic_is_zero() {
        let mut hour = UsageHour::default();
        hour.add(0, down(60, 10));
        hour.add(2, Passed::default());
        let node = node('a');
        let found = points([(&node, at(7200), &hour)], (at(0), at(99_999)), Grain::Minute);
        let starts: Vec<i64> = found.iter().map(|point| point.start.as_second()).collect();
        assert_eq!(starts, [7200, 7320]);
        assert_eq!(found[1].passed, Passed::default());
    }

    #[test]
    fn what_two_plans_had_of_a_minute_is_joined_and_what_two_nodes_had_lies_beside() {
        let mut hour = UsageHour::default();
        hour.add(1, down(100, 60));
        let (a, b) = (node('a'), node('b'));
        let range = (at(0), at(3600));
        let joined = points([(&a, at(0), &hour), (&a, at(0), &hour)], range, Grain::Minute);
        assert_eq!((joined[0].passed.down.bytes, joined[0].passed.down.window_bytes_max), (200, 60));
        let beside = points([(&a, at(0), &hour), (&b, at(0), &hour)], range, Grain::Minute);
        assert_eq!((beside[0].passed.down.bytes, beside[0].passed.down.window_bytes_max), (200, 120));
    }

    #[test]
    fn hours_that_are_kept_coarser_have_no_finer_points() {
        let mut hour = UsageHour::default();
        hour.add(17, down(5, 5));
        let hour = hour.coarser(Grain::Quarter);
        let node = node('a');
        let of = |period| points([(&node, at(0), &hour)], (at(0), at(3600)), period);
        assert_eq!(of(Grain::Minute), []);
        assert_eq!(of(Grain::Quarter)[0].start, at(900));
        assert_eq!(of(Grain::Hour)[0].start, at(0));
    }

    proptest! {
        #[test]
        fn every_grain_has_the_same_bytes_and_the_same_maximum(
            minutes in prop::collection::vec((0_u8..60, 0_u64..1 << 50, 0_u64..1 << 40), 0..90),
        ) {
            let mut hour = UsageHour::default();
            for (minute, bytes, window) in &minutes {
                hour.add(*minute, down(*bytes, *window));
            }
            let whole = hour.total();
            prop_assert_eq!(whole.down.bytes, minutes.iter().map(|(_, bytes, _)| bytes).sum::<u64>());
            for grain in Grain::ALL {
                let coarse = hour.coarser(grain);
                prop_assert_eq!(coarse.total(), whole);
                prop_assert_eq!(coarse.coarser(Grain::Minute), coarse.clone());
                let node = node('a');
                let points = points([(&node, at(3600), &hour)], (at(0), at(9000)), grain);
                let bytes: u64 = points.iter().map(|point| point.passed.down.bytes).sum();
                let max = points.iter().map(|point| point.passed.down.window_bytes_max).max();
                prop_assert_eq!((bytes, max.unwrap_or(0)), (whole.down.bytes, whole.down.window_bytes_max));
                let second = i64::from(grain.seconds().get());
                prop_assert!(points.iter().all(|point| point.start.as_second() % second == 0));
            }
        }

        #[test]
        fn what_lies_beside_loses_no_byte_and_no_maximum(a in 0_u64..1 << 60, b in 0_u64..1 << 60) {
            let both = down(a, a / 2).beside(down(b, b / 2)).down;
            prop_assert_eq!(both.bytes, a + b);
            prop_assert!(both.window_bytes_max >= (a / 2).max(b / 2) && both.window_bytes_max <= both.bytes);
        }
    }
}
