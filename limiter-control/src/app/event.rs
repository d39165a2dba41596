//! What happened.

use limiter_api::params::EventQuery;
use limiter_api::views;

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
            kind: query.kind.clone(),
            subject: query.subject.clone(),
            from: query.from,
            to: query.to,
            ..EventFilter::default()
        };
        Ok(read::page(tx.events(&filter, &paging).await?, |event| view::event(&event)))
    }
}
