//! The binary against a small control plane in this process: real HTTP over TCP and a Unix socket.

mod access;
mod egress;
mod list;
mod money;
mod plan;
mod run;
mod server;
mod setup;
mod terminal;
mod usage;
