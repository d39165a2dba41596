//! Accounts.

use limiter_api::client::all_pages;
use limiter_api::params::{AccountChange, NewAccount, Paging};

use super::{Session, something};
use crate::args::AccountCommand;
use crate::failure::Failure;

pub(super) async fn run(session: &Session, command: AccountCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        AccountCommand::List => {
            let accounts = all_pages(Paging::default(), async |paging| client.accounts(paging).await).await?;
            session.output.list(&accounts, "no accounts; make one with `limiter account create NAME`")
        }
        AccountCommand::Show { account } => session.output.one(&client.account(&account).await?),
        AccountCommand::Create { name } => {
            session.output.one(&client.create_account(&NewAccount { name }).await?)
        }
        AccountCommand::Update { account, name, enable, disable, version } => {
            something(name.is_some() || enable || disable)?;
            let account = client.account(&account).await?;
            if disable {
                session.confirm.ask(&format!(
                    "Account {} is disabled: none of its users and tokens may act. Its limits stay in force.",
                    account.name
                ))?;
            }
            let enabled = (enable || disable).then_some(enable);
            let change = AccountChange { name, enabled };
            session.output.one(&session.client_at(&version).update_account(&account.id, &change).await?)
        }
    }
}
