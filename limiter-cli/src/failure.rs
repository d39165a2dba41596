//! Why a command was not done, and the exit code that says so.

use std::process::ExitCode;

use limiter_api::Problem;
use limiter_api::client::ClientError;

use crate::output::text;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The control plane refused or did not answer.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// Something was refused after it was begun, or by the person who was asked.
    #[error("{0}")]
    NotDone(String),
    /// Nothing has the name.
    #[error("{0}")]
    NotFound(String),
    /// The command line or a file that it names is wrong.
    #[error("{0}")]
    Usage(String),
    /// Nodes did not follow in time.
    #[error("{0}")]
    TimedOut(String),
    /// Whoever reads the output left.
    #[error("the output was closed")]
    OutputClosed,
}

impl Failure {
    /// What the shell sees.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::OutputClosed => 0,
            Self::Client(ClientError::Refused(_)) | Self::NotDone(_) | Self::NotFound(_) => 1,
            Self::Usage(_) | Self::Client(ClientError::Unusable(_)) => 2,
            Self::Client(ClientError::Unreachable { .. } | ClientError::Unexpected { .. }) => 3,
            Self::TimedOut(_) => 4,
        })
    }

    /// One line for a person.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("error: {self}");
        if let Self::Client(ClientError::Refused(problem)) = self {
            match problem.status {
                401 => line.push_str("; sign in with `limiter login`, or set LIMITER_TOKEN"),
                _ if problem.code == "MissingParameter" && problem.field.as_deref() == Some("account") => {
                    line.push_str("; use --account or LIMITER_ACCOUNT");
                }
                500.. => line.push_str(&format!("; request {}", problem.request_id)),
                _ => {}
            }
        }
        if let Self::Client(ClientError::Unreachable { .. }) = self {
            line.push_str(" (--control, LIMITER_CONTROL, --ca)");
        }
        text::plain(&line)
    }

    /// The same for a program.
    pub(crate) fn problem(&self) -> Problem {
        let code = match self {
            Self::Client(ClientError::Refused(problem)) => return (**problem).clone(),
            Self::Client(ClientError::Unreachable { .. }) => "Unreachable",
            Self::Client(ClientError::Unexpected { .. }) => "UnexpectedAnswer",
            Self::Client(ClientError::Unusable(_)) | Self::Usage(_) => "Usage",
            Self::NotDone(_) => "NotDone",
            Self::NotFound(_) => "NotFound",
            Self::TimedOut(_) => "TimedOut",
            Self::OutputClosed => "OutputClosed",
        };
        Problem {
            status: 0,
            code: code.to_owned(),
            detail: self.to_string(),
            field: None,
            retry: matches!(self, Self::TimedOut(_) | Self::Client(ClientError::Unreachable { .. })),
            request_id: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Failure {
        let problem = Problem {
            status,
            code: "InvalidParameter".into(),
            detail: "20 is too much;\n\u{1b}[31mwrite at most 10".into(),
            field: Some("peak_bps".into()),
            retry: false,
            request_id: "r-1".into(),
        };
        Failure::Client(ClientError::Refused(Box::new(problem)))
    }

    #[test]
    fn an_error_is_one_harmless_line_with_field_value_and_remedy() {
        assert_eq!(
            refused(422).line(),
            "error: peak_bps: 20 is too much;\\n\\u{1b}[31mwrite at most 10 (InvalidParameter)"
        );
        assert!(refused(401).line().ends_with("; sign in with `limiter login`, or set LIMITER_TOKEN"));
        assert!(refused(500).line().ends_with("; request r-1"));
    }

    #[test]
    fn a_program_reads_the_problem_itself() {
        assert_eq!(refused(422).problem().field.as_deref(), Some("peak_bps"));
        let late = Failure::TimedOut("late".into()).problem();
        assert_eq!((late.code.as_str(), late.retry), ("TimedOut", true));
    }
}
