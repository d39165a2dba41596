//! The state in force: from the file, or from the copy of what was last put in force.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::desired::{self, Desired};
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

impl Source {
    /// Reads and checks a state file.
    pub fn read(path: &Path) -> Result<Self, Box<desired::StateError>> {
        Self::of(path, desired::bytes(path)?)
    }

    /// Reads and checks the state file unless it holds what was last put in force.
    pub fn read_changed(place: &Place) -> Result<Option<Self>, Box<desired::StateError>> {
        let bytes = desired::bytes(&place.state_file)?;
        if is_applied(place, &bytes) {
            return Ok(None);
        }
        Self::of(&place.state_file, bytes).map(Some)
    }

    fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, Box<desired::StateError>> {
        Ok(Self { desired: desired::checked(path, &bytes)?, path: path.to_owned(), bytes })
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

/// Notes why the state file is not in force, for `status`.
pub fn note_refused(place: &Place, reason: &str) {
    if let Err(error) = fs::write(place.refused(), reason) {
        tracing::warn!(%error, "the refusal could not be noted for status");
    }
}
