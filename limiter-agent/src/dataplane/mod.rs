//! The kernel side of the node: maps, programs and hooks. The only module with `unsafe` and aya.

pub mod attach;
mod batch;
pub mod bpffs;
pub mod error;
pub mod feature;
mod growth;
pub mod heap;
pub mod interfaces;
mod mapping;
pub mod maps;
pub mod meters;
pub mod object;
mod syscall;

pub use error::DataPlaneError;
pub use growth::Growth;
pub use maps::{Maps, Prefix};
pub use meters::{Limit, MeterArray};
pub use object::{Programs, Sizes};
