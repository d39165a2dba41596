//! What may go wrong between us and rtnetlink.

use std::io;

/// Why a request to the kernel's network configuration failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket, or its options are refused.
    #[error("open a netlink socket")]
    Open(#[source] io::Error),
    /// The socket failed under a request; the request may have been carried out.
    #[error("{request}: the netlink socket failed")]
    Socket {
        /// What was asked.
        request: String,
        /// The socket's error.
        source: io::Error,
    },
    /// The kernel refused; without `CAP_NET_ADMIN` in the namespace it refuses every change.
    #[error("{request}: {}", if .detail.is_empty() { "the kernel refused" } else { .detail })]
    Refused {
        /// What was asked.
        request: String,
        /// The kernel's own words, empty where it gave none.
        detail: String,
        /// The kernel's error number.
        source: io::Error,
    },
    /// An answer cut short or out of form.
    #[error("{request}: the kernel's answer is malformed")]
    Malformed {
        /// What was asked.
        request: String,
    },
    /// A listing was changed under our hands each time it was read; ask again later.
    #[error("{request}: it changed each time it was read")]
    Unsteady {
        /// What was asked.
        request: String,
    },
    /// The kernel has no fq packet scheduler: the device can only police.
    #[error(
        "the kernel has no fq packet scheduler; load the module sch_fq or build it in (CONFIG_NET_SCH_FQ)"
    )]
    FqMissing,
    /// The place of clsact is taken.
    #[error(
        "interface {ifindex}: an `ingress` qdisc of somebody else is in the place of clsact; \
         delete it (tc qdisc del dev .. ingress) or have its owner use clsact"
    )]
    IngressTaken {
        /// The interface.
        ifindex: u32,
    },
    /// Filters of somebody else hold every priority.
    #[error("interface {ifindex}: no free filter priority")]
    NoPriority {
        /// The interface.
        ifindex: u32,
    },
}

impl NetlinkError {
    /// The kernel's error number, where it refused.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}
