//! Tokens: secrets of machines.

use std::collections::HashMap;

use limiter_api::params::{NewToken, Paging};
use limiter_api::views;
use limiter_domain::{AccountId, Code, EventKind, Role, Token, TokenId};

use super::caller::{role_code, role_of};
use super::change::{Begun, Call, Change};
use super::error::refuse_field;
use super::{App, AppError, Caller, Reach, name, read, user, view};
use crate::secret;
use crate::store::TokenFilter;

impl App {
    /// Lists tokens that are not sessions: all for operators, those of the account for customers.
    pub async fn tokens(
        &self,
        caller: &Caller,
        query: &Paging,
    ) -> Result<views::Page<views::Token>, AppError> {
        let account = own(caller.changes()?);
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let tx = self.store.read().await?;
        let filter = TokenFilter { account, session: Some(false), valid_at: Some(self.now()) };
        let page = tx.tokens(&filter, &paging).await?;
        let accounts: Vec<_> = page.items.iter().filter_map(|token| token.account.clone()).collect();
        let accounts = tx.accounts_by_id(&accounts).await?;
        let accounts: HashMap<_, _> = accounts.iter().map(|one| (&one.id, &*one.name)).collect();
        let nodes: Vec<_> = page.items.iter().filter_map(|token| token.node.clone()).collect();
        let nodes = tx.nodes_by_id(&nodes).await?;
        let nodes: HashMap<_, _> = nodes.iter().map(|one| (&one.id, &*one.name)).collect();
        Ok(read::page(page, |token| {
            let account = token.account.as_ref().and_then(|id| accounts.get(id).copied());
            let node = token.node.as_ref().and_then(|id| nodes.get(id).copied());
            view::token(&token, account, node)
        }))
    }

    /// Creates a token.
    pub async fn create_token(&self, call: &Call, input: NewToken) -> Result<views::Secret, AppError> {
        let reach = call.caller.changes()?;
        let name = name::check("name", &input.name)?;
        let role = role_of(&input.role).ok_or_else(|| {
            let message =
                format!("{:?} is no role; write operator, customer, viewer, accountant or agent", input.role);
            refuse_field(Code::InvalidParameter, "role", message)
        })?;
        let mut change = self.begin_secret(call).await?;
        if input.expires_at.is_some_and(|at| at <= change.now) {
            return Err(refuse_field(
                Code::InvalidParameter,
                "expires_at",
                "the token would have ended already",
            ));
        }
        let account = match &reach {
            Reach::All => user::account_of(&change, role, input.account.as_deref()).await?,
            Reach::Account(own) if matches!(role, Role::Customer | Role::Viewer) => {
                if let Some(text) = &input.account {
                    read::account(&change.tx, &reach, text).await?;
                }
                Some(own.clone())
            }
            Reach::Account(_) => {
                let message =
                    format!("a customer makes tokens of customers and viewers, not of {}", role_code(role));
                return Err(AppError::Forbidden(message));
            }
        };
        let node = match (role, &input.node) {
            (Role::Agent, Some(text)) => Some(read::node(&change.tx, text).await?.id),
            (Role::Agent, None) => {
                let message = "an agent's token is of one node; name it by id or name";
                return Err(refuse_field(Code::MissingParameter, "node", message));
            }
            (_, Some(_)) => {
                let message = "only an agent's token is of a node; leave it out";
                return Err(refuse_field(Code::InvalidParameter, "node", message));
            }
            (_, None) => None,
        };
        let (secret, hash) = secret::new_token();
        let token = Token {
            id: TokenId::of_random(rand::random()),
            name,
            account,
            node,
            user: None,
            role,
            hash,
            created_at: change.now,
            expires_at: input.expires_at,
            revoked_at: None,
        };
        change.tx.put_token(&token).await?;
        let detail = format!("{} {}", role_code(role), token.name);
        change.event(EventKind::TokenCreated, token.account.as_ref(), token.id.as_str(), &detail);
        change.commit().await?;
        Ok(views::Secret { id: token.id.to_string(), secret, expires_at: token.expires_at })
    }

    /// Revokes a token.
    pub async fn revoke_token(&self, call: &Call, id: &str) -> Result<(), AppError> {
        let reach = call.caller.changes()?;
        call.check_unversioned()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let mut token = find(&change, &reach, id).await?;
        token.revoked_at = Some(change.now);
        change.tx.put_token(&token).await?;
        change.event(EventKind::TokenRevoked, token.account.as_ref(), token.id.as_str(), &token.name);
        change.finish(()).await
    }

    /// Gives a token a new secret.
    pub async fn rotate_token(&self, call: &Call, id: &str) -> Result<views::Secret, AppError> {
        let reach = call.caller.changes()?;
        let mut change = self.begin_secret(call).await?;
        let mut token = find(&change, &reach, id).await?;
        let (secret, hash) = secret::new_token();
        token.hash = hash;
        change.tx.put_token(&token).await?;
        let detail = format!("{}, new secret", token.name);
        change.event(EventKind::TokenCreated, token.account.as_ref(), token.id.as_str(), &detail);
        change.commit().await?;
        Ok(views::Secret { id: token.id.to_string(), secret, expires_at: token.expires_at })
    }

    /// A change whose answer holds a secret: it is not kept, so no key can ask for it again.
    async fn begin_secret(&self, call: &Call) -> Result<Change, AppError> {
        call.check_unversioned()?;
        if call.key.is_some() {
            let message = "answers with a secret are not kept, so this call takes no idempotency key";
            return Err(refuse_field(Code::InvalidParameter, limiter_api::IDEMPOTENCY_KEY, message));
        }
        self.begin_own(call.caller.clone(), &call.operation).await
    }
}

fn own(reach: Reach) -> Option<AccountId> {
    match reach {
        Reach::All => None,
        Reach::Account(account) => Some(account),
    }
}

async fn find(change: &Change, reach: &Reach, id: &str) -> Result<Token, AppError> {
    let found = match id.parse() {
        Ok(id) => change.tx.token(&id).await?,
        Err(_) => None,
    };
    let mine = |token: &Token| match (reach, &token.account) {
        (Reach::All, _) => true,
        (Reach::Account(own), Some(account)) => own == account,
        (Reach::Account(_), None) => false,
    };
    let ended =
        |token: &Token| token.revoked_at.is_some() || token.expires_at.is_some_and(|end| end <= change.now);
    let found = found.filter(|token| !ended(token) && token.user.is_none() && mine(token));
    found.ok_or_else(|| read::missing(Code::TokenNotFound, "token", id))
}
