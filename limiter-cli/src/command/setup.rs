//! Whole setups: what would change, and its putting in force.

use limiter_api::setup::{Applied, Apply};

use super::Session;
use crate::args::{ApplyArgs, FileArgs, WaitArgs};
use crate::failure::Failure;
use crate::output::View as _;
use crate::output::{Format, note, print, summary, table, terminal_width};
use crate::setup_file;
use crate::wait::{self, Goal};

/// Shows the difference, asks, puts in force.
pub(super) async fn apply(session: &Session, args: ApplyArgs) -> Result<(), Failure> {
    let setup = setup_file::setup(&args.setup.file)?;
    let account = session.account.clone();
    let apply = Apply { account, setup, dry_run: args.dry_run, prune: args.setup.prune };
    put(session, apply, &args.wait).await
}

/// Shows the difference.
pub(super) async fn diff(session: &Session, args: FileArgs) -> Result<(), Failure> {
    let setup = setup_file::setup(&args.file)?;
    let apply = Apply { account: session.account.clone(), setup, dry_run: true, prune: args.prune };
    show(session, &session.client.apply(&apply).await?)
}

/// Prints what is in force.
pub(super) async fn export(session: &Session) -> Result<(), Failure> {
    let setup = session.client.export(session.account.as_deref()).await?;
    session.output.data(&setup)
}

/// Shows the difference that a setup makes; asks and puts it in force unless it is a dry run.
pub(super) async fn put(session: &Session, mut apply: Apply, wait: &WaitArgs) -> Result<(), Failure> {
    let is_dry = std::mem::replace(&mut apply.dry_run, true);
    let wanted = session.client.apply(&apply).await?;
    let is_done = wanted.changes.is_empty() && wanted.waits_for.is_empty();
    if is_dry || is_done {
        return show(session, &wanted);
    }
    session.confirm.ask(&format!("{}{}", lines(session, &wanted), sum(&wanted)))?;
    apply.dry_run = false;
    let mut done = session.client.apply(&apply).await?;
    if done.changes != wanted.changes {
        note("something changed meanwhile; what was done is not what was shown");
    }
    let followed = rules_of_new_plans(session, &apply, &mut done, wait).await;
    show(session, &done)?;
    followed
}

/// Applies again once new plans serve their networks: only then may they have rules.
async fn rules_of_new_plans(
    session: &Session,
    apply: &Apply,
    done: &mut Applied,
    wait: &WaitArgs,
) -> Result<(), Failure> {
    if done.waits_for.is_empty() || wait.no_wait {
        return Ok(());
    }
    for id in &done.waits_for {
        let mut plan = session.client.plan(id).await?;
        wait::in_force(&session.client, &mut plan, &Goal::There, wait).await?;
    }
    let rest = session.client.apply(apply).await?;
    done.changes.extend(rest.changes);
    done.revision = rest.revision.or(done.revision);
    done.waits_for = rest.waits_for;
    match done.waits_for.as_slice() {
        [] => Ok(()),
        plans => Err(Failure::NotDone(format!(
            "rules are left out: their plans are not in use: {}; see `limiter plan show`",
            plans.join(", ")
        ))),
    }
}

fn show(session: &Session, applied: &Applied) -> Result<(), Failure> {
    match session.output.format() {
        Format::Table if session.output.for_people() => {
            print(&lines(session, applied))?;
            note(&sum(applied));
            Ok(())
        }
        Format::Table => session.output.list(&applied.changes, ""),
        Format::Json | Format::Yaml => session.output.data(applied),
    }
}

fn lines(session: &Session, applied: &Applied) -> String {
    if applied.changes.is_empty() {
        return String::new();
    }
    let rows = applied.changes.iter().map(|change| change.cells(session.output.zone()));
    table(None, rows, terminal_width())
}

/// What all changes are together.
fn sum(applied: &Applied) -> String {
    let later = match applied.waits_for.len() {
        0 => "",
        _ => "; rules follow when their plans are in use",
    };
    match (applied.revision, applied.changes.len()) {
        (_, 0) => format!("nothing to change: everything is as the file says{later}"),
        (None, _) => format!("{}; nothing was changed yet{later}", summary(&applied.changes)),
        (Some(revision), 1) => format!("done: 1 change in revision {revision}{later}"),
        (Some(revision), number) => format!("done: {number} changes in revision {revision}{later}"),
    }
}

#[cfg(test)]
mod tests {
    use limiter_api::setup::SetupChange;

    use super::*;

    #[test]
    fn the_sum_says_whether_it_is_done() {
        let change = SetupChange {
            action: "create".into(),
            kind: "plan".into(),
            name: "office".into(),
            detail: String::new(),
        };
        let mut applied = Applied { changes: vec![change], ..Applied::default() };
        assert_eq!(sum(&applied), "1 to create; nothing was changed yet");
        applied.waits_for = vec!["np-1".into()];
        applied.revision = Some(7);
        assert_eq!(sum(&applied), "done: 1 change in revision 7; rules follow when their plans are in use");
        assert_eq!(sum(&Applied::default()), "nothing to change: everything is as the file says");
    }
}
