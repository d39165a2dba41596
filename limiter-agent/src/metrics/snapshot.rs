//! A reading of the node, and the page it becomes.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use limiter_common::meter::{Direction, Meter};
use limiter_common::verdict::{Reason, Tally};

use super::drops::Side;
use super::list::{self, Metric};
use super::page::Page;
use super::rounds::Rounds;
use crate::clock;
use crate::control::Record;
use crate::dataplane::attach;
use crate::metering::Health;
use crate::reading::rate_bps;

/// Labels and meter of one direction.
pub(super) type Series<const N: usize> = ([Arc<str>; N], Meter);

/// The node at one moment.
pub(super) struct Snapshot {
    /// How the link to the control plane is, where there is one.
    pub(super) link: Option<Record>,
    /// How metering is, where anything is measured.
    pub(super) metering: Option<Health>,
    pub(super) zones: Vec<ZoneView>,
    pub(super) queued_packets: [u64; 2],
    pub(super) dropped_packets: [u64; 2],
    pub(super) reasons: Vec<(Reason, Direction, Tally)>,
    pub(super) unknown: u64,
    pub(super) bypass: bool,
    pub(super) slots: u64,
    pub(super) slots_used: u64,
    pub(super) instances: Vec<(Arc<str>, usize)>,
    pub(super) networks: Vec<Series<2>>,
}

/// A zone.
pub(super) struct ZoneView {
    pub(super) name: String,
    /// Not in force, in force.
    pub(super) interfaces: [u64; 2],
    pub(super) shapes: [bool; 2],
}

impl Snapshot {
    /// The page, with the `instances` of a network where they are asked for.
    pub(super) fn page(&self, rounds: &Rounds, is_refused: bool, instances: &[Series<3>]) -> String {
        let mut page = Page::default();
        self.node(&mut page, rounds, is_refused);
        self.zones(&mut page);
        self.packets(&mut page);
        self.networks(&mut page);
        if !instances.is_empty() {
            of_meters(&mut page, OF_INSTANCE, instances);
        }
        page.into_text()
    }

    fn node(&self, page: &mut Page, rounds: &Rounds, is_refused: bool) {
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let hooks = if attach::has_tcx() { "tcx" } else { "clsact" };
        page.add(&list::INFO, [([env!("CARGO_PKG_VERSION"), &kernel, hooks], 1)]);
        page.add(&list::BYPASS, [([], u64::from(self.bypass))]);
        page.add(&list::REFUSED, [([], u64::from(is_refused))]);
        let link = self.link.as_ref();
        let contact = link.and_then(|link| u64::try_from(link.contact?.as_second()).ok());
        page.add(&list::CONTACT, contact.map(|seconds| ([], seconds)));
        let broken = link.map(|link| link.problem.is_some() || link.ack_problem.is_some());
        page.add(&list::LINK_BROKEN, broken.map(|broken| ([], u64::from(broken))));
        self.metering(page);
        page.add(&list::ROUNDS, rounds.rounds().map(|(result, count)| ([result], count)));
        page.add(&list::ACTIONS, rounds.actions().map(|(cause, count)| ([cause], count)));
        page.add(&list::SLOTS, [([], self.slots)]);
        page.add(&list::SLOTS_USED, [([], self.slots_used)]);
        page.add(&list::UNKNOWN, [([], self.unknown)]);
    }

    fn metering(&self, page: &mut Page) {
        let health = self.metering.as_ref();
        let seconds = |at: Timestamp| u64::try_from(at.as_second()).ok();
        let recorded = health.and_then(|health| seconds(health.durable?));
        page.add(&list::METERING_RECORDED, recorded.map(|seconds| ([], seconds)));
        let broken = health.into_iter().flat_map(|health| {
            let record = health.problem_at(clock::wall()).is_some();
            [("record", record), ("send", health.send_problem.is_some())]
        });
        page.add(&list::METERING_BROKEN, broken.map(|(what, broken)| ([what], u64::from(broken))));
        page.add(&list::METERING_WAITING, health.map(|health| ([], health.waiting_batches)));
        page.add(&list::METERING_WAITING_BYTES, health.map(|health| ([], health.waiting_bytes)));
        let oldest = health.and_then(|health| seconds(health.oldest?));
        page.add(&list::METERING_OLDEST, oldest.map(|seconds| ([], seconds)));
    }

