//! The record that the control plane owns the state, and of how the link to it is: for the commands, and
//! for a start after this one.

use std::fs;
use std::io;

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

    /// Gives the state back to the node's own file: what the control plane sent goes.
    pub fn remove(place: &Place) -> io::Result<()> {
        for file in [place.control(), place.received(), place.bypass()] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
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
        Record::remove(&place).expect("removed");
        assert!(Record::read(&place).is_none() && !place.received().exists());
    }
}
