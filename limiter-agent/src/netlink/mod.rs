//! Links, addresses, routes, packet schedulers, filters and connections of a network namespace, over netlink.
//!
//! Messages are read attribute by attribute, and what we do not need is never decoded: a device or
//! filter that this code does not know cannot hide from it. What is read is plain data, what is
//! planned from it is pure ([`fq::plan`], [`double_charge`]), and one call carries each step out.

mod address;
mod clsact;
mod connections;
mod elements;
mod error;
pub mod fq;
mod link;
mod overlap;
mod qdisc;
mod route;
mod socket;
#[cfg(test)]
mod testing;
mod watch;
mod wire;

pub use address::Address;
pub use clsact::Filter;
pub use connections::{Connection, Netfilter};
pub use elements::{ELEMENTS_MAX, Elements, Key};
pub use error::NetlinkError;
pub use link::Link;
pub use overlap::{Overlap, double_charge};
pub use qdisc::{Qdisc, QdiscStep, Spec, Statistics};
pub use watch::Watch;

use netlink_sys::protocols::NETLINK_ROUTE;
use socket::Socket;

/// Requests to the kernel about the network namespace in which it was opened.
///
/// One request is under way at a time, hence `&mut`; open another one where two tasks ask at once.
/// A call may be dropped half-way; what it asked for may then be done or not.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
}

impl Netlink {
    /// Opens a socket in the calling thread's network namespace; needs a tokio runtime.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self { socket: Socket::open(NETLINK_ROUTE)? })
    }
}
