//! The grammar of accounts, users, tokens and sessions.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{IfVersion, NoteArgs, value};

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The user [default: asked]
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// File with the password [default: asked]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// List accounts
    List,
    /// Show an account
    Show {
        /// Id or name
        account: String,
    },
    /// Make an account
    Create {
        /// Its name
        name: String,
    },
    /// Change an account
    Update {
        /// Id or name
        account: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        /// Let it act again
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Nobody of it may act any more
        #[arg(long)]
        disable: bool,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Show what an account has
    Balance {
        /// Id or name [default: your own, or --account]
        #[arg(value_name = "ACCOUNT")]
        of: Option<String>,
    },
    /// List what moved the money of an account
    Ledger {
        /// Id or name [default: your own, or --account]
        #[arg(value_name = "ACCOUNT")]
        of: Option<String>,
        /// Of this month: 2026-11
        #[arg(long, value_parser = value::month)]
        month: Option<String>,
        /// As CSV
        #[arg(long, conflicts_with = "output")]
        csv: bool,
    },
    /// Write down that money came in
    TopUp(NoteArgs),
    /// Give something back
    Credit(NoteArgs),
    /// Take something
    Debit(NoteArgs),
    /// Set what an account may owe, and what of prices it pays
    Terms {
        /// Id or name
        account: String,
        /// What it may owe: 100 or 99.95
        #[arg(long, value_parser = value::cents, value_name = "AMOUNT")]
        credit_limit: Option<i64>,
        /// Ten-thousandths of prices that it pays: 9000 for 10 % off
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "NUMBER")]
        pays_bp: Option<u16>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// List users
    List,
    /// Show a user
    Show {
        /// Id or name
        user: String,
    },
    /// Make a user; customers and viewers belong to --account
    Create {
        /// What is typed to sign in
        name: String,
        /// What the user may do
        #[arg(long, value_parser = ["operator", "customer", "viewer", "accountant"])]
        role: String,
        /// File with the password [default: asked]
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Change a user
    Update {
        /// Id or name
        user: String,
        /// Ask for a new password; ends the user's sessions
        #[arg(long)]
        password: bool,
        /// File with a new password; ends the user's sessions
        #[arg(long, value_name = "FILE", conflicts_with = "password")]
        password_file: Option<PathBuf>,
        /// Let the user sign in again
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// The user may not sign in any more
        #[arg(long)]
        disable: bool,
        #[command(flatten)]
        version: IfVersion,
    },
    /// Delete a user
    Delete {
        /// Id or name
        user: String,
        #[command(flatten)]
        version: IfVersion,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List tokens
    List,
    /// Show a token, without its secret
    Show {
        /// Id or unique name
        id: String,
    },
    /// Make a token; those of customers and viewers belong to --account
    Create {
        /// What it is for
        name: String,
        /// What it allows
        #[arg(long, value_parser = ["operator", "customer", "viewer", "accountant", "agent"])]
        role: String,
        /// The node of an agent's token, by id or name
        #[arg(long)]
        node: Option<String>,
        /// When it ends: a moment such as 2027-01-01, or 90d from now [default: never]
        #[arg(long, value_parser = value::expiry, value_name = "MOMENT")]
        expires: Option<Timestamp>,
        /// Write the secret to this new file, for its owner alone, instead of showing it
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Give a token a new secret; the old one ends
    Rotate {
        /// Id or unique name
        id: String,
        /// Write the secret to this new file, for its owner alone, instead of showing it
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Delete a token
    Delete {
        /// Id or unique name
        id: String,
    },
}
