//! The test harness: namespaces, topologies, traffic, the agent, single packets.

pub mod agent;
pub mod control;
pub mod control_fake;
pub mod fill;
pub mod growth;
pub mod mirror;
pub mod netns;
pub mod observer;
pub mod offered;
pub mod one_way;
pub mod played;
pub mod postgres;
pub mod probe;
pub mod program;
pub mod program_file;
pub mod random;
pub mod reference;
pub mod sequence;
pub mod series;
pub mod shaped;
pub mod tcp;
pub mod topology;
pub mod trace;
pub mod udp;
pub mod usage_desk;
pub mod wire;
