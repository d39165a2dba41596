//! The agent's verbs, a file each, and what they share.

pub mod around;
pub mod bypass;
pub mod doctor;
pub mod edit;
pub mod instance;
pub mod network;
pub mod plan;
pub mod rule;
pub mod show;
pub mod status;
pub mod table;
pub mod uninstall;
pub mod unknown;
