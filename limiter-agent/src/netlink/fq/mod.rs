//! The scheduler fq, which releases packets at the time stamped on them.

mod options;
mod plan;
mod restore;
mod sizing;

pub use options::FqOptions;
pub use plan::{FqPlan, plan};
pub use restore::{Saved, restore, save};
pub use sizing::{OWN_MEMORY_BYTES, SHARED_MEMORY_BYTES, Standing, fq_options};

/// Number of every qdisc that we put at a root: it tells ours from other people's.
pub const OUR_HANDLE: u32 = 0x6c6d << 16;
