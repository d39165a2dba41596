//! What the agent changed on the node beside its own maps and hooks, kept so that uninstall gives it back.

use std::collections::{BTreeMap, BTreeSet};
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
    schedulers: BTreeMap<u32, Saved>,
    clsact_ifindices: BTreeSet<u32>,
    /// What recognises our table of nftables; 0 while it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<u64>,
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
        self.record.schedulers.get(&ifindex)
    }

    /// Devices on which the agent made clsact.
    pub fn clsact(&self) -> impl Iterator<Item = u32> {
        self.record.clsact_ifindices.iter().copied()
    }

    /// What recognises the table of nftables that the agent made, where it made one.
    pub fn table(&self) -> Option<u64> {
        self.record.table
    }

    /// Notes that the agent makes, made or removed its table.
    pub fn note_table(&mut self, table: Option<u64>) -> io::Result<()> {
        self.record.table = table;
        self.write()
    }

    /// Notes what devices had, and devices on which clsact is about to be made; a later note about the
    /// same device changes nothing. Devices that are not `there` are forgotten: their number may come
    /// back for another one.
    pub fn note(
        &mut self,
        there: impl Fn(u32) -> bool,
        schedulers: impl Iterator<Item = Saved>,
        clsact_ifindices: impl Iterator<Item = u32>,
    ) -> io::Result<()> {
        let before = self.ifindices();
        self.record.schedulers.retain(|&ifindex, _| there(ifindex));
        self.record.clsact_ifindices.retain(|&ifindex| there(ifindex));
        for saved in schedulers {
            self.record.schedulers.entry(saved.ifindex).or_insert(saved);
        }
        self.record.clsact_ifindices.extend(clsact_ifindices);
        if self.ifindices() == before { Ok(()) } else { self.write() }
    }

    fn ifindices(&self) -> (Vec<u32>, BTreeSet<u32>) {
        (self.record.schedulers.keys().copied().collect(), self.record.clsact_ifindices.clone())
    }

    fn write(&self) -> io::Result<()> {
        let next = self.path.with_extension("json.next");
        let mut file = fs::File::create(&next)?;
        file.write_all(&serde_json::to_vec_pretty(&self.record)?)?;
        file.sync_all()?;
        fs::rename(next, &self.path)
    }
}
