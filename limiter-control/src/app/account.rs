//! Accounts.

use limiter_api::params::{AccountChange, NewAccount, Paging};
use limiter_api::views;
use limiter_domain::{Account, AccountId, EventKind};

use super::change::{Begun, Call};
use super::{App, AppError, Caller, Reach, name, read, view};

impl App {
    /// Lists accounts: all of them for operators and accountants, the caller's own otherwise.
    pub async fn accounts(
        &self,
        caller: &Caller,
        query: &Paging,
    ) -> Result<views::Page<views::Account>, AppError> {
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let tx = self.store.read().await?;
        if let Reach::Account(own) = caller.audits()? {
            let account = tx.account(&own).await?;
            let items = account.iter().map(view::account).collect();
            return Ok(views::Page { items, next: None });
        }
        let page = tx.accounts(&paging).await?;
        Ok(read::page(page, |account| view::account(&account)))
    }

    /// Shows an account.
    pub async fn account(&self, caller: &Caller, id: &str) -> Result<views::Account, AppError> {
        let reach = caller.audits()?;
        let tx = self.store.read().await?;
        Ok(view::account(&read::account(&tx, &reach, id).await?))
    }

    /// Creates an account.
    pub async fn create_account(&self, call: &Call, input: NewAccount) -> Result<views::Account, AppError> {
        call.caller.operates()?;
        let name = name::check("name", &input.name)?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        if change.tx.account_by_name(&name).await?.is_some() {
            return Err(name::taken("name", &name));
        }
        let account = Account {
            id: AccountId::of_random(rand::random()),
            name,
            enabled: true,
            created_at: change.now,
            version: 1,
        };
        change.tx.put_account(&account).await?;
        change.event(EventKind::AccountCreated, Some(&account.id), account.id.as_str(), &account.name);
        change.finish(view::account(&account)).await
    }

    /// Renames an account, or switches it off and on.
    pub async fn change_account(
        &self,
        call: &Call,
        id: &str,
        input: AccountChange,
    ) -> Result<views::Account, AppError> {
        call.caller.operates()?;
        let name = input.name.as_deref().map(|name| name::check("name", name)).transpose()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let mut account = read::account(&change.tx, &Reach::All, id).await?;
        call.check_version(account.version)?;
        if let Some(name) = name.filter(|name| *name != account.name) {
            if change.tx.account_by_name(&name).await?.is_some() {
                return Err(name::taken("name", &name));
            }
            let renamed = format!("name {} -> {name}", account.name);
            change.event(EventKind::AccountUpdated, Some(&account.id), account.id.as_str(), &renamed);
            account.name = name;
        }
        let before = account.enabled;
        account.enabled = input.enabled.unwrap_or(before);
        account.version += 1;
        change.tx.put_account(&account).await?;
        if account.enabled != before {
            let kind = if account.enabled { EventKind::AccountEnabled } else { EventKind::AccountDisabled };
            change.event(kind, Some(&account.id), account.id.as_str(), &account.name);
        }
        change.finish(view::account(&account)).await
    }
}
