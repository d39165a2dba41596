//! The node agent.

pub mod args;
pub mod clock;
pub mod command;
pub mod control;
pub mod dataplane;
pub mod desired;
pub mod egress;
mod life;
pub mod line;
pub mod metering;
pub mod metrics;
pub mod netlink;
pub mod place;
pub mod privilege;
pub mod reading;
pub mod reconcile;
pub mod run;
pub mod sizing;
pub mod state;
pub mod state_watch;
pub mod watchdog;
