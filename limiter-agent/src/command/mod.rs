//! The agent's verbs, a file each.

pub mod bypass;
pub mod doctor;
pub mod instance;
pub mod network;
pub mod plan;
pub mod rule;
pub mod show;
pub mod status;
pub mod uninstall;
