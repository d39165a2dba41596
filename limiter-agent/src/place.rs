//! Where an agent keeps its maps, its records and its state file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::dataplane::bpffs;

/// A lock that is held is asked for again this often, with a pause in between.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The places of one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Folder of the pinned maps.
    pub pins: PathBuf,
    /// Folder of the records.
    pub state_dir: PathBuf,
    /// The state file.
    pub state_file: PathBuf,
}

impl Place {
    /// The places of the agent called `name`.
    pub fn new(name: &str, state_dir: Option<PathBuf>, state_file: PathBuf) -> Self {
        Self {
            pins: Path::new(bpffs::MOUNT_POINT).join(name),
            state_dir: state_dir.unwrap_or_else(|| Path::new("/var/lib").join(name)),
            state_file,
        }
    }

    /// The state that was last put in force.
    pub fn applied(&self) -> PathBuf {
        self.state_dir.join("applied.yaml")
    }

    /// Why the state file is not in force, where it is not.
    pub fn refused(&self) -> PathBuf {
        self.state_dir.join("refused.txt")
    }

    /// The state that the control plane sent last.
    pub fn received(&self) -> PathBuf {
        self.state_dir.join("received.json")
    }

    /// That the control plane owns the state, and how the link to it is.
    pub fn control(&self) -> PathBuf {
        self.state_dir.join("control.json")
    }

    /// The record of what was measured.
    pub fn usage(&self) -> PathBuf {
        self.state_dir.join("usage.redb")
    }

    /// A record that was damaged, under the name that it is kept with.
    pub fn damaged_usage(&self, number: usize) -> PathBuf {
        self.state_dir.join(format!("usage.redb.damaged-{number}"))
    }

    /// How metering is.
    pub fn metering(&self) -> PathBuf {
        self.state_dir.join("metering.json")
    }

    /// There where everything is to pass whatever the control plane says.
    pub fn bypass(&self) -> PathBuf {
        self.state_dir.join("bypass")
    }

    /// The places where the control plane owns the state: what it sends is the state file.
    #[must_use]
    pub fn controlled(self) -> Self {
        Self { state_file: self.received(), ..self }
    }

    /// The places as the agent that ran last has them.
    #[must_use]
    pub fn as_left(self) -> Self {
        if self.control().exists() { self.controlled() } else { self }
    }

    /// True where the control plane owns the state.
    pub fn is_controlled(&self) -> bool {
        self.state_file == self.received()
    }

    /// True where the control plane owns the state and sent none yet.
    pub fn has_received_nothing(&self) -> bool {
        self.is_controlled() && self.state_file.try_exists().is_ok_and(|exists| !exists)
    }

    /// Makes the folder of the records and locks it; one process at a time changes the node.
    ///
    /// # Errors
    /// `WouldBlock` where another process holds the lock.
    pub fn lock(&self) -> io::Result<Lock> {
        std::fs::create_dir_all(&self.state_dir)?;
        let file = File::create(self.state_dir.join("lock"))?;
        // A program that a killed agent was about to start holds its lock for a moment.
        for _ in 0..LOCK_TRIES {
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return Ok(Lock { _file: file });
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Lock { _file: file })
    }

    /// True where a process holds the lock: an agent runs.
    pub fn is_locked(&self) -> bool {
        let file = File::open(self.state_dir.join("lock"));
        file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
    }
}

/// Held by the process that may change the node; given back when it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}