    fn zones(&self, page: &mut Page) {
        let interfaces = self.zones.iter().flat_map(|ZoneView { name, interfaces: [not, yes], .. }| {
            [([name.as_str(), "true"], *yes), ([name.as_str(), "false"], *not)]
        });
        page.add(&list::INTERFACES, interfaces);
        let shaping = self.zones.iter().flat_map(|zone| {
            Direction::ALL.map(|way| ([zone.name.as_str(), way.name()], u64::from(zone.shapes[way as usize])))
        });
        page.add(&list::SHAPING, shaping);
        page.add(&list::FQ_QUEUED, Side::ALL.map(|side| ([side.name()], self.queued_packets[side as usize])));
        page.add(
            &list::FQ_DROPPED,
            Side::ALL.map(|side| ([side.name()], self.dropped_packets[side as usize])),
        );
    }

    fn packets(&self, page: &mut Page) {
        let tallies: HashMap<(Reason, Direction), Tally> =
            self.reasons.iter().map(|&(reason, way, tally)| ((reason, way), tally)).collect();
        // A counter is there from the start, or its first step would be missed.
        let all = |value: fn(&Tally) -> u64| {
            let tallies = &tallies;
            let reasons = Reason::ALL.into_iter().filter(|reason| *reason != Reason::Admitted);
            reasons.flat_map(move |reason| {
                let verdict = if reason.passes() { "pass" } else { "drop" };
                Direction::ALL.map(|way| {
                    let tally = tallies.get(&(reason, way)).copied().unwrap_or_default();
                    ([reason.name(), verdict, way.name()], value(&tally))
                })
            })
        };
        page.add(&list::PACKETS, all(|tally| tally.packets));
        page.add(&list::FRAME_BYTES, all(|tally| tally.bytes));
    }

    fn networks(&self, page: &mut Page) {
        let instances = self.instances.iter().map(|(name, count)| ([&**name], *count as u64));
        page.add(&list::NETWORK_INSTANCES, instances);
        of_meters(page, OF_NETWORK, &self.networks);
    }
}

/// Limit, passed bytes and packets, refused bytes and packets.
const OF_NETWORK: [&Metric; 5] = [
    &list::NETWORK_LIMIT,
    &list::NETWORK_PASSED_BYTES,
    &list::NETWORK_PASSED_PACKETS,
    &list::NETWORK_REFUSED_BYTES,
    &list::NETWORK_REFUSED_PACKETS,
];

/// The same of an instance.
const OF_INSTANCE: [&Metric; 5] = [
    &list::INSTANCE_LIMIT,
    &list::INSTANCE_PASSED_BYTES,
    &list::INSTANCE_PASSED_PACKETS,
    &list::INSTANCE_REFUSED_BYTES,
    &list::INSTANCE_REFUSED_PACKETS,
];

fn of_meters<const N: usize>(page: &mut Page, metrics: [&Metric; 5], series: &[Series<N>]) {
    let [limit, passed_bytes, passed_packets, refused_bytes, refused_packets] = metrics;
    let limits =
        series.iter().filter_map(|(names, meter)| Some((borrowed(names), rate_bps(meter.cost_per_byte)?)));
    page.add(limit, limits);
    let mut counter = |metric, value: fn(&Meter) -> u64| {
        page.add(metric, series.iter().map(|(names, meter)| (borrowed(names), value(meter))));
    };
    counter(passed_bytes, |meter| meter.passed_bytes);
    counter(passed_packets, |meter| meter.passed_packets);
    counter(refused_bytes, |meter| meter.refused_bytes);
    counter(refused_packets, |meter| meter.refused_packets);
}

fn borrowed<const N: usize>(labels: &[Arc<str>; N]) -> [&str; N] {
    labels.each_ref().map(|label| &**label)
}
