//! What is in force, and how it follows the state and the node.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use sd_notify::NotifyState;

use crate::clock;
use crate::control::InForce;
use crate::dataplane::{Maps, Programs};
use crate::desired::{Desired, OriginSpec};
use crate::egress::Gate;
use crate::line;
use crate::metering::{Metering, Subjects};
use crate::metrics::Rounds;
use crate::netlink::Netlink;
use crate::place::Place;
use crate::reconcile::error::ReconcileError;
use crate::reconcile::undo::Undo;
use crate::reconcile::{Node, growth, reconcile};
use crate::sizing;
use crate::state::{self, Source};
use crate::state_watch::StateWatch;

/// What is in force, and what it is put in force with.
pub(crate) struct Life {
    place: Place,
    /// The node.
    pub(crate) node: Node,
    desired: Desired,
    /// For which instant `desired` was put in force.
    seen_at: Timestamp,
    /// Whom bytes belong to.
    subjects: Arc<Subjects>,
    /// What was done, for metrics.
    pub(crate) rounds: Arc<Rounds>,
}

/// A state that is not in force as it should be.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Which state of the control plane it is, where it is one.
    pub(crate) origin: Option<OriginSpec>,
    /// Why.
    pub(crate) reason: anyhow::Error,
    /// The state is at fault, not the node.
    is_of_state: bool,
}

impl Refused {
    fn new(origin: Option<&OriginSpec>, reason: impl Into<anyhow::Error>) -> Self {
        let reason = reason.into();
        let of_state =
            |error: &ReconcileError| matches!(error, ReconcileError::Plan(_) | ReconcileError::State(_));
        let is_of_state = reason.downcast_ref().is_some_and(of_state);
        Self { origin: origin.cloned(), reason, is_of_state }
    }

    /// What is so, and why, in one line.
    pub(crate) fn sentence(&self) -> String {
        let what = if self.is_of_state {
            "the state file is refused, the last good state holds"
        } else {
            "the node is not as its state says, which is tried again"
        };
        format!("{what}: {}", self.why())
    }

    /// Why, in one line.
    pub(crate) fn why(&self) -> String {
        line::of(&format!("{:#}", self.reason), line::CHARS_MAX)
    }
}

impl From<state::Refusal> for Refused {
    fn from(refusal: state::Refusal) -> Self {
        Self { origin: refusal.origin, reason: refusal.error.into(), is_of_state: true }
    }
}

impl Life {
    /// Puts the state file in force, or what was last in force where the file is refused: a node that
    /// starts with a broken file must not run without limits. Then also what is refused. Nothing is refused
    /// where the control plane sent nothing yet.
    pub(crate) async fn begin(
        place: &Place,
        metering: Option<&Metering>,
    ) -> Result<(Self, Option<Refused>), Refused> {
        if place.has_received_nothing() {
            let (life, _) = Box::pin(Self::from(place, &place.applied(), metering)).await?;
            let forgotten = state::forget_refusal(place).context("forgetting what was refused before");
            return Ok((life, forgotten.err().map(|error| Refused::new(None, error))));
        }
        match Box::pin(Self::from(place, &place.state_file, metering)).await {
            Ok((life, source)) => match source.note_applied(place) {
                Ok(()) => Ok((life, None)),
                Err(error) => {
                    let reason = anyhow::Error::new(error).context("keeping a copy of the state");
                    Err(Refused::new(source.desired.origin.as_ref(), reason))
                }
            },
            Err(refused) => match Box::pin(Self::from(place, &place.applied(), metering)).await {
                Ok((life, _)) => Ok((life, Some(refused))),
                Err(_) => Err(refused),
            },
        }
    }

    async fn from(
        place: &Place,
        file: &Path,
        metering: Option<&Metering>,
    ) -> Result<(Self, Source), Refused> {
        let source = Source::read(file)?;
        let failed = |reason| Refused::new(source.desired.origin.as_ref(), reason);
        let node = open(place, &source, metering).await.map_err(failed)?;
        let (desired, seen_at) = (source.desired.clone(), clock::wall());
        let mut life = Self {
            place: place.clone(),
            node,
            desired,
            seen_at,
            subjects: Arc::default(),
            rounds: Arc::default(),
        };
        life.follow(None).await.map_err(|error| failed(source.explain(error).into()))?;
        life.rounds.note(true, true, life.node.actions);
        Ok((life, source))
    }

    /// Waits for the next end of a term. One that is seen late, as after a step of the clock, ends the
    /// wait at once.
    pub(crate) async fn next_end(&self) {
        let Some(end) = self.desired.next_end(self.seen_at) else { return pending().await };
        let left = end.duration_since(clock::wall());
        tokio::time::sleep(left.try_into().unwrap_or_default()).await;
    }

