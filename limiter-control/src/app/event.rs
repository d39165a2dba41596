//! What happened.

use limiter_api::params::EventQuery;
use limiter_api::views;

use limiter_domain::{Code, EventKind};

use super::error::refuse_field;
use super::{App, AppError, Caller, read, view};
use crate::store::EventFilter;

impl App {
    /// Lists events.
    pub async fn events(
        &self,
        caller: &Caller,
        query: &EventQuery,
    ) -> Result<views::Page<views::Event>, AppError> {
        let reach = caller.reads()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let tx = self.store.read().await?;
        let filter = EventFilter {
            account: read::listed(&tx, &reach, query.account.as_deref()).await?,
            kinds: kinds(query.kind.as_deref())?,
            subject: query.subject.clone(),
            from: query.from,
            until: query.to,
        };
        Ok(read::page(tx.events(&filter, &paging).await?, |event| view::event(&event)))
    }
}

/// The kinds that `text` names, or that begin so.
fn kinds(text: Option<&str>) -> Result<Vec<EventKind>, AppError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let group = text.ends_with('.');
    let kinds: Vec<_> = EventKind::ALL
        .iter()
        .copied()
        .filter(|kind| kind.code() == text || group && kind.code().starts_with(text))
        .collect();
    if kinds.is_empty() {
        let message =
            format!("{text:?} is no kind of event; write one such as plan.in_use, or plan. for all");
        return Err(refuse_field(Code::InvalidParameter, "kind", message));
    }
    Ok(kinds)
}
