//! What may go wrong with egress addresses.

use crate::netlink::NetlinkError;

/// Why egress addresses could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The program `nft` is not there.
    #[error("egress addresses need the program nft, which is not here; install it (apt install nftables)")]
    NoProgram,
    /// The program could not be run.
    #[error("running nft: {0}")]
    Io(#[from] std::io::Error),
    /// The kernel or the program refused.
    #[error(
        "nft refused a change of table inet limiter: {0}; the kernel needs nf_tables with NAT and connection \
         tracking (modprobe -a nft_chain_nat nft_nat nft_ct nft_fib_inet)"
    )]
    Refused(String),
    /// The program answered in a form that is not known.
    #[error("nft answered in an unknown form: {0}")]
    Form(String),
    /// The kernel has no nftables, or does not say.
    #[error(
        "egress addresses need the kernel's nf_tables, which does not answer; load it (modprobe -a nf_tables \
         nft_chain_nat nft_nat nft_ct nft_fib_inet)"
    )]
    NoTables(#[source] NetlinkError),
    /// The kernel cannot tell what it tracks.
    #[error(
        "egress addresses need the kernel's connection tracking, which does not answer; load it (modprobe -a \
         nf_conntrack nf_conntrack_netlink)"
    )]
    NoTracking(#[source] NetlinkError),
    /// Others change rules or connections faster than they can be read.
    #[error("rules or connections changed each time they were read")]
    Unsteady,
    /// Between agent and kernel.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}
