//! Why the control plane and the agent do not come together.

use std::io;
use std::path::PathBuf;

use limiter_api::client::{ClientError, EndpointError};

/// Why the link does not work; none of them says the token, and what others wrote is one short line.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The address or the authorities cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nobody answers, or what answers refuses.
    #[error(transparent)]
    Call(#[from] ClientError),
    /// The control plane has another database than the state came from: `VersionConflict`, no other code.
    #[error("the control plane's database is another one than the state came from")]
    Conflict,
    /// It says what changed of a state that is not here; the whole state is fetched then.
    #[error("the control plane's changes are no use here: {0}; the whole state is fetched")]
    Unfit(String),
    /// No answer in time.
    #[error("{url} does not answer: no {what} for {seconds} s")]
    Silent {
        /// The control plane.
        url: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
    },
    /// No thread for it.
    #[error("the link to the control plane cannot be started: {0}")]
    Start(#[source] io::Error),
    /// Its thread could do more than it may.
    #[error(
        "the link to the control plane cannot give up its capabilities: {0}; allow this process the system calls \
         capset and prctl (SystemCallFilter= of its unit, or the container's seccomp profile)"
    )]
    Capabilities(#[source] io::Error),
    /// What was to be sent is not what was kept.
    #[error("batch {sequence} of what was measured cannot be unpacked: {error}")]
    Unpacked {
        /// Its number.
        sequence: u64,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The file system refused.
    #[error("{}: cannot be {what}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What failed.
        what: &'static str,
        /// Why.
        #[source]
        error: io::Error,
    },
}
