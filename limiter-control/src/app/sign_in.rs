//! Who calls: signing in with a password, and showing a token.

use std::sync::Arc;

use jiff::SignedDuration;
use limiter_api::params::SignIn;
use limiter_api::views;
use limiter_domain::{EventKind, Role, Token, TokenId};

use super::caller::role_code;
use super::change::Call;
use super::user::PASSWORD_CHARS;
use super::{App, AppError, Caller};
use crate::secret;
use crate::store::Tx;

/// What is said of every sign-in that fails.
const WRONG: &str = "the name or the password is wrong, or the user is switched off";

/// How long a session lasts.
const SESSION: SignedDuration = SignedDuration::from_hours(12);

impl App {
    /// Signs a user in: the session's secret works like a token.
    pub async fn sign_in(&self, input: SignIn, request_id: Arc<str>) -> Result<views::Secret, AppError> {
        if input.password.chars().count() > *PASSWORD_CHARS.end() || input.user.contains('\0') {
            return Err(AppError::Unauthenticated(WRONG));
        }
        let user = self.store.read().await?.user_by_name(&input.user).await?;
        let hash = user.as_ref().map(|user| user.password_hash.to_string());
        let right = secret::is_password(input.password, hash).await;
        let refused = AppError::Unauthenticated(WRONG);
        let Some(user) = user.filter(|user| right && user.enabled) else { return Err(refused) };
        let caller = Caller {
            actor: format!("user {}", user.name).into(),
            role: user.role,
            account: user.account.clone(),
            node: None,
            token: None,
            request_id,
        };
        let change = self.begin_own(caller, "sign in").await?;
        // The user may have been switched off, or given another password, while this one was checked.
        if change.tx.user(&user.id).await?.is_none_or(|now| now.version != user.version) {
            return Err(refused);
        }
        let (secret, hash) = secret::new_token();
        let expires_at = Some(change.now + SESSION);
        let token = Token {
            id: TokenId::of_random(rand::random()),
            name: "session".into(),
            account: user.account,
            node: None,
            user: Some(user.id),
            role: user.role,
            hash,
            created_at: change.now,
            expires_at,
            revoked_at: None,
        };
        change.tx.put_token(&token).await?;
        change.commit().await?;
        Ok(views::Secret { id: token.id.to_string(), secret, expires_at })
    }

    /// Ends the session, or the token, that was shown.
    pub async fn sign_out(&self, call: &Call) -> Result<(), AppError> {
        let Some(id) = &call.caller.token else { return Ok(()) };
        let mut change = self.begin_own(call.caller.clone(), "sign out").await?;
        if let Some(mut token) = change.tx.token(id).await? {
            token.revoked_at = Some(change.now);
            change.tx.put_token(&token).await?;
            if token.user.is_none() {
                let (account, name) = (token.account.as_ref(), &*token.name);
                change.event(EventKind::TokenRevoked, account, token.id.as_str(), name);
            }
        }
        change.commit().await?;
        Ok(())
    }

    /// Who shows `secret`.
    pub async fn caller(&self, secret: &str, request_id: Arc<str>) -> Result<Caller, AppError> {
        let refused =
            AppError::Unauthenticated("the token is not known, was revoked or has ended; sign in again");
        let tx = self.store.read().await?;
        let hash = secret::hash_token(secret);
        // Found by the hash of 256 random bits, of which the time of a search tells nothing.
        let token = tx.token_by_hash(&hash).await?;
        let live =
            |token: &Token| token.revoked_at.is_none() && token.expires_at.is_none_or(|end| self.now() < end);
        let Some(token) = token.filter(live) else { return Err(refused) };
        if let Some(account) = &token.account
            && tx.account(account).await?.is_none_or(|account| !account.enabled)
        {
            return Err(AppError::Forbidden("the account is switched off".to_owned()));
        }
        let actor = self.actor(&tx, &token).await?;
        let Some(actor) = actor else { return Err(refused) };
        Ok(Caller {
            actor,
            role: token.role,
            account: token.account,
            node: token.node,
            token: Some(token.id),
            request_id,
        })
    }

    /// As events name who shows `token`; [`None`]: nobody any more.
    async fn actor(&self, tx: &Tx, token: &Token) -> Result<Option<Arc<str>>, AppError> {
        if let Some(user) = &token.user {
            let user = tx.user(user).await?.filter(|user| user.enabled);
            return Ok(user.map(|user| format!("user {}", user.name).into()));
        }
        if let (Role::Agent, Some(node)) = (token.role, &token.node) {
            let node = tx.node(node).await?;
            return Ok(node.map(|node| format!("agent {}", node.name).into()));
        }
        Ok(Some(format!("token {}", token.name).into()))
    }

    /// Who the caller is.
    pub fn me(&self, caller: &Caller) -> views::Me {
        views::Me {
            actor: caller.actor.to_string(),
            role: role_code(caller.role).to_owned(),
            account: caller.account.as_ref().map(ToString::to_string),
        }
    }
}
