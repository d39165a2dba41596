//! What the agent changed on the node beside its own maps and hooks, kept so that uninstall gives it back.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::netlink::fq::Saved;

/// The record, written before each change that it undoes.
#[derive(Debug)]
pub struct Undo {
    path: PathBuf,
    record: Record,
}

/// What the record holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    schedulers: Vec<Saved>,
    clsact_ifindices: BTreeSet<u32>,
}

impl Undo {
    /// Reads the record in `state_dir`; a missing one is empty.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join("undo.json");
        let record = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Record::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, record })
    }

    /// What the device had before its first change.
    pub fn scheduler(&self, ifindex: u32) -> Option<&Saved> {
        self.record.schedulers.iter().find(|saved| saved.ifindex == ifindex)
    }

    /// Devices whose schedulers were changed.
    pub fn schedulers(&self) -> impl Iterator<Item = &Saved> {
        self.record.schedulers.iter()
    }

    /// Devices on which the agent made clsact.
    pub fn clsact(&self) -> impl Iterator<Item = u32> {
        self.record.clsact_ifindices.iter().copied()
    }

    /// Notes what a device had; a later note about the same device changes nothing.
    pub fn note_scheduler(&mut self, saved: Saved) -> io::Result<()> {
        if self.scheduler(saved.ifindex).is_some() {
            return Ok(());
        }
        self.record.schedulers.push(saved);
        self.write()
    }

    /// Notes that clsact on the device is ours.
    pub fn note_clsact(&mut self, ifindex: u32) -> io::Result<()> {
        self.record.clsact_ifindices.insert(ifindex);
        self.write()
    }

    /// Forgets devices that are gone: their number may come back for another one.
    pub fn keep_only(&mut self, ifindices: &BTreeSet<u32>) -> io::Result<()> {
        let before = (self.record.schedulers.len(), self.record.clsact_ifindices.len());
        self.record.schedulers.retain(|saved| ifindices.contains(&saved.ifindex));
        self.record.clsact_ifindices.retain(|ifindex| ifindices.contains(ifindex));
        if before == (self.record.schedulers.len(), self.record.clsact_ifindices.len()) {
            return Ok(());
        }
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let next = self.path.with_extension("json.next");
        let mut file = fs::File::create(&next)?;
        file.write_all(&serde_json::to_vec_pretty(&self.record)?)?;
        file.sync_all()?;
        fs::rename(next, &self.path)
    }
}
