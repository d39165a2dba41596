//! What a database may refuse, each with what to do about it.

use std::fmt;

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlxError};

/// Why the store refuses. Nothing of the transaction was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// What was written contradicts what is there.
    #[error("the database refuses it: {constraint}")]
    Conflict {
        /// What must not be.
        constraint: Constraint,
    },
    /// Others held the database for too long.
    #[error(
        "the database was locked by others for 5 s; try again, and if it stays so, look for a stuck client"
    )]
    Busy,
    /// Its disk or quota has no space left.
    #[error("the database has no space left; free some on its disk, nothing else is to do")]
    Full,
    /// It takes no writes now.
    #[error("the database is read-only; make its file, folder or server writable, nothing else is to do")]
    ReadOnly,
    /// A newer program has changed its schema.
    #[error("the database has schema {found}, this program knows up to {known}; install the newer program")]
    NewerSchema {
        /// Newest migration it has.
        found: String,
        /// Newest migration of this program.
        known: String,
    },
    /// It cannot be opened, or the connection is gone.
    #[error("the database cannot be reached: {reason}")]
    Unreachable {
        /// What the driver says; holds no password.
        reason: String,
    },
    /// The text is no database of ours.
    #[error("no database: {reason}; write sqlite:/path/to/file.db or postgres://user@host/database")]
    Url {
        /// What is wrong; the text itself may hold a password.
        reason: String,
    },
    /// This engine has other tools for it.
    #[error("{0}")]
    Unsupported(&'static str),
    /// What the database holds, or how it was used, is wrong: a defect, or damaged storage.
    #[error("the database or its use is broken: {0}")]
    Broken(String),
}

/// What the database itself keeps from happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// Two accounts of one name.
    AccountName,
    /// Two users of one name.
    UserName,
    /// Two tokens with one secret.
    TokenHash,
    /// Two nodes of one name.
    NodeName,
    /// Two networks of one name in an account.
    NetworkName,
    /// Two networks of one external identity in an account.
    NetworkExternalId,
    /// Two instances of one name in a network.
    InstanceName,
    /// Two instances of one external identity in an account.
    InstanceExternalId,
    /// Two plans that hold one network.
    PlanNetwork,
    /// Two plans of one external identity in an account.
    PlanExternalId,
    /// Two rules of one name in a plan.
    RuleName,
    /// Two entries of one source.
    LedgerSource,
    /// Two rows of one identity where only one may be made.
    Identity,
    /// A row refers to one that is not there, or one that others refer to was to go.
    Reference,
}

impl Constraint {
    /// Name of the index on PostgreSQL, and its columns as SQLite writes them.
    const UNIQUE: [(Self, &'static str, &'static str); 12] = [
        (Self::AccountName, "accounts_name", "accounts.name"),
        (Self::UserName, "users_name", "users.name"),
        (Self::TokenHash, "tokens_hash", "tokens.hash"),
        (Self::NodeName, "nodes_name", "nodes.name"),
        (Self::NetworkName, "networks_name", "networks.account_id, networks.name"),
        (Self::NetworkExternalId, "networks_external_id", "networks.account_id, networks.external_id"),
        (Self::InstanceName, "instances_name", "instances.network_id, instances.name"),
        (Self::InstanceExternalId, "instances_external_id", "instances.account_id, instances.external_id"),
        (Self::PlanNetwork, "plans_network", "plans.network_id"),
        (Self::PlanExternalId, "plans_external_id", "plans.account_id, plans.external_id"),
        (Self::RuleName, "rules_name", "rules.plan_id, rules.name"),
        (Self::LedgerSource, "ledger_source", "ledger.kind, ledger.source"),
    ];

    fn of_index(name: &str) -> Self {
        let known = Self::UNIQUE.iter().find(|(_, index, _)| *index == name);
        known.map_or(Self::Identity, |(constraint, ..)| *constraint)
    }

