//! The test harness.

pub mod program;
