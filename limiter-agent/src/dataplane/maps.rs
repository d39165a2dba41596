//! Typed access to the pinned maps, with or without loaded programs.

use std::collections::HashMap as StdHashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::maps::lpm_trie::Key;
use aya::maps::{MapData, MapInfo};
use limiter_common::interface::Zone;
use limiter_common::key::{AddressKey, PrefixData, Target};
use limiter_common::meter::Direction;
use limiter_common::node::{Node, Unknown};
use limiter_common::verdict::{Reason, Tally};

use super::interfaces::InterfaceTable;
use super::meters::MeterArray;
use super::{DataPlaneError, batch, bpffs};

/// A key of the `NETWORKS` trie: bits that count, of zone and mapped address together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// Bits that count, the zone's 32 included.
    pub bits: u32,
    /// Zone and address.
    pub data: [u32; 5],
}

impl Prefix {
    /// The first `bits` of `data`, zone included.
    pub const fn new(bits: u32, data: PrefixData) -> Self {
        let [a, b, c, d] = data.address;
        Self { bits, data: [data.zone, a, b, c, d] }
    }

    fn key(self) -> Key<PrefixData> {
        let [zone, address @ ..] = self.data;
        Key::new(self.bits, PrefixData { zone, address })
    }
}

/// The pinned maps of a node.
pub struct Maps {
    instances: Pinned,
    networks: Pinned,
    interfaces: InterfaceTable,
    zones: Pinned,
    node: Pinned,
    reasons: Pinned,
    unknown: Pinned,
    meters_id: u32,
    meters: Arc<MeterArray>,
}

impl Maps {
    /// Opens the maps pinned in `pins`; none where nothing is pinned.
    pub fn open(pins: &Path) -> Result<Option<Self>, DataPlaneError> {
        let pins = bpffs::layout(pins);
        if !pins.join("METERS").exists() {
            return Ok(None);
        }
        let open = |name| Pinned::open(&pins, name);
        let (meters, owners) = (open("METERS")?, open("OWNERS")?);
        Ok(Some(Self {
            instances: open("INSTANCES")?,
            networks: open("NETWORKS")?,
            interfaces: InterfaceTable::map(open("INTERFACES")?.fd())?,
            zones: open("ZONES")?,
            node: open("NODE")?,
            reasons: open("REASONS")?,
            unknown: open("UNKNOWN")?,
            meters_id: meters.info.id(),
            meters: Arc::new(MeterArray::map(meters.fd(), owners.fd(), owners.info.max_entries())?),
        }))
    }

    /// Takes over everything that `from`, a set of smaller maps, holds but counts.
    pub(super) fn adopt(&self, from: &Self) -> Result<(), DataPlaneError> {
        self.instances.update(&from.instances.entries::<AddressKey, u64>()?)?;
        self.networks.update(&from.networks.entries::<Key<PrefixData>, u64>()?)?;
        self.zones.update(&from.zones.entries::<u32, Zone>()?)?;
        self.meters.adopt(&from.meters);
        Ok(())
    }

