//! The node agent.

pub mod dataplane;
pub mod desired;
pub mod netlink;
pub mod place;
pub mod reconcile;
pub mod sizing;
pub mod state_watch;
