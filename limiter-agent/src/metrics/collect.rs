//! Reads the node when a page is asked for.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use limiter_common::meter::{Direction, Meter};
use limiter_common::node::Node;
use limiter_common::verdict::{Reason, Tally};
use tokio::sync::Mutex;

use super::list::{self, Metric};
use super::page::Page;
use super::rounds::Rounds;
use super::server::{Failure, Source};
use crate::dataplane::attach::{self, Loaded};
use crate::dataplane::{DataPlaneError, Maps};
use crate::desired::{self, Desired, Network};
use crate::netlink::{Netlink, Qdisc};
use crate::place::Place;
use crate::reading::{Owners, rate_bps};
use crate::reconcile::bound::Shaping;
use crate::reconcile::error::ReconcileError;
use crate::reconcile::observed::Observed;
use crate::reconcile::{interfaces, mode, observe};

/// A page asked for sooner after the last one is made from the same reading of devices; meters are
/// always read anew.
const FRESH: Duration = Duration::from_secs(1);

/// Makes pages of the metrics of a node.
pub struct Collector {
    place: Place,
    programs: Vec<Loaded>,
    rounds: Arc<Rounds>,
    memory: Mutex<Memory>,
}

impl Collector {
    /// For the agent at `place`, whose `programs` may be attached.
    pub fn new(place: Place, programs: Vec<Loaded>, rounds: Arc<Rounds>) -> Self {
        Self { place, programs, rounds, memory: Mutex::default() }
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>, ReadError> {
        let mut memory = self.memory.lock().await;
        if let Some((_, snapshot)) = memory.last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(Arc::clone(snapshot));
        }
        let state = memory.state(&self.place)?;
        let maps = Maps::open(&self.place.pins)?.ok_or(ReadError::NoMaps)?;
        let observed = observe::devices(&self.programs, &mut Netlink::open()?).await?;
        let snapshot = Arc::new(memory.read(state, maps, &observed)?);
        memory.last = Some((Instant::now(), Arc::clone(&snapshot)));
        Ok(snapshot)
    }
}

impl Source for Collector {
    async fn page(&self, instances: Option<&str>) -> Result<String, Failure> {
        let snapshot = self.snapshot().await.map_err(|error| Failure::Unreadable(error.to_string()))?;
        let is_refused = self.place.refused().exists();
        snapshot.page(&self.rounds, is_refused, instances).ok_or(Failure::NoNetwork)
    }
}

/// Why the node cannot be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the limiter is not installed here: no pinned maps")]
    NoMaps,
    #[error(transparent)]
    State(#[from] Box<desired::StateError>),
    #[error(transparent)]
    DataPlane(#[from] DataPlaneError),
    #[error(transparent)]
    Netlink(#[from] crate::netlink::NetlinkError),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
}

/// What is kept from page to page.
#[derive(Default)]
struct Memory {
    last: Option<(Instant, Arc<Snapshot>)>,
    /// The state last put in force, by what tells one file from another.
    state: Option<((u64, i64, i64), Arc<Desired>)>,
    drops: Drops,
}

impl Memory {
    fn state(&mut self, place: &Place) -> Result<Arc<Desired>, ReadError> {
        let path = place.applied();
        let stamp = fs::metadata(&path).map(|file| (file.ino(), file.mtime(), file.mtime_nsec())).ok();
        match &self.state {
            Some((known, state)) if Some(*known) == stamp => Ok(Arc::clone(state)),
            _ => {
                let state = Arc::new(desired::load(&path)?.1);
                self.state = stamp.map(|stamp| (stamp, Arc::clone(&state)));
                Ok(state)
            }
        }
    }

    fn read(&mut self, state: Arc<Desired>, maps: Maps, observed: &Observed) -> Result<Snapshot, ReadError> {
        let uplinks = interfaces::uplinks(&state, observed).unwrap_or_default();
        let ours = interfaces::matched(&state, observed).unwrap_or_default();
        let known = maps.interfaces().all();
        let mut interfaces: BTreeMap<(usize, bool), u64> = BTreeMap::new();
        for (ifindex, entry) in &ours {
            let in_force = known.contains_key(ifindex) && observed.bare(*ifindex).is_empty();
            *interfaces.entry((state.interfaces[*entry].zone, in_force)).or_default() += 1;
        }
        let side = |qdisc: &Qdisc| match qdisc.ifindex {
            ifindex if uplinks.contains(&ifindex) => Some(Side::Uplink),
            ifindex if ours.contains_key(&ifindex) => Some(Side::Instance),
            _ => None,
        };
        let fq = observed.qdiscs.iter().filter(|qdisc| qdisc.kind == "fq");
        let fq: Vec<(Side, &Qdisc)> = fq.filter_map(|qdisc| Some((side(qdisc)?, qdisc))).collect();
        self.drops.note(&fq);
        let modes = mode::in_force(&state, observed, &ours);
        let shaping = |zone, way| modes.shaping(zone, way) == Shaping::Shape;
        Ok(Snapshot {
            shaping: (0..state.zones.len())
                .map(|zone| Direction::ALL.map(|way| shaping(zone, way)))
                .collect(),
            interfaces,
            queued_packets: Side::ALL.map(|side| {
                let queued = fq.iter().filter(|(of, _)| *of == side);
                queued.map(|(_, qdisc)| u64::from(qdisc.statistics.queued_packets)).sum()
            }),
            dropped_packets: self.drops.packets,
            reasons: maps.reasons()?,
            unknown: maps.unknown()?.len() as u64,
            bypass: maps.node()?.flags & Node::BYPASS != 0,
            owners: Owners::read(maps.meters()),
            state,
            maps,
        })
    }
}

/// Where a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Uplink,
    Instance,
}

impl Side {
    const ALL: [Self; 2] = [Self::Uplink, Self::Instance];

    fn name(self) -> &'static str {
        match self {
            Self::Uplink => "uplink",
            Self::Instance => "instance",
        }
    }
}

