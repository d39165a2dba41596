//! What is there now: maps, hooks, devices. Plain data; nothing here does I/O.

use std::collections::{BTreeMap, HashMap};

use limiter_common::interface::{Interface, Zone};
use limiter_common::key::{AddressKey, Target};
use limiter_common::meter::{Direction, Owner};
use limiter_common::node::Node;

use crate::dataplane::{Limit, Prefix, Sizes};
use crate::egress::table::Table;
use crate::netlink::{Address, Link, Qdisc};

/// Everything the plan depends on beside the desired state.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Content of the maps.
    pub kernel: Kernel,
    /// Devices of the namespace, by index.
    pub links: Vec<Link>,
    /// The node's own addresses.
    pub addresses: Vec<Address>,
    /// Devices of the default routes.
    pub default_routes: Vec<u32>,
    /// Packet schedulers, by index of their device.
    pub qdiscs: Vec<Qdisc>,
    /// Programs of ours that are attached, by device and direction.
    pub hooks: BTreeMap<(u32, Direction), Vec<Hooked>>,
    /// Programs of this agent, loaded and ready to attach, up and down; none in a dry run, for which
    /// every attached program that writes the pinned meters is right.
    pub programs: Option<[u32; 2]>,
    /// The kernel has the scheduler fq.
    pub kernel_has_fq: bool,
    /// Egress addresses; none where the state has none and the agent made no table for them.
    pub egress: Option<ObservedEgress>,
}

/// What the node has of egress addresses beside the addresses of its devices.
#[derive(Clone, Debug, Default)]
pub struct ObservedEgress {
    /// The table of nftables.
    pub table: Table,
    /// Connections may leave through another address than their network's: nobody flushed them since.
    pub are_connections_doubted: bool,
}

/// A program of ours at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hooked {
    /// The kernel's id of the program.
    pub program: u32,
    /// At TCX, not as a clsact filter.
    pub tcx: bool,
    /// It writes the pinned meters; otherwise it is left over from pins that are gone.
    pub current: bool,
}

/// Content of the maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kernel {
    /// The node's switches.
    pub node: Node,
    /// By zone number; `entity` is zero for a free one.
    pub zones: Vec<Zone>,
    /// By slot; `entity` is zero for a free one.
    pub owners: Vec<Owner>,
    /// By slot, up and down.
    pub limits: Vec<[Limit; 2]>,
    /// Addresses of instances.
    pub instances: HashMap<AddressKey, Target>,
    /// Prefixes.
    pub prefixes: HashMap<Prefix, Target>,
    /// Interfaces of ours.
    pub interfaces: BTreeMap<u32, Interface>,
    /// Entries each map has room for.
    pub sizes: Sizes,
}

impl Observed {
    /// The device with this index.
    pub fn link(&self, ifindex: u32) -> Option<&Link> {
        let place = self.links.binary_search_by_key(&ifindex, |link| link.ifindex).ok()?;
        self.links.get(place)
    }

    /// The packet schedulers of a device.
    pub fn qdiscs_of(&self, ifindex: u32) -> &[Qdisc] {
        let from = self.qdiscs.partition_point(|qdisc| qdisc.ifindex < ifindex);
        let count = self.qdiscs[from..].partition_point(|qdisc| qdisc.ifindex == ifindex);
        &self.qdiscs[from..from + count]
    }

    /// Name of a device, or its number where it is gone.
    pub fn device(&self, ifindex: u32) -> String {
        self.link(ifindex).map_or_else(|| format!("#{ifindex}"), |link| link.name.clone())
    }

    /// Hooks of a device at which no program writes the pinned meters.
    pub fn bare(&self, ifindex: u32) -> Vec<Direction> {
        let attached = |way: &Direction| {
            self.hooks.get(&(ifindex, *way)).is_some_and(|hooks| hooks.iter().any(|hooked| hooked.current))
        };
        Direction::ALL.into_iter().filter(|way| !attached(way)).collect()
    }

    /// True where everything that leaves through the device waits for its delivery time: its root
    /// is `fq`, or every child of its `mq` root is.
    pub fn has_fq(&self, ifindex: u32) -> bool {
        let sending = |qdisc: &&Qdisc| qdisc.parent != INGRESS && qdisc.kind != "mq";
        let mut leaves = self.qdiscs_of(ifindex).iter().filter(sending).peekable();
        leaves.peek().is_some() && leaves.all(|qdisc| qdisc.kind == "fq")
    }
}

/// Parent of ingress and clsact qdiscs (`TC_H_INGRESS`).
pub(super) const INGRESS: u32 = 0xffff_fff1;
