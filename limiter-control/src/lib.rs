//! The control plane: `http` calls `app`, `app` calls `store` and the domain; never the other way, never
//! skipping. Only `store` has SQL, only `http` has status codes.

pub mod app;
pub mod args;
pub mod command;
pub mod http;
pub mod jobs;
pub mod secret;
pub mod serve;
pub mod store;
