//! Why a call has no result.

use std::error::Error;
use std::io;

use crate::Problem;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Nobody answered. A call that changes something may or may not have been done.
    #[error("{url} does not answer: {cause}; {remedy}")]
    Unreachable {
        /// The control plane.
        url: String,
        /// What the system says.
        cause: String,
        /// What to do.
        remedy: String,
    },
    /// The control plane refused; nothing was changed.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// An answer that no control plane of this version gives.
    #[error("{url} gave an unexpected answer: {what}; is it a limiter control plane of this version?")]
    Unexpected {
        /// The control plane.
        url: String,
        /// What was wrong with it.
        what: String,
    },
    /// An id or token that cannot be sent.
    #[error("{0}")]
    Unusable(String),
}

impl ClientError {
    /// The refusal, where it is one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the control plane says that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == 404)
    }

    /// Whether nobody answers, or somebody who cannot do it now and says that it may go later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => problem.status == 503 && problem.retry,
            Self::Unexpected { .. } | Self::Unusable(_) => false,
        }
    }

    /// Reads a transport error of a call to `url`.
    pub fn transport(url: &str, error: &reqwest::Error) -> Self {
        let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
        let kind = causes().filter_map(|cause| cause.downcast_ref::<io::Error>()).last().map(io::Error::kind);
        let cause = causes().last().map_or_else(|| "no connection".to_owned(), ToString::to_string);
        let certificate = causes().any(|cause| cause.to_string().contains("certificate"));
        let remedy = match kind {
            _ if certificate => "give the certificate authority that signed its certificate",
            Some(io::ErrorKind::PermissionDenied) => {
                "the socket's permissions refuse you: join its group, or use a token over TCP"
            }
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                "start limiter-control, or name the control plane that you mean"
            }
            _ if error.is_timeout() => "it is overloaded or the network is broken; try again",
            _ => "check the address and the network",
        };
        let cause = if error.is_timeout() { "no answer in time".to_owned() } else { cause };
        Self::Unreachable { url: url.to_owned(), cause, remedy: remedy.to_owned() }
    }
}
