//! What months cost.

use limiter_api::client::all_pages;
use limiter_api::money::{LedgerEntry, LedgerQuery, LineQuery, Statement};
use serde::Serialize;

use super::Session;
use crate::args::{BillCommand, MonthArgs};
use crate::failure::Failure;
use crate::output::{Format, csv, print};

/// A statement with everything that moved money in its month.
#[derive(Serialize)]
struct Whole<'a> {
    statement: &'a Statement,
    entries: &'a [LedgerEntry],
}

pub(super) async fn run(session: &Session, command: BillCommand) -> Result<(), Failure> {
    match command {
        BillCommand::List { of } => {
            let account = session.purse_of(of).await?;
            let statements = session.client.statements(&account).await?.items;
            let hint = "no month is over yet; see this one with `limiter bill show now`";
            session.output.list(&statements, hint)
        }
        BillCommand::Show(args) => show(session, args).await,
        BillCommand::Lines { month, plan } => lines(session, month, plan).await,
    }
}

/// Everything that moved the money of an account, in order; of a month, or of all.
pub(super) async fn entries(
    session: &Session,
    account: &str,
    month: Option<String>,
) -> Result<Vec<LedgerEntry>, Failure> {
    let client = &session.client;
    let month = match month.as_deref() {
        Some("now") => Some(client.statement(account, "now").await?.month),
        _ => month,
    };
    let query = LedgerQuery { month, after: None, limit: None };
    Ok(all_pages(query, async |query| client.ledger(account, query).await).await?)
}

async fn show(session: &Session, args: MonthArgs) -> Result<(), Failure> {
    let account = session.purse_of(args.of).await?;
    let statement = session.client.statement(&account, &args.month).await?;
    let entries = entries(session, &account, Some(statement.month.clone())).await?;
    if args.csv {
        return print(&csv::entries(&entries));
    }
    if session.output.is_quiet() {
        return session.output.one(&statement);
    }
    if session.output.format() != Format::Table {
        return session.output.data(&Whole { statement: &statement, entries: &entries });
    }
    session.output.one(&statement)?;
    print("\n")?;
    session.output.list(&entries, "nothing moved money in this month")
}

async fn lines(session: &Session, args: MonthArgs, plan: Option<String>) -> Result<(), Failure> {
    let client = &session.client;
    let account = session.purse_of(args.of).await?;
    let month = client.statement(&account, &args.month).await?.month;
    let query = LineQuery { month, plan, after: None, limit: None };
    let lines = all_pages(query, async |query| client.bill_lines(&account, query).await).await?;
    if args.csv {
        return print(&csv::lines(&lines));
    }
    session.output.list(&lines, "no hour was billed in this month")
}
