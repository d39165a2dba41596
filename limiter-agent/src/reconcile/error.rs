//! Why a state cannot be put in force on this node, and what failed while it was.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::dataplane::DataPlaneError;
use crate::desired::{Part, StateError};
use crate::egress::EgressError;
use crate::egress::table::NAME;
use crate::netlink::NetlinkError;

/// The desired state does not fit this node. Nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Two entities have one identity.
    #[error("{one} and {other} have the same identity in the kernel; rename one of them")]
    Collision {
        /// The first.
        one: String,
        /// The second.
        other: String,
    },
    /// An entry says `mode: shape`, and the kernel cannot.
    #[error(
        "shape needs the scheduler fq, which this kernel does not have; load it (modprobe sch_fq), or write auto or police"
    )]
    CannotShape {
        /// Place of the entry.
        entry: usize,
    },
    /// A pattern matches both sides of what is one path.
    #[error("{0}")]
    DoubleCharge(String),
    /// An egress address is a device's own already.
    #[error(
        "{address} is an address of {device}, put there by somebody else; write one that is free, or take it off \
         there (ip address del)"
    )]
    EgressHeld {
        /// The address.
        address: Ipv4Addr,
        /// The device.
        device: String,
    },
    /// An egress address names a whole subnet.
    #[error("{address} is the broadcast or network address of {net} on {device}; write another one")]
    EgressBroadcast {
        /// The address.
        address: Ipv4Addr,
        /// The subnet.
        net: Ipv4Net,
        /// The device.
        device: String,
    },
    /// There is no device to put egress addresses on.
    #[error(
        "there is no uplink to put {0} on: no default route; name one in `uplinks`, or write \
         `egress_addresses: routed` where you route them here"
    )]
    EgressNowhere(Ipv4Addr),
    /// Somebody else has a table of our name.
    #[error(
        "nftables has a table inet {NAME} that this agent did not make; rename or delete it (nft delete table \
         inet {NAME})"
    )]
    ForeignTable,
    /// A map has no room for the state.
    #[error(
        "the state needs room for {needed} {what}, the maps have it for {capacity}; restart the agent, which makes \
         larger maps at its start and loses nothing by it (`capacity.instances` keeps room in advance)"
    )]
    Full {
        /// What there is no room for.
        what: &'static str,
        /// Room there is.
        capacity: u32,
        /// Room it takes, what is taken away included: additions come first.
        needed: u32,
    },
    /// An uplink of the state is not there.
    #[error("no device is called {name:?}, which is to be an uplink; the devices are {devices}")]
    NoUplink {
        /// The name.
        name: String,
        /// Names of those that are there.
        devices: String,
    },
    /// A pattern matches an uplink.
    #[error(
        "the pattern {pattern:?} matches the uplink {device}: traffic would be charged twice; write a narrower one"
    )]
    UplinkMatched {
        /// Place of the entry.
        entry: usize,
        /// The pattern.
        pattern: String,
        /// The device.
        device: String,
    },
}

impl PlanError {
    /// The part of the state that is at fault.
    pub fn part(&self) -> Part<'_> {
        match self {
            Self::CannotShape { entry } => Part::Mode(*entry),
            Self::Collision { .. } | Self::ForeignTable => Part::Whole,
            Self::DoubleCharge(_) => Part::Interfaces,
            Self::EgressHeld { address, .. }
            | Self::EgressBroadcast { address, .. }
            | Self::EgressNowhere(address) => Part::Egress(*address),
            Self::Full { .. } => Part::Capacity,
            Self::NoUplink { name, .. } => Part::Uplink(name),
            Self::UplinkMatched { entry, .. } => Part::Pattern(*entry),
        }
    }
}

/// A round of the reconciler failed.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Between agent and maps or programs.
    #[error(transparent)]
    DataPlane(#[from] DataPlaneError),
    /// Between agent and nftables or connections.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// Between agent and devices.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The state does not fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The state does not fit, as its file has it.
    #[error(transparent)]
    State(#[from] Box<StateError>),
    /// The record of what to give back could not be written, so nothing was changed.
    #[error("writing the record for uninstall: {0}")]
    Undo(#[from] std::io::Error),
}

impl ReconcileError {
    /// True where the cause is that a device is no longer there.
    pub fn is_device_gone(&self) -> bool {
        let errno = match self {
            Self::DataPlane(DataPlaneError::Syscall { source, .. }) => source.raw_os_error(),
            Self::Netlink(error) => error.errno(),
            _ => None,
        };
        errno == Some(libc::ENODEV)
    }
}
