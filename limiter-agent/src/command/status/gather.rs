//! Reads the node: maps, devices, the state last put in force.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Context as _;
use jiff::Timestamp;
use limiter_common::meter::{Direction, Meter};
use limiter_common::verdict::{Reason, Tally};

use crate::clock;
use crate::control::Record;
use crate::dataplane::{Maps, attach};
use crate::desired::{self, Desired};
use crate::egress::Gate;
use crate::metering::Health;
use crate::netlink::Netlink;
use crate::place::Place;
use crate::reading::Owners;
use crate::reconcile::observe::{self, observe};
use crate::reconcile::observed::{Observed, ObservedEgress};
use crate::reconcile::undo::Undo;
use crate::reconcile::wanted::Wanted;
use crate::state;

/// All that a status is made from, read at one moment.
pub(super) struct View {
    /// The agent runs.
    pub(super) agent_running: bool,
    /// The kernel has TCX.
    pub(super) has_tcx: bool,
    /// What an operator must know.
    pub(super) problems: Vec<String>,
    /// How the link to the control plane is, where there is one.
    pub(super) control: Option<Record>,
    /// How metering is, where anything is measured.
    pub(super) metering: Option<Health>,
    /// Wall time of this reading.
    pub(super) at: Timestamp,
    /// The state last put in force.
    pub(super) desired: Desired,
    /// Devices, hooks and the content of the maps.
    pub(super) observed: Observed,
    /// The content that the state asks for; none where it does not fit the node any more.
    pub(super) wanted: Option<Wanted>,
    /// Who owns which slot.
    pub(super) owners: Owners,
    /// The meters.
    pub(super) readings: Readings,
    /// Packets by what happened to them.
    pub(super) reasons: Vec<(Reason, Direction, Tally)>,
    /// The kernel program's clock, nanoseconds.
    pub(super) now_ns: u64,
}

impl View {
    /// Reads all of it; needs no running agent.
    pub(super) async fn read(place: &Place) -> anyhow::Result<Self> {
        let maps = Maps::open(&place.pins)?.with_context(|| {
            format!("the limiter is not installed here: no maps in {}", place.pins.display())
        })?;
        let mut problems = Vec::new();
        let desired = match desired::load(&place.applied()) {
            Ok(desired) => state::in_force(place, &desired, clock::wall()).into_owned(),
            Err(error) => {
                problems.push(format!(
                    "names are not known, the state last put in force is not readable: {error}"
                ));
                desired::check(&desired::NodeState::default())?
            }
        };
        if let Ok(what) = std::fs::read_to_string(place.refused()) {
            problems.push(what.trim().to_owned());
        }
        let damaged = place.damaged_usage(1);
        if damaged.exists() {
            problems.push(format!(
                "a record of what was measured was damaged, and what was not sent of it is lost to bills; it is kept \
                 as {}: move it away when nobody needs it",
                damaged.display()
            ));
        }
        let mut observed = observe(&maps, None, &mut Netlink::open()?).await?;
        match egress(place, &desired).await {
            Ok(egress) => observed.egress = egress,
            Err(error) => problems.push(format!("egress addresses are not known: {error:#}")),
        }
        let wanted = Wanted::of(&desired, &observed);
        let wanted =
            wanted.map_err(|error| problems.push(format!("the state does not fit this node: {error}"))).ok();
        let owners = Owners::of(observed.kernel.owners.iter().copied());
        let reasons = maps.reasons()?;
        let readings = Readings::take(&maps, &owners);
        Ok(Self {
            agent_running: place.is_locked(),
            has_tcx: attach::has_tcx(),
            problems,
            control: Record::read(place),
            metering: Health::read(place),
            at: clock::wall(),
            desired,
            observed,
            wanted,
            owners,
            readings,
            reasons,
            now_ns: clock::monotonic_ns(),
        })
    }
}

/// What the node has of egress addresses, as seen from outside of the agent: what it knows of connections is
/// not asked.
pub(in crate::command) async fn egress(
    place: &Place,
    desired: &Desired,
) -> anyhow::Result<Option<ObservedEgress>> {
    let undo = Undo::open(&place.state_dir)?;
    let egress = observe::egress(desired, &mut Gate::open(), &undo).await?;
    Ok(egress.map(|egress| ObservedEgress { are_connections_doubted: false, ..egress }))
}

/// All meters in use at one moment.
pub(super) struct Readings {
    /// When they were read.
    pub(super) at: Instant,
    /// Which meters: those of other maps or owners are others.
    meters_id: u32,
    slots: HashMap<u32, (u32, [Meter; 2])>,
}

impl Readings {
    /// Reads the meters of every slot that somebody owns.
    pub(super) fn take(maps: &Maps, owners: &Owners) -> Self {
        let meters = maps.meters();
        let read = |slot| (meters.owner(slot).generation, Direction::ALL.map(|way| meters.read(slot, way)));
        Self {
            at: Instant::now(),
            meters_id: maps.meters_id(),
            slots: owners.slots().map(|slot| (slot, read(slot))).collect(),
        }
    }

    /// The meters of a slot, up and down.
    pub(super) fn meters(&self, slot: u32) -> Option<[Meter; 2]> {
        self.slots.get(&slot).map(|(_, meters)| *meters)
    }

    /// The meters that the slot's owner of now had at this `earlier` reading.
    pub(super) fn before(&self, earlier: &Self, slot: u32) -> Option<[Meter; 2]> {
        let (generation, _) = self.slots.get(&slot)?;
        let (old, meters) = earlier.slots.get(&slot)?;
        (self.meters_id == earlier.meters_id && old == generation).then_some(*meters)
    }

    /// Reads the meters without anything else, for a first rate.
    pub(super) fn first(place: &Place) -> anyhow::Result<Option<Self>> {
        let Some(maps) = Maps::open(&place.pins)? else { return Ok(None) };
        Ok(Some(Self::take(&maps, &Owners::read(maps.meters()))))
    }
}
