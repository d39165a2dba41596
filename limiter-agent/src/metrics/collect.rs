//! Reads the node when a page is asked for.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use limiter_common::meter::Direction;
use limiter_common::node::Node;
use tokio::sync::Mutex;

use super::drops::{self, Drops, Side};
use super::rounds::Rounds;
use super::server::{Failure, Source};
use super::snapshot::{Series, Snapshot, ZoneView};
use crate::control::Record;
use crate::dataplane::attach::Loaded;
use crate::dataplane::{DataPlaneError, Maps, MeterArray};
use crate::desired::{self, Desired};
use crate::metering::Health;
use crate::netlink::{Netlink, NetlinkError, Qdisc};
use crate::place::Place;
use crate::reading::Owners;
use crate::reconcile::bound::Shaping;
use crate::reconcile::error::ReconcileError;
use crate::reconcile::observed::Observed;
use crate::reconcile::{interfaces, mode, observe};

/// A page asked for sooner after the last one shows the same reading.
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
        let link = Record::read(&self.place);
        let health = Health::read(&self.place);
        let snapshot = Arc::new(memory.read(&state, &maps, &observed, (link, health))?);
        memory.last = Some((Instant::now(), Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    /// The instances of a network; none where there is no such network.
    fn instances(&self, network: &str) -> Result<Option<Vec<Series<3>>>, ReadError> {
        let state = desired::load(&self.place.applied())?;
        let Some(network) = state.networks.iter().find(|known| &*known.name == network) else {
            return Ok(None);
        };
        let maps = Maps::open(&self.place.pins)?.ok_or(ReadError::NoMaps)?;
        let owners = Owners::read(maps.meters());
        let instances = state.instances[network.instances.clone()].iter();
        let metered = instances.filter_map(|instance| Some((instance, owners.instance(&instance.id)?)));
        let series = metered.flat_map(|(instance, slot)| {
            let labels = |way: Direction| [network.name.clone(), instance.name.clone(), way.name().into()];
            Direction::ALL.map(|way| (labels(way), maps.meters().read(slot, way)))
        });
        Ok(Some(series.collect()))
    }
}

impl Source for Collector {
    async fn page(&self, instances: Option<&str>) -> Result<String, Failure> {
        let unreadable = |error: ReadError| Failure::Unreadable(error.to_string());
        let instances = match instances {
            Some(network) => self.instances(network).map_err(unreadable)?.ok_or(Failure::NoNetwork)?,
            None => Vec::new(),
        };
        let snapshot = self.snapshot().await.map_err(unreadable)?;
        Ok(snapshot.page(&self.rounds, self.place.refused().exists(), &instances))
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
    Netlink(#[from] NetlinkError),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
}

/// What is kept from page to page.
#[derive(Default)]
struct Memory {
    last: Option<(Instant, Arc<Snapshot>)>,
    /// The state last put in force without its instances, by what tells one file from another.
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
                // Instances may be a hundred thousand, and the networks know how many they have.
                let state = Arc::new(Desired { instances: Vec::new(), ..desired::load(&path)? });
                self.state = stamp.map(|stamp| (stamp, Arc::clone(&state)));
                Ok(state)
            }
        }
    }

    fn read(
        &mut self,
        state: &Desired,
        maps: &Maps,
        observed: &Observed,
        (link, metering): (Option<Record>, Option<Health>),
    ) -> Result<Snapshot, ReadError> {
        let uplinks = interfaces::uplinks(state, observed).unwrap_or_default();
        let ours = interfaces::matched(state, observed).unwrap_or_default();
        let known = maps.interfaces().all();
        let mut in_force = vec![[0; 2]; state.zones.len()];
        for (ifindex, entry) in &ours {
            let holds = known.contains_key(ifindex) && observed.bare(*ifindex).is_empty();
            in_force[state.interfaces[*entry].zone][usize::from(holds)] += 1;
        }
        let modes = mode::in_force(state, observed, &ours);
        let zones = state.zones.iter().zip(in_force).enumerate();
        let zones = zones.map(|(index, (zone, interfaces))| ZoneView {
            name: zone.name.clone(),
            interfaces,
            shapes: Direction::ALL.map(|way| modes.shaping(index, way) == Shaping::Shape),
        });
        let side = |qdisc: &Qdisc| match qdisc.ifindex {
            ifindex if uplinks.contains(&ifindex) => Some(Side::Uplink),
            ifindex if ours.contains_key(&ifindex) => Some(Side::Instance),
            _ => None,
        };
        let fq = observed.qdiscs.iter().filter(|qdisc| qdisc.kind == "fq");
        let fq: Vec<(Side, &Qdisc)> = fq.filter_map(|qdisc| Some((side(qdisc)?, qdisc))).collect();
        self.drops.note(&fq);
        let owners = Owners::read(maps.meters());
        Ok(Snapshot {
            link,
            metering,
            zones: zones.collect(),
            queued_packets: Side::ALL.map(|side| drops::queued(&fq, side)),
            dropped_packets: self.drops.packets,
            reasons: maps.reasons()?,
            unknown: maps.unknown()?.len() as u64,
            bypass: maps.node()?.flags & Node::BYPASS != 0,
            slots: u64::from(maps.meters().slots().saturating_sub(1)),
            slots_used: owners.slots().len() as u64,
            instances: state
                .networks
                .iter()
                .map(|network| (network.name.clone(), network.instances.len()))
                .collect(),
            networks: networks(state, &owners, maps.meters()),
        })
    }
}

fn networks(state: &Desired, owners: &Owners, meters: &MeterArray) -> Vec<Series<2>> {
    let metered = state.networks.iter().filter_map(|network| Some((network, owners.network(&network.id)?)));
    let series = metered.flat_map(|(network, slot)| {
        Direction::ALL.map(|way| ([network.name.clone(), way.name().into()], meters.read(slot, way)))
    });
    series.collect()
}
