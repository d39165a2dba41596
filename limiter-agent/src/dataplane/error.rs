//! What can go wrong between the agent and the kernel.

use std::io;
use std::path::PathBuf;

/// A failed step on the kernel side, with the object it concerned.
#[derive(Debug, thiserror::Error)]
pub enum DataPlaneError {
    /// A system call on `object` failed.
    #[error("{call} of {object}: {source}")]
    Syscall {
        /// Name of the call.
        call: &'static str,
        /// What it was about.
        object: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused the object; the source holds the verifier's log.
    #[error("loading the kernel programs: {0}")]
    Load(#[from] Box<aya::EbpfError>),
    /// The kernel refused a program; the source holds the verifier's log.
    #[error("loading the kernel programs: {0}")]
    Program(#[from] Box<aya::programs::ProgramError>),
    /// A map call failed.
    #[error("map {map}: {source}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// aya's error.
        source: Box<aya::maps::MapError>,
    },
    /// A map has no room for what was asked of it.
    #[error("map {map} holds {capacity} entries and {needed} are needed; {remedy}")]
    Full {
        /// Name of the map.
        map: &'static str,
        /// Entries it has room for.
        capacity: u32,
        /// Entries wanted.
        needed: u64,
        /// What the operator can do.
        remedy: &'static str,
    },
    /// A pinned map is not what this version expects.
    #[error(
        "pinned map {path} has {found} where this version needs {expected}; run `limiter-agent uninstall` and start again (counters begin anew)"
    )]
    ForeignPin {
        /// Path of the pin.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it has to be.
        expected: String,
    },
    /// A file below bpffs could not be used.
    #[error("{path}: {source}; is bpffs mounted at /sys/fs/bpf and is this process root?")]
    Pin {
        /// Path of the pin.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl DataPlaneError {
    /// Wraps aya's error about `map`.
    pub(super) fn map(map: &'static str) -> impl Fn(aya::maps::MapError) -> Self {
        move |source| Self::Map { map, source: Box::new(source) }
    }

    /// Wraps the last error of `call` on `object`.
    pub(super) fn syscall(call: &'static str, object: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let object = object.into();
        move |source| Self::Syscall { call, object, source }
    }
}