    /// Removes the pins in `pins`; attached programs keep their maps until they are detached.
    pub fn unpin(pins: &Path) -> Result<(), DataPlaneError> {
        match std::fs::remove_dir_all(pins) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(DataPlaneError::Pin { path: pins.to_owned(), source })
            }
            _ => Ok(()),
        }
    }

    /// The meters and their owners.
    pub fn meters(&self) -> &MeterArray {
        &self.meters
    }

    /// The same for another thread.
    pub fn shared_meters(&self) -> Arc<MeterArray> {
        Arc::clone(&self.meters)
    }

    /// The kernel's id of the meter array: a program that uses it is ours.
    pub fn meters_id(&self) -> u32 {
        self.meters_id
    }

    /// Entries that each map has room for.
    pub fn sizes(&self) -> super::Sizes {
        super::Sizes {
            slots: self.meters.slots(),
            addresses: self.instances.info.max_entries(),
            prefixes: self.networks.info.max_entries(),
            zones: self.zones.info.max_entries(),
        }
    }

    /// All addresses of instances.
    pub fn instances(&self) -> Result<StdHashMap<AddressKey, Target>, DataPlaneError> {
        let entries = self.instances.entries::<AddressKey, u64>()?;
        Ok(entries.into_iter().map(|(key, word)| (key, Target(word))).collect())
    }

    /// Sets addresses of instances.
    pub fn put_instances(&self, entries: &[(AddressKey, Target)]) -> Result<(), DataPlaneError> {
        let words: Vec<(AddressKey, u64)> = entries.iter().map(|(key, target)| (*key, target.0)).collect();
        self.instances.update(&words)
    }

    /// Removes addresses of instances.
    pub fn remove_instances(&self, keys: &[AddressKey]) -> Result<(), DataPlaneError> {
        self.instances.delete(keys)
    }

    /// All prefixes.
    pub fn networks(&self) -> Result<StdHashMap<Prefix, Target>, DataPlaneError> {
        let entries = self.networks.entries::<Key<PrefixData>, u64>()?;
        Ok(entries
            .into_iter()
            .map(|(key, word)| (Prefix::new(key.prefix_len(), key.data()), Target(word)))
            .collect())
    }

    /// Sets prefixes.
    pub fn put_networks(&self, entries: &[(Prefix, Target)]) -> Result<(), DataPlaneError> {
        let words: Vec<(Key<PrefixData>, u64)> =
            entries.iter().map(|(prefix, target)| (prefix.key(), target.0)).collect();
        self.networks.update(&words)
    }

    /// Removes prefixes.
    pub fn remove_networks(&self, prefixes: &[Prefix]) -> Result<(), DataPlaneError> {
        let keys: Vec<Key<PrefixData>> = prefixes.iter().map(|prefix| prefix.key()).collect();
        self.networks.delete(&keys)
    }

    /// Interfaces of ours.
    pub fn interfaces(&self) -> &InterfaceTable {
        &self.interfaces
    }

    /// All zones, free ones included, by number.
    pub fn zones(&self) -> Result<Vec<Zone>, DataPlaneError> {
        Ok(self.zones.entries::<u32, Zone>()?.into_iter().map(|(_, zone)| zone).collect())
    }

    /// Sets a zone.
    pub fn put_zone(&self, number: u32, zone: Zone) -> Result<(), DataPlaneError> {
        self.zones.update(&[(number, zone)])
    }

    /// The node's own switches.
    pub fn node(&self) -> Result<Node, DataPlaneError> {
        Ok(self.node.entries::<u32, Node>()?.first().map(|(_, node)| *node).unwrap_or_default())
    }

    /// Sets the node's own switches.
    pub fn put_node(&self, node: Node) -> Result<(), DataPlaneError> {
        self.node.update(&[(0_u32, node)])
    }

    /// What happened to packets that no meter counts, summed over the CPUs. Zero reasons are left out.
    pub fn reasons(&self) -> Result<Vec<(Reason, Direction, Tally)>, DataPlaneError> {
        let data = self.reasons.data()?;
        let array = aya::maps::PerCpuArray::<_, Tally>::try_from(aya::maps::Map::PerCpuArray(data))
            .map_err(DataPlaneError::map("REASONS"))?;
        let mut found = Vec::new();
        for reason in Reason::ALL {
            for direction in Direction::ALL {
                let cpus = array.get(&reason.index(direction), 0).map_err(DataPlaneError::map("REASONS"))?;
                let sum = cpus.iter().fold(Tally::default(), |sum, cpu| Tally {
                    packets: sum.packets.wrapping_add(cpu.packets),
                    bytes: sum.bytes.wrapping_add(cpu.bytes),
                });
                if sum.packets > 0 {
                    found.push((reason, direction, sum));
                }
            }
        }
        Ok(found)
    }

    /// Sources seen that are no known instance.
    pub fn unknown(&self) -> Result<Vec<(AddressKey, Unknown)>, DataPlaneError> {
        self.unknown.entries()
    }

    /// Forgets a source of the listing, whether it is there or not.
    pub fn forget_unknown(&self, key: AddressKey) {
        let _ = self.unknown.delete(&[key]);
    }
}

/// One pinned map, opened and checked.
struct Pinned {
    name: &'static str,
    path: PathBuf,
    map: MapData,
    info: MapInfo,
}

impl Pinned {
    fn open(pins: &Path, name: &'static str) -> Result<Self, DataPlaneError> {
        let path = pins.join(name);
        let map = MapData::from_pin(&path).map_err(DataPlaneError::map(name))?;
        let info = map.info().map_err(DataPlaneError::map(name))?;
        Ok(Self { name, path, map, info })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.map.fd().as_fd()
    }

    fn data(&self) -> Result<MapData, DataPlaneError> {
        MapData::from_pin(&self.path).map_err(DataPlaneError::map(self.name))
    }

    /// # Panics
    /// With types of other sizes than the map's, which would be a bug of this module.
    fn check<K, V>(&self) {
        let sizes = (self.info.key_size() as usize, self.info.value_size() as usize);
        assert_eq!(sizes, (size_of::<K>(), size_of::<V>()), "map {}", self.name);
    }

    fn entries<K: aya::Pod, V: aya::Pod>(&self) -> Result<Vec<(K, V)>, DataPlaneError> {
        self.check::<K, V>();
        batch::entries(self.fd()).map_err(DataPlaneError::syscall("bpf(BPF_MAP_LOOKUP_BATCH)", self.name))
    }

    fn update<K: aya::Pod, V: aya::Pod>(&self, entries: &[(K, V)]) -> Result<(), DataPlaneError> {
        self.check::<K, V>();
        batch::update(self.fd(), entries).map_err(|source| match source.raw_os_error() {
            Some(libc::E2BIG | libc::ENOSPC) => DataPlaneError::Full {
                map: self.name,
                capacity: self.info.max_entries(),
                needed: self.info.max_entries() as u64 + 1,
                remedy: "restart the agent: it makes larger maps at its start",
            },
            _ => DataPlaneError::syscall("bpf(BPF_MAP_UPDATE_BATCH)", self.name)(source),
        })
    }

    fn delete<K: aya::Pod>(&self, keys: &[K]) -> Result<(), DataPlaneError> {
        assert_eq!(self.info.key_size() as usize, size_of::<K>(), "map {}", self.name);
        batch::delete(self.fd(), keys)
            .map_err(DataPlaneError::syscall("bpf(BPF_MAP_DELETE_BATCH)", self.name))
    }
}
