//! The node agent.

pub mod dataplane;
pub mod desired;
pub mod netlink;
