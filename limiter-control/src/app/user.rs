//! Users: people who sign in with a password.

use limiter_api::params::{NewUser, Paging, UserChange};
use limiter_api::views;
use limiter_domain::{Account, AccountId, Code, EventKind, Role, User, UserId};

use super::caller::{role_code, role_of};
use super::change::{Begun, Call, Change};
use super::error::refuse_field;
use super::{App, AppError, Caller, Reach, name, read, view};
use crate::secret;

/// Shortest and longest password, in characters.
pub(super) const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 12..=256;

impl App {
    /// Lists users.
    pub async fn users(&self, caller: &Caller, query: &Paging) -> Result<views::Page<views::User>, AppError> {
        caller.operates()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let tx = self.store.read().await?;
        let page = tx.users(&paging).await?;
        Ok(read::page(page, |user| view::user(&user)))
    }

    /// Shows a user.
    pub async fn user(&self, caller: &Caller, id: &str) -> Result<views::User, AppError> {
        caller.operates()?;
        let tx = self.store.read().await?;
        Ok(view::user(&find(&tx, id).await?))
    }

    /// Creates a user.
    pub async fn create_user(&self, call: &Call, input: NewUser) -> Result<views::User, AppError> {
        call.caller.operates()?;
        let name = name::check("name", &input.name)?;
        let role = role(&input.role)?;
        check_password(&input.password)?;
        let hash = secret::hash_password(input.password).await;
        let password_hash = hash.map_err(|error| AppError::Broken(error.to_string()))?.into();
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        if change.tx.user_by_name(&name).await?.is_some() {
            return Err(name::taken("name", &name));
        }
        let account = account_of(&change, role, input.account.as_deref()).await?;
        let user = User {
            id: UserId::of_random(rand::random()),
            name,
            account,
            role,
            password_hash,
            enabled: true,
            created_at: change.now,
            version: 1,
        };
        change.tx.put_user(&user).await?;
        let detail = format!("{} {}", role_code(role), user.name);
        change.event(EventKind::UserCreated, user.account.as_ref(), user.id.as_str(), &detail);
        change.finish(view::user(&user)).await
    }

    /// Changes a password, or switches a user off and on. Both end the user's sessions.
    pub async fn change_user(
        &self,
        call: &Call,
        id: &str,
        input: UserChange,
    ) -> Result<views::User, AppError> {
        call.caller.operates()?;
        let hash = match input.password {
            None => None,
            Some(password) => {
                check_password(&password)?;
                let hash = secret::hash_password(password).await;
                Some(hash.map_err(|error| AppError::Broken(error.to_string()))?)
            }
        };
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let mut user = find(&change.tx, id).await?;
        call.check_version(user.version)?;
        let mut details = Vec::new();
        if let Some(hash) = hash {
            user.password_hash = hash.into();
            details.push("new password");
        }
        match input.enabled.filter(|enabled| *enabled != user.enabled) {
            Some(true) => details.push("enabled"),
            Some(false) => details.push("disabled"),
            None => {}
        }
        user.enabled = input.enabled.unwrap_or(user.enabled);
        user.version += 1;
        change.tx.put_user(&user).await?;
        if !details.is_empty() {
            change.tx.revoke_tokens_of_user(&user.id, change.now).await?;
        }
        change.event(EventKind::UserUpdated, user.account.as_ref(), user.id.as_str(), &details.join(", "));
        change.finish(view::user(&user)).await
    }

    /// Deletes a user and ends the user's sessions.
    pub async fn remove_user(&self, call: &Call, id: &str) -> Result<(), AppError> {
        call.caller.operates()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let user = find(&change.tx, id).await?;
        call.check_version(user.version)?;
        change.tx.revoke_tokens_of_user(&user.id, change.now).await?;
        change.tx.remove_user(&user.id).await?;
        change.event(EventKind::UserDeleted, user.account.as_ref(), user.id.as_str(), &user.name);
        change.finish(()).await
    }
}

async fn find(tx: &crate::store::Tx, text: &str) -> Result<User, AppError> {
    let found = match text.parse() {
        Ok(id) => tx.user(&id).await?,
        Err(_) => tx.user_by_name(text).await?,
    };
    found.ok_or_else(|| read::missing(Code::UserNotFound, "user", text))
}

fn role(text: &str) -> Result<Role, AppError> {
    role_of(text).filter(|role| *role != Role::Agent).ok_or_else(|| {
        let message =
            format!("{text:?} is no role of a user; write operator, customer, viewer or accountant");
        refuse_field(Code::InvalidParameter, "role", message)
    })
}

fn check_password(password: &str) -> Result<(), AppError> {
    if PASSWORD_CHARS.contains(&password.chars().count()) {
        return Ok(());
    }
    let message = format!("a password has {} to {} characters", PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    Err(refuse_field(Code::InvalidParameter, "password", message))
}

/// Customers and viewers are of an account, others of none.
pub(super) async fn account_of(
    change: &Change,
    role: Role,
    named: Option<&str>,
) -> Result<Option<AccountId>, AppError> {
    match (role, named) {
        (Role::Customer | Role::Viewer, Some(text)) => {
            let account: Account = read::account(&change.tx, &Reach::All, text).await?;
            Ok(Some(account.id))
        }
        (Role::Customer | Role::Viewer, None) => {
            let message = format!("a {} belongs to an account; name it by id or name", role_code(role));
            Err(refuse_field(Code::MissingParameter, "account", message))
        }
        (_, Some(_)) => {
            let message = format!("a role of {} reaches beyond one account; leave it out", role_code(role));
            Err(refuse_field(Code::InvalidParameter, "account", message))
        }
        (_, None) => Ok(None),
    }
}