    /// Reads the file again and reconciles. A refused file or a failed round leaves the last good state
    /// in force, and is returned.
    pub(crate) async fn step(&mut self, file_watch: &StateWatch) -> Option<Refused> {
        let before = self.node.actions;
        self.seen_at = clock::wall();
        match self.round(file_watch).await {
            Ok(is_changed) => {
                self.rounds.note(true, is_changed, self.node.actions - before);
                None
            }
            Err(refused) => {
                let fallback = self.follow(None).await;
                self.rounds.note(fallback.is_ok(), false, self.node.actions - before);
                if let Err(error) = fallback {
                    tracing::error!(%error, "the last good state could not be put in force either");
                }
                Some(refused)
            }
        }
    }

    /// One round; true where the file held another state.
    async fn round(&mut self, file_watch: &StateWatch) -> Result<bool, Refused> {
        let read = self.read_changed(file_watch)?;
        let desired = read.as_ref().map(|read| &read.desired);
        if let Err(error) = self.follow(desired).await {
            let error = match &read {
                Some(read) => read.explain(error),
                None => error,
            };
            return Err(Refused::new(desired.unwrap_or(&self.desired).origin.as_ref(), error));
        }
        let is_changed = read.is_some();
        let noted = match read {
            None => state::forget_refusal(&self.place),
            Some(read) => {
                let noted = read.note_applied(&self.place);
                self.desired = read.desired;
                self.tell_ready();
                noted
            }
        };
        if let Err(error) = noted {
            tracing::error!(%error, "keeping a copy of the state");
        }
        Ok(is_changed)
    }

    /// The state file where it changed, unless somebody writes it right now.
    fn read_changed(&self, file_watch: &StateWatch) -> Result<Option<Source>, Refused> {
        let source = Source::read_changed(&self.place);
        // Asked after the reading, so that what was written before it is known.
        if file_watch.is_being_written() {
            let file = self.place.state_file.display();
            let reason = anyhow::anyhow!("{file}: it is being written and is read when that ends");
            return Err(Refused { origin: None, reason, is_of_state: true });
        }
        Ok(source?)
    }

    /// Puts in force what holds now of `read`, else of the state before.
    async fn follow(&mut self, read: Option<&Desired>) -> Result<(), ReconcileError> {
        let desired = state::in_force(&self.place, read.unwrap_or(&self.desired), self.seen_at);
        let Some(metering) = self.node.metering.clone() else {
            return reconcile(&mut self.node, &desired).await.map(drop);
        };
        let subjects = Arc::new(Subjects::of(&desired));
        let is_new = *subjects != *self.subjects;
        if is_new {
            metering.know(&subjects);
        }
        reconcile(&mut self.node, &desired).await?;
        if is_new {
            metering.attribute(&subjects);
            self.subjects = subjects;
        }
        Ok(())
    }

    /// What the control plane is to know.
    pub(crate) fn in_force(&self, refused: Option<Refused>) -> InForce {
        let refused = refused.and_then(|refused| Some((refused.origin.clone()?, refused.why())));
        InForce { origin: self.desired.origin.clone(), refused }
    }

    /// Says that limits hold.
    pub(crate) fn tell_ready(&self) {
        let (networks, instances) = (self.desired.networks.len(), self.desired.instances.len());
        let revision = self.desired.origin.as_ref().map(|origin| origin.revision);
        tracing::info!(networks, instances, revision, "in force");
        self.notify_ready();
    }

    /// Says so to the service manager alone.
    pub(crate) fn notify_ready(&self) {
        let (networks, instances) = (self.desired.networks.len(), self.desired.instances.len());
        let status = format!("{networks} networks and {instances} instances in force");
        let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }
}

async fn open(place: &Place, source: &Source, metering: Option<&Metering>) -> anyhow::Result<Node> {
    let mut netlink = Netlink::open()?;
    let room = growth::make_room(&place.pins, &source.desired, &mut netlink).await;
    room.map_err(|error| source.explain(error))?;
    let programs = Programs::load(&place.pins, &sizing::sizes(&source.desired))?;
    let maps = Maps::open(&place.pins)?.context("the maps just pinned are gone")?;
    let undo = Undo::open(&place.state_dir).context("reading the record for uninstall")?;
    maps.meters().begin_epoch(clock::chance() as u64);
    match metering {
        Some(metering) => {
            // Names first: what they counted before the record begins must not be taken for new.
            metering.know(&Arc::new(Subjects::of(&source.desired)));
            metering.read(maps.shared_meters());
        }
        None => maps.meters().note_recorded(),
    }
    Ok(Node { maps, programs, netlink, gate: Gate::open(), undo, metering: metering.cloned(), actions: 0 })
}