/// Drops of `fq` by side, summed so that they never go back: devices come and go, and the kernel's
/// counters are of 32 bits.
#[derive(Debug, Default)]
struct Drops {
    packets: [u64; 2],
    seen: HashMap<(u32, u32, u32), u32>,
}

impl Drops {
    fn note(&mut self, fq: &[(Side, &Qdisc)]) {
        let mut seen = HashMap::with_capacity(fq.len());
        for (side, qdisc) in fq {
            let place = (qdisc.ifindex, qdisc.parent, qdisc.handle);
            let now = qdisc.statistics.dropped_packets;
            let before = self.seen.get(&place).copied().unwrap_or(0);
            let more = now.wrapping_sub(before);
            // Going back by little is a new qdisc in the old one's place, not 2^32 drops.
            let more = if now < before && more > u32::MAX / 2 { now } else { more };
            self.packets[*side as usize] += u64::from(more);
            seen.insert(place, now);
        }
        self.seen = seen;
    }
}

/// The node at one moment; meters are read when the page is made.
struct Snapshot {
    maps: Maps,
    state: Arc<Desired>,
    owners: Owners,
    shaping: Vec<[bool; 2]>,
    interfaces: BTreeMap<(usize, bool), u64>,
    queued_packets: [u64; 2],
    dropped_packets: [u64; 2],
    reasons: Vec<(Reason, Direction, Tally)>,
    unknown: u64,
    bypass: bool,
}

impl Snapshot {
    /// None where `instances` is no network.
    fn page(&self, rounds: &Rounds, is_refused: bool, instances: Option<&str>) -> Option<String> {
        let asked = match instances {
            Some(name) => Some(self.state.networks.iter().find(|network| &*network.name == name)?),
            None => None,
        };
        let mut page = Page::default();
        self.node(&mut page, rounds, is_refused);
        self.zones(&mut page);
        self.packets(&mut page);
        self.networks(&mut page);
        if let Some(network) = asked {
            self.instances(&mut page, network);
        }
        Some(page.into_text())
    }

    fn node(&self, page: &mut Page, rounds: &Rounds, is_refused: bool) {
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let hooks = if attach::has_tcx() { "tcx" } else { "clsact" };
        page.add(&list::INFO, [([env!("CARGO_PKG_VERSION"), &kernel, hooks], 1)]);
        page.add(&list::BYPASS, [([], u64::from(self.bypass))]);
        page.add(&list::REFUSED, [([], u64::from(is_refused))]);
        page.add(&list::ROUNDS, rounds.rounds().map(|(result, count)| ([result], count)));
        page.add(&list::ACTIONS, rounds.actions().map(|(cause, count)| ([cause], count)));
        page.add(&list::SLOTS, [([], u64::from(self.maps.meters().slots().saturating_sub(1)))]);
        page.add(&list::SLOTS_USED, [([], self.owners.slots().len() as u64)]);
        page.add(&list::UNKNOWN, [([], self.unknown)]);
    }