    fn of_columns(message: &str) -> Self {
        let columns = message.rsplit_once("failed: ").map_or("", |(_, columns)| columns);
        let known = Self::UNIQUE.iter().find(|(.., listed)| *listed == columns);
        known.map_or(Self::Identity, |(constraint, ..)| *constraint)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AccountName => "an account of this name is there",
            Self::UserName => "a user of this name is there",
            Self::TokenHash => "a token with this secret is there",
            Self::NodeName => "a node of this name is there",
            Self::NetworkName => "the account has a network of this name",
            Self::NetworkExternalId => "the account has a network of this external identity",
            Self::InstanceName => "the network has an instance of this name",
            Self::InstanceExternalId => "the account has an instance of this external identity",
            Self::PlanNetwork => "another plan holds the network",
            Self::PlanExternalId => "the account has a plan of this external identity",
            Self::RuleName => "the plan has a rule of this name",
            Self::LedgerSource => "it moved money already",
            Self::Identity => "one of this identity is there",
            Self::Reference => "it refers to what is not there, or others refer to it",
        })
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Self::Busy,
            DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => {
                Self::Unreachable { reason: "the connection was closed".to_owned() }
            }
            DbErr::Conn(RuntimeErr::SqlxError(inner))
            | DbErr::Exec(RuntimeErr::SqlxError(inner))
            | DbErr::Query(RuntimeErr::SqlxError(inner)) => Self::of_sqlx(inner),
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl From<SqlxError> for StoreError {
    fn from(error: SqlxError) -> Self {
        Self::of_sqlx(&error)
    }
}

impl StoreError {
    /// Whether it ends by itself, or by what its text says, so that the same call may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Full | Self::ReadOnly | Self::Unreachable { .. })
    }

    /// A row that this program could not have written.
    pub(super) fn corrupt(table: &str, id: &str, column: &str) -> Self {
        Self::Broken(format!("column {column} of {table} {id} holds no valid value"))
    }

    fn of_sqlx(error: &SqlxError) -> Self {
        let reason = || error.to_string();
        match error {
            SqlxError::Database(database) => {
                let code = database.code().unwrap_or_default();
                let message = database.message();
                match code.parse::<u32>() {
                    // PostgreSQL's codes have five characters, SQLite's at most four.
                    Ok(code) if code < 10_000 => Self::of_sqlite(code, message),
                    _ => Self::of_postgres(&code, database.constraint(), message),
                }
            }
            SqlxError::PoolTimedOut => Self::Busy,
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed
            | SqlxError::BeginFailed => Self::Unreachable { reason: reason() },
            SqlxError::Configuration(_) => Self::Url { reason: reason() },
            _ => Self::Broken(reason()),
        }
    }

    /// Result codes of sqlite3.h, the extended ones by their low byte.
    fn of_sqlite(code: u32, message: &str) -> Self {
        const UNIQUE: u32 = 2067;
        const PRIMARY_KEY: u32 = 1555;
        const FOREIGN_KEY: u32 = 787;
        // RESTRICT is a trigger to SQLite; there are no others.
        const TRIGGER: u32 = 1811;
        match (code, code & 0xff) {
            (UNIQUE | PRIMARY_KEY, _) => Self::Conflict { constraint: Constraint::of_columns(message) },
            (FOREIGN_KEY | TRIGGER, _) => Self::Conflict { constraint: Constraint::Reference },
            (_, 5 | 6) => Self::Busy,
            (_, 8) => Self::ReadOnly,
            (_, 13) => Self::Full,
            // What the disk says: an error of it is no defect of ours, and the next call tries again.
            (_, 10 | 14) => Self::Unreachable { reason: message.to_owned() },
            _ => Self::Broken(format!("{message} (SQLite {code})")),
        }
    }

    /// Codes of the appendix "PostgreSQL Error Codes" of its manual.
    fn of_postgres(code: &str, constraint: Option<&str>, message: &str) -> Self {
        match code {
            "23505" => Self::Conflict { constraint: Constraint::of_index(constraint.unwrap_or_default()) },
            "23503" => Self::Conflict { constraint: Constraint::Reference },
            "25006" => Self::ReadOnly,
            "53100" => Self::Full,
            "40001" | "40P01" | "53200" | "53300" | "53400" | "55P03" | "57014" => Self::Busy,
            _ if code.starts_with("08")
                || code.starts_with("28")
                || code.starts_with("3D")
                || code.starts_with("57P") =>
            {
                Self::Unreachable { reason: message.to_owned() }
            }
            _ => Self::Broken(format!("{message} (PostgreSQL {code})")),
        }
    }
}
