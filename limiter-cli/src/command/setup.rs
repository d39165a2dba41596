//! Whole setups: what would change, and its putting in force.

use limiter_api::setup::{Applied, Apply, Setup};

use super::Session;
use crate::args::{ApplyArgs, FileArgs};
use crate::failure::Failure;
use crate::output::View as _;
use crate::output::{Format, note, print, summary, table, terminal_width};
use crate::setup_file;

/// Shows the difference, asks, puts in force.
pub(super) async fn apply(session: &Session, args: ApplyArgs) -> Result<(), Failure> {
    let setup = setup_file::setup(&args.setup.file)?;
    put(session, session.account.clone(), setup, args.setup.prune, args.dry_run).await
}

/// Shows the difference.
pub(super) async fn diff(session: &Session, args: FileArgs) -> Result<(), Failure> {
    let setup = setup_file::setup(&args.file)?;
    put(session, session.account.clone(), setup, args.prune, true).await
}

/// Prints what is in force.
pub(super) async fn export(session: &Session) -> Result<(), Failure> {
    let setup = session.client.export(session.account.as_deref()).await?;
    session.output.data(&setup)
}

/// Shows the difference that a setup makes; asks and puts it in force unless it is a dry run.
pub(super) async fn put(
    session: &Session,
    account: Option<String>,
    setup: Setup,
    prune: bool,
    dry_run: bool,
) -> Result<(), Failure> {
    let mut apply = Apply { account, setup, dry_run: true, prune };
    let wanted = session.client.apply(&apply).await?;
    if dry_run || wanted.changes.is_empty() {
        return show(session, &wanted, "nothing to change: everything is as the file says");
    }
    let changes = lines(session, &wanted);
    session.confirm.ask(&format!("{changes}{}.", summary(&wanted.changes)))?;
    apply.dry_run = false;
    let done = session.client.apply(&apply).await?;
    if done.changes != wanted.changes {
        note("something changed meanwhile; this is what was done:");
    }
    show(session, &done, "nothing was changed: everything is as the file says by now")
}

fn show(session: &Session, applied: &Applied, nothing: &str) -> Result<(), Failure> {
    if session.output.format() != Format::Table {
        return session.output.data(applied);
    }
    if applied.changes.is_empty() {
        note(nothing);
        return Ok(());
    }
    if session.output.for_people() {
        print(&lines(session, applied))?;
    } else {
        session.output.list(&applied.changes, nothing)?;
    }
    note(&match applied.revision {
        Some(revision) => format!("done: {} in revision {revision}", said(applied)),
        None => format!("{}; nothing was changed yet", summary(&applied.changes)),
    });
    Ok(())
}

fn lines(session: &Session, applied: &Applied) -> String {
    let rows = applied.changes.iter().map(|change| change.cells(session.output.zone()));
    table(None, rows, terminal_width())
}

fn said(applied: &Applied) -> String {
    match applied.changes.len() {
        1 => "1 change".to_owned(),
        number => format!("{number} changes"),
    }
}
