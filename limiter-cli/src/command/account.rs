//! Accounts.

use limiter_api::client::all_pages;
use limiter_api::money::{AccountTerms, NewNote};
use limiter_api::params::{AccountChange, NewAccount, Paging};

use super::{Session, bill, something};
use crate::args::{AccountCommand, NoteArgs};
use crate::failure::Failure;
use crate::output::{csv as csv_of, print, text};

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
        AccountCommand::Balance { of } => {
            session.output.one(&client.balance(&session.purse_of(of).await?).await?)
        }
        AccountCommand::Ledger { of, month, csv } => {
            let account = session.purse_of(of).await?;
            let entries = bill::entries(session, &account, month).await?;
            if csv {
                return print(&csv_of::entries(&entries));
            }
            session.output.list(&entries, "nothing moved the money of the account in this time")
        }
        AccountCommand::TopUp(args) => note(session, "top_up", args).await,
        AccountCommand::Credit(args) => note(session, "credit", args).await,
        AccountCommand::Debit(args) => note(session, "debit", args).await,
        AccountCommand::Terms { account, credit_limit, pays_bp } => {
            something(credit_limit.is_some() || pays_bp.is_some())?;
            let terms = AccountTerms { credit_limit_micro: credit_limit, discount_bp: pays_bp };
            session.output.one(&client.set_account_terms(&account, &terms).await?)
        }
    }
}

async fn note(session: &Session, kind: &str, args: NoteArgs) -> Result<(), Failure> {
    let account = session.client.account(&args.account).await?;
    let amount = text::micro(args.amount);
    session.confirm.ask(&match kind {
        "debit" => format!("{amount} is taken from account {}.", account.name),
        _ => format!("Account {} gets {amount}.", account.name),
    })?;
    let note = NewNote { kind: kind.to_owned(), amount_micro: args.amount, reason: args.reason };
    session.output.one(&session.client.note(&account.id, &note).await?)
}
