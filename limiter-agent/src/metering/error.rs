//! Why nothing can be recorded.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with the record's file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refuses, which may pass.
    #[error("{}: {error}; what is counted meanwhile is recorded when it works again", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What it says.
        error: String,
    },
    /// It does not hold what was written to it.
    #[error("{} is damaged: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        what: String,
    },
}

impl StoreError {
    /// The file system refuses.
    pub fn io(file: &Path, error: &io::Error) -> Self {
        Self::Io { file: file.to_owned(), error: error.to_string() }
    }

    /// It does not hold what was written to it.
    pub fn damaged(file: &Path, what: impl Display) -> Self {
        Self::Damaged { file: file.to_owned(), what: what.to_string() }
    }

    /// What the library says.
    pub fn of(file: &Path, error: redb::Error) -> Self {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        use redb::Error;
        match error {
            Error::Io(error) if matches!(error.kind(), InvalidData | UnexpectedEof) => {
                Self::damaged(file, error)
            }
            Error::Io(error) => Self::io(file, &error),
            error @ (Error::Corrupted(_)
            | Error::UpgradeRequired(_)
            | Error::RepairAborted
            | Error::TableTypeMismatch { .. }
            | Error::TableIsMultimap(_)
            | Error::TypeDefinitionChanged { .. }) => Self::damaged(file, error),
            error => Self::Io { file: file.to_owned(), error: error.to_string() },
        }
    }
}
