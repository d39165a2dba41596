//! Metrics of the node as Prometheus reads them: what there is, collected when asked, served on loopback.

mod collect;
mod drops;
mod list;
mod page;
mod rounds;
mod server;
mod snapshot;

pub use collect::Collector;
pub use list::{ALL, Kind, Metric, documentation};
pub use rounds::Rounds;
pub use server::{Failure, Source, serve};
