//! Events.

use limiter_api::LIST_MAX;
use limiter_api::params::EventQuery;

use super::Session;
use crate::args::EventCommand;
use crate::failure::Failure;
use crate::output::note;

pub(super) async fn run(session: &Session, command: EventCommand) -> Result<(), Failure> {
    let EventCommand::List { kind, subject, from, to, limit } = command;
    let account = session.account.clone();
    let mut query = EventQuery { account, kind, subject, from: Some(from), to, after: None, limit: None };
    let mut events = Vec::new();
    let mut more = true;
    while more && events.len() < limit {
        query.limit = Some((limit - events.len()).min(LIST_MAX));
        let page = session.client.events(&query).await?;
        more = page.next.is_some() && page.next != query.after;
        query.after = page.next;
        events.extend(page.items);
    }
    session.output.list(&events, "nothing happened in this time; look further back with --from 7d")?;
    if more {
        note(&format!("there are more; these are the first {}: use --from, --kind or --limit", events.len()));
    }
    Ok(())
}
