//! Who owns, who acts, and what they may do.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{AccountId, NodeId, TokenId, UserId};

/// Owner of networks, instances, plans and rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Identity.
    pub id: AccountId,
    /// Its name, unique in the deployment.
    pub name: Arc<str>,
    /// False: nobody of it may act; what is in force stays in force.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every write.
    pub version: u64,
}

/// What a user or token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything, in every account.
    Operator,
    /// Everything in one account.
    Customer,
    /// Reads one account.
    Viewer,
    /// Reads bills and usage of every account.
    Accountant,
    /// Fetches the state of one node and acknowledges it.
    Agent,
}

/// A person who signs in with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Identity.
    pub id: UserId,
    /// What is typed to sign in; unique in the deployment.
    pub name: Arc<str>,
    /// The account of a customer or viewer.
    pub account: Option<AccountId>,
    /// What the user may do.
    pub role: Role,
    /// The password's argon2id hash in PHC form.
    pub password_hash: Arc<str>,
    /// False: may not sign in.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every write.
    pub version: u64,
}

/// A secret that a machine, or a signed-in user, shows instead of a password. Only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Identity.
    pub id: TokenId,
    /// What it is for, as its maker wrote.
    pub name: Arc<str>,
    /// The account of a customer's or viewer's token.
    pub account: Option<AccountId>,
    /// The node of an agent's token.
    pub node: Option<NodeId>,
    /// The user who signed in, where it stands for a session.
    pub user: Option<UserId>,
    /// What it allows.
    pub role: Role,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; [`None`]: never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}
