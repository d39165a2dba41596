//! Who calls, and what that allows: every operation takes a [`Caller`] and asks it first.

use std::sync::Arc;

use limiter_domain::{AccountId, NodeId, Role, TokenId};

use super::AppError;

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// As events name the caller: `user anna`, `token ci`, `agent edge-1`, `local`, `scheduler`.
    pub actor: Arc<str>,
    /// What the caller may do.
    pub role: Role,
    /// The caller's account; operators, accountants and agents have none.
    pub account: Option<AccountId>,
    /// The node of an agent.
    pub node: Option<NodeId>,
    /// The token that was shown; none on the local socket.
    pub token: Option<TokenId>,
    /// Name of the request or run.
    pub request_id: Arc<str>,
}

/// What a caller reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every account.
    All,
    /// One account.
    Account(AccountId),
}

impl Reach {
    /// True where things of `account` are reached.
    pub fn has(&self, account: &AccountId) -> bool {
        match self {
            Self::All => true,
            Self::Account(own) => own == account,
        }
    }
}

impl Caller {
    /// Somebody who may do everything: the operator on the node itself, or scheduled work.
    pub fn system(actor: &str, request_id: Arc<str>) -> Self {
        Self { actor: actor.into(), role: Role::Operator, account: None, node: None, token: None, request_id }
    }

    /// What the caller may read.
    pub fn reads(&self) -> Result<Reach, AppError> {
        match self.role {
            Role::Operator => Ok(Reach::All),
            Role::Customer | Role::Viewer => self.own(),
            Role::Accountant | Role::Agent => Err(self.forbidden("read plans, networks and rules")),
        }
    }

    /// Whose money and usage the caller may read.
    pub fn audits(&self) -> Result<Reach, AppError> {
        match self.role {
            Role::Accountant => Ok(Reach::All),
            _ => self.reads(),
        }
    }

    /// What the caller may change.
    pub fn changes(&self) -> Result<Reach, AppError> {
        match self.role {
            Role::Operator => Ok(Reach::All),
            Role::Customer => self.own(),
            Role::Viewer | Role::Accountant | Role::Agent => Err(self.forbidden("change anything")),
        }
    }

    /// The caller may run the deployment.
    pub fn operates(&self) -> Result<(), AppError> {
        if self.role == Role::Operator { Ok(()) } else { Err(self.forbidden("do what operators do")) }
    }

    /// The node that the caller is the agent of.
    pub fn agent(&self) -> Result<NodeId, AppError> {
        match (self.role, &self.node) {
            (Role::Agent, Some(node)) => Ok(node.clone()),
            _ => Err(self.forbidden("fetch the state of a node; agents do, with a token of their node")),
        }
    }

    fn own(&self) -> Result<Reach, AppError> {
        self.account.clone().map(Reach::Account).ok_or_else(|| self.forbidden("do this without an account"))
    }

    fn forbidden(&self, what: &str) -> AppError {
        AppError::Forbidden(format!("{} is {} and may not {what}", self.actor, role_code(self.role)))
    }
}

/// A role as written everywhere.
pub const fn role_code(role: Role) -> &'static str {
    match role {
        Role::Operator => "operator",
        Role::Customer => "customer",
        Role::Viewer => "viewer",
        Role::Accountant => "accountant",
        Role::Agent => "agent",
    }
}

/// The role that is written so.
pub fn role_of(code: &str) -> Option<Role> {
    [Role::Operator, Role::Customer, Role::Viewer, Role::Accountant, Role::Agent]
        .into_iter()
        .find(|role| role_code(*role) == code)
}
