//! The record that the control plane owns the state, and of how the link to it is: for the commands, and
//! for a start after this one.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desired::OriginSpec;
use crate::place::Place;

/// How the link is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Address of the control plane.
    pub control: String,
    /// When it answered last, as it should.
    #[serde(default)]
    pub contact: Option<Timestamp>,
    /// The state received last.
    #[serde(default)]
    pub received: Option<OriginSpec>,
    /// Why the link does not work, where it does not.
    #[serde(default)]
    pub problem: Option<String>,
    /// Why the control plane does not know what is in force, where it could not be told.
    #[serde(default)]
    pub ack_problem: Option<String>,
}

impl Record {
    /// The record; none where the node's own file is the state. One that cannot be read still says whose
    /// the state is.
    pub fn read(place: &Place) -> Option<Self> {
        let bytes = fs::read(place.control()).ok()?;
        let unreadable = || Self { control: "the control plane".into(), ..Self::default() };
        Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| unreadable()))
    }

    /// Replaces the record.
    pub fn keep(&self, place: &Place) -> io::Result<()> {
        let next = place.state_dir.join("control.json.next");
        fs::write(&next, serde_json::to_vec(self)?)?;
        fs::rename(next, place.control())
    }

    /// Gives the node back to its own state file: the record goes, and with it what the control plane sent
    /// and the bypass beside it, since the file says itself whether everything is to pass. True where
    /// there was a bypass.
    pub fn give_back_to_file(place: &Place) -> io::Result<bool> {
        remove(&place.control())?;
        remove(&place.received())?;
        remove(&place.bypass())
    }
}

/// Removes a file; false where there is none.
fn remove(file: &Path) -> io::Result<bool> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// The record of a link that runs, which notes each change in its file.
pub(super) struct Noted {
    place: Place,
    record: Mutex<Record>,
}

impl Noted {
    /// Notes the changes of `record`, which is kept already.
    pub(super) fn new(place: Place, record: Record) -> Self {
        Self { place, record: Mutex::new(record) }
    }

    /// Changes the record and keeps it where that made a difference; gives what `change` gives.
    pub(super) fn note<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let before = record.clone();
        let given = change(&mut record);
        if *record != before
            && let Err(error) = record.keep(&self.place)
        {
            tracing::warn!(%error, "the state of the link could not be noted for status");
        }
        given
    }
}

/// Refuses a change of the state here where the control plane owns it.
pub fn refuse_edit(place: &Place) -> anyhow::Result<()> {
    let Some(Record { control, .. }) = Record::read(place) else { return Ok(()) };
    anyhow::bail!(
        "the state of this node comes from {control}; change it there. \
         (`limiter-agent run` without --control goes back to a state file.)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_says_whose_the_state_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::new("x", Some(folder.path().to_owned()), "own.yaml".into());
        assert!(Record::read(&place).is_none() && !place.clone().as_left().is_controlled());
        refuse_edit(&place).expect("the node's own");
        let record = Record { control: "https://c.example".into(), ..Record::default() };
        record.keep(&place).expect("written");
        assert_eq!(Record::read(&place), Some(record));
        assert!(place.clone().as_left().is_controlled());
        let refused = refuse_edit(&place).expect_err("the control plane's").to_string();
        assert!(refused.starts_with("the state of this node comes from https://c.example;"), "{refused}");
        fs::write(place.control(), "{").expect("broken");
        assert_eq!(Record::read(&place).map(|record| record.control), Some("the control plane".into()));
        fs::write(place.received(), "{}").expect("a state");
        assert!(!Record::give_back_to_file(&place).expect("removed"), "there was no bypass");
        assert!(Record::read(&place).is_none() && !place.received().exists());
        fs::write(place.bypass(), "").expect("a bypass");
        assert!(Record::give_back_to_file(&place).expect("removed") && !place.bypass().exists());
    }

    #[test]
    fn what_changed_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::new("x", Some(folder.path().to_owned()), "own.yaml".into());
        let noted = Noted::new(place.clone(), Record::default());
        noted.note(|record| record.problem = None);
        assert!(Record::read(&place).is_none(), "nothing changed");
        assert!(noted.note(|record| record.ack_problem.replace("no room".to_owned()).is_none()));
        noted.note(|record| record.problem = Some("gone".to_owned()));
        let kept = Record::read(&place).expect("kept");
        assert_eq!((kept.problem, kept.ack_problem), (Some("gone".into()), Some("no room".into())));
    }
}
