//! The state in force: from the file, or from the copy of what was last put in force.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::desired::{self, Desired, OriginSpec};
use crate::place::Place;
use crate::reconcile::error::ReconcileError;

/// A state that was read and checked, with the bytes it came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The checked state.
    pub desired: Desired,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Why a state is not taken.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Refusal {
    /// Which state of the control plane it is, where it says so.
    pub origin: Option<OriginSpec>,
    /// What is wrong with it.
    pub error: Box<desired::StateError>,
}

impl From<Box<desired::StateError>> for Refusal {
    fn from(error: Box<desired::StateError>) -> Self {
        Self { origin: None, error }
    }
}

impl Source {
    /// Reads and checks a state file.
    pub fn read(path: &Path) -> Result<Self, Refusal> {
        Self::of(path, desired::bytes(path)?)
    }

    /// Reads and checks the state file unless it holds what was last put in force, or is still to come from
    /// the control plane.
    pub fn read_changed(place: &Place) -> Result<Option<Self>, Refusal> {
        if place.has_received_nothing() {
            return Ok(None);
        }
        let bytes = desired::bytes(&place.state_file)?;
        if is_applied(place, &bytes) {
            return Ok(None);
        }
        Self::of(&place.state_file, bytes).map(Some)
    }

    fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, Refusal> {
        match desired::checked(path, &bytes) {
            Ok(desired) => Ok(Self { desired, path: path.to_owned(), bytes }),
            Err(error) => Err(Refusal { origin: desired::origin(&bytes), error }),
        }
    }

    /// An error that this state led to, with its place in the file where the state is at fault.
    pub fn explain(&self, error: ReconcileError) -> ReconcileError {
        match error {
            ReconcileError::Plan(error) => {
                desired::unfit(&self.path, &self.bytes, error.part(), &error).into()
            }
            other => other,
        }
    }

    /// Keeps a copy of what is in force now and forgets the last refusal.
    pub fn note_applied(&self, place: &Place) -> io::Result<()> {
        if !is_applied(place, &self.bytes) {
            let next = place.state_dir.join("applied.yaml.next");
            let mut file = fs::File::create(&next)?;
            file.write_all(&self.bytes)?;
            file.sync_all()?;
            fs::rename(next, place.applied())?;
        }
        forget_refusal(place)
    }
}

/// What of `desired` is to be in force at `now`. The node's own switch lets everything pass, whatever the
/// control plane says.
pub fn in_force<'a>(place: &Place, desired: &'a Desired, now: Timestamp) -> Cow<'a, Desired> {
    let mut desired = desired.at(now);
    if place.is_controlled() && !desired.bypass && place.bypass().exists() {
        desired.to_mut().bypass = true;
    }
    desired
}

fn is_applied(place: &Place, bytes: &[u8]) -> bool {
    fs::read(place.applied()).is_ok_and(|applied| applied == bytes)
}

/// Forgets why the state file was not in force.
pub fn forget_refusal(place: &Place) -> io::Result<()> {
    match fs::remove_file(place.refused()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Notes that the state file is not in force and why, for `status`.
pub fn note_refused(place: &Place, what: &str) {
    if let Err(error) = fs::write(place.refused(), what) {
        tracing::warn!(%error, "the refusal could not be noted for status");
    }
}
