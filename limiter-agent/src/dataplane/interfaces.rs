//! The table of interfaces, mapped into the agent.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use limiter_common::interface::Interface;

use super::DataPlaneError;
use super::mapping::{Mapping, Shared};

/// The `INTERFACES` table of a node.
pub struct InterfaceTable {
    words: Mapping<InterfaceWords>,
}

impl InterfaceTable {
    /// Maps the table.
    pub(super) fn map(fd: BorrowedFd<'_>) -> Result<Self, DataPlaneError> {
        Ok(Self { words: Mapping::new("INTERFACES", fd, Interface::TABLE_ENTRIES as usize)? })
    }

    /// Every interface of ours, by index.
    pub fn all(&self) -> BTreeMap<u32, Interface> {
        let entries = (0..self.words.len()).map(|place| self.words.get(place).read());
        entries.filter(|entry| entry.ifindex != 0).map(|entry| (entry.ifindex, entry)).collect()
    }

    /// Makes an interface one of ours, or changes it.
    pub fn put(&self, interface: Interface) -> Result<(), DataPlaneError> {
        let places = Self::places(interface.ifindex);
        let at = |ifindex| {
            places.into_iter().map(|place| self.words.get(place)).find(|words| words.ifindex() == ifindex)
        };
        let Some(words) = at(interface.ifindex).or_else(|| at(0)) else {
            return Err(DataPlaneError::Full {
                map: "INTERFACES",
                capacity: Interface::PROBES,
                needed: Interface::PROBES as u64 + 1,
                remedy: "interfaces of ours have indices a multiple of 65536 apart; create the device again",
            });
        };
        words.zone.store(interface.zone, Ordering::Release);
        words.flags.store(interface.flags, Ordering::Release);
        words.bound.store(interface.bound, Ordering::Release);
        words.maybe_local.store(interface.maybe_local, Ordering::Release);
        // Last, so that a program that finds the interface finds it whole.
        words.ifindex.store(interface.ifindex, Ordering::Release);
        Ok(())
    }

    /// Makes an interface nobody's.
    pub fn remove(&self, ifindex: u32) {
        for words in Self::places(ifindex).map(|place| self.words.get(place)) {
            if words.ifindex() == ifindex {
                words.ifindex.store(0, Ordering::Release);
            }
        }
    }

    fn places(ifindex: u32) -> [usize; Interface::PROBES as usize] {
        std::array::from_fn(|probe| Interface::place(ifindex, probe as u32) as usize)
    }
}

/// [`Interface`] as words that kernel and agent share.
#[repr(C)]
struct InterfaceWords {
    ifindex: AtomicU32,
    zone: AtomicU32,
    flags: AtomicU64,
    bound: AtomicU64,
    maybe_local: AtomicU64,
}

const _: () = assert!(size_of::<InterfaceWords>() == size_of::<Interface>());

// SAFETY: made of atomics only.
unsafe impl Shared for InterfaceWords {}

impl InterfaceWords {
    fn ifindex(&self) -> u32 {
        self.ifindex.load(Ordering::Acquire)
    }

    fn read(&self) -> Interface {
        Interface {
            ifindex: self.ifindex(),
            zone: self.zone.load(Ordering::Acquire),
            flags: self.flags.load(Ordering::Acquire),
            bound: self.bound.load(Ordering::Acquire),
            maybe_local: self.maybe_local.load(Ordering::Acquire),
        }
    }
}