    fn zones(&self, page: &mut Page) {
        let name = |zone: usize| self.state.zones[zone].name.as_str();
        let zones = 0..self.state.zones.len();
        let count = |zone, in_force| self.interfaces.get(&(zone, in_force)).copied().unwrap_or(0);
        let interfaces = zones.clone().flat_map(|zone| {
            [("true", true), ("false", false)]
                .map(|(label, in_force)| ([name(zone), label], count(zone, in_force)))
        });
        page.add(&list::INTERFACES, interfaces);
        let shaping = zones.flat_map(|zone| {
            Direction::ALL.map(|way| ([name(zone), way.name()], u64::from(self.shaping[zone][way as usize])))
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
        let networks = &self.state.networks;
        page.add(
            &list::NETWORK_INSTANCES,
            networks.iter().map(|network| ([&*network.name], network.instances.len() as u64)),
        );
        let meters: Vec<([&str; 2], Meter)> = networks
            .iter()
            .filter_map(|network| Some((&*network.name, self.owners.network(&network.id)?)))
            .flat_map(|(name, slot)| {
                Direction::ALL.map(|way| ([name, way.name()], self.maps.meters().read(slot, way)))
            })
            .collect();
        let metrics = [
            &list::NETWORK_LIMIT,
            &list::NETWORK_PASSED_BYTES,
            &list::NETWORK_PASSED_PACKETS,
            &list::NETWORK_REFUSED_BYTES,
            &list::NETWORK_REFUSED_PACKETS,
        ];
        of_meters(page, metrics, &meters);
    }

    fn instances(&self, page: &mut Page, network: &Network) {
        let instances = self.state.instances[network.instances.clone()].iter();
        let meters: Vec<([&str; 3], Meter)> = instances
            .filter_map(|instance| Some((&*instance.name, self.owners.instance(&instance.id)?)))
            .flat_map(|(name, slot)| {
                let labels = |way: Direction| [&*network.name, name, way.name()];
                Direction::ALL.map(|way| (labels(way), self.maps.meters().read(slot, way)))
            })
            .collect();
        let metrics = [
            &list::INSTANCE_LIMIT,
            &list::INSTANCE_PASSED_BYTES,
            &list::INSTANCE_PASSED_PACKETS,
            &list::INSTANCE_REFUSED_BYTES,
            &list::INSTANCE_REFUSED_PACKETS,
        ];
        of_meters(page, metrics, &meters);
    }
}

/// Limit, passed bytes and packets, refused bytes and packets.
fn of_meters<const N: usize>(page: &mut Page, metrics: [&Metric; 5], meters: &[([&str; N], Meter)]) {
    let [limit, passed_bytes, passed_packets, refused_bytes, refused_packets] = metrics;
    page.add(
        limit,
        meters.iter().filter_map(|(labels, meter)| Some((*labels, rate_bps(meter.cost_per_byte)?))),
    );
    let mut counter = |metric, value: fn(&Meter) -> u64| {
        page.add(metric, meters.iter().map(|(labels, meter)| (*labels, value(meter))));
    };
    counter(passed_bytes, |meter| meter.passed_bytes);
    counter(passed_packets, |meter| meter.passed_packets);
    counter(refused_bytes, |meter| meter.refused_bytes);
    counter(refused_packets, |meter| meter.refused_packets);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Statistics;

    fn fq(ifindex: u32, dropped_packets: u32) -> Qdisc {
        Qdisc {
            ifindex,
            handle: 1,
            parent: 0,
            kind: "fq".into(),
            options: vec![],
            statistics: Statistics { dropped_packets, ..Statistics::default() },
        }
    }

    #[test]
    fn drops_never_go_back() {
        let mut drops = Drops::default();
        let mut after = |counters: &[(Side, u32, u32)]| {
            let qdiscs: Vec<(Side, Qdisc)> =
                counters.iter().map(|&(side, ifindex, count)| (side, fq(ifindex, count))).collect();
            drops.note(&qdiscs.iter().map(|(side, qdisc)| (*side, qdisc)).collect::<Vec<_>>());
            drops.packets
        };
        let (up, own) = (Side::Uplink, Side::Instance);
        assert_eq!(after(&[(up, 1, 5), (own, 2, 3)]), [5, 3]);
        assert_eq!(after(&[(up, 1, 7), (own, 2, 3), (own, 3, 1)]), [7, 4]);
        assert_eq!(after(&[(up, 1, 7)]), [7, 4], "devices that are gone");
        assert_eq!(after(&[(up, 1, 2)]), [9, 4], "a new qdisc in the same place");
        assert_eq!(after(&[(up, 1, u32::MAX)]), [9 + u64::from(u32::MAX) - 2, 4]);
        assert_eq!(
            after(&[(up, 1, 0)]),
            [9 + u64::from(u32::MAX) - 1, 4],
            "the counter of 32 bits begins anew"
        );
    }
}
