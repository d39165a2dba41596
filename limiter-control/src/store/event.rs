//! Events: appended, listed, never changed.

use jiff::Timestamp;
use limiter_domain::{AccountId, Event, EventKind};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};

use super::error::StoreError;
use super::page::{Cursor, Page, Paging};
use super::row::Row;
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "events")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision: i64,
        /// Its place in the transaction.
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i64,
        pub at_us: i64,
        pub account_id: Option<String>,
        pub actor: String,
        pub request_id: String,
        pub kind: String,
        pub subject: String,
        pub detail: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = Event;

    /// The first event of its transaction.
    fn of(event: &Event) -> Self {
        Self {
            revision: value::number(event.revision),
            number: 0,
            at_us: value::micros(event.at),
            account_id: event.account.as_ref().map(ToString::to_string),
            actor: event.actor.to_string(),
            request_id: event.request_id.to_string(),
            kind: event.kind.code().to_owned(),
            subject: event.subject.to_string(),
            detail: event.detail.to_string(),
        }
    }

    fn thing(self) -> Result<Event, StoreError> {
        let id = format!("{}.{}", self.revision, self.number);
        let read = Reader::new("events", &id);
        let kind = EventKind::ALL.iter().find(|kind| kind.code() == self.kind);
        Ok(Event {
            revision: read.number("revision", self.revision)?,
            at: read.time("at_us", self.at_us)?,
            account: read.parsed_if("account_id", self.account_id.as_ref())?,
            actor: self.actor.into(),
            request_id: self.request_id.into(),
            kind: kind.copied().ok_or_else(|| read.bad("kind"))?,
            subject: self.subject.into(),
            detail: self.detail.into(),
        })
    }
}

/// Which events; what is [`None`] or empty does not matter.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// That concern this account.
    pub account: Option<AccountId>,
    /// Of one of these kinds.
    pub kinds: Vec<EventKind>,
    /// That happened to what has this identity.
    pub subject: Option<String>,
    /// At this instant or later.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
}

impl EventFilter {
    fn query(&self) -> Select<Entity> {
        let kinds = (!self.kinds.is_empty()).then(|| self.kinds.iter().map(|kind| kind.code()));
        Entity::find()
            .apply_if(self.account.as_ref(), |query, id| query.filter(Column::AccountId.eq(id.as_str())))
            .apply_if(kinds, |query, kinds| query.filter(Column::Kind.is_in(kinds)))
            .apply_if(self.subject.as_deref(), |query, subject| query.filter(Column::Subject.eq(subject)))
            .apply_if(self.from, |query, from| query.filter(Column::AtUs.gte(value::micros(from))))
            .apply_if(self.until, |query, until| query.filter(Column::AtUs.lt(value::micros(until))))
    }
}

impl Tx {
    /// Events as they happened: by transaction, and in the order they were added within one.
    pub async fn events(&self, filter: &EventFilter, paging: &Paging) -> Result<Page<Event>, StoreError> {
        let mut query = filter.query();
        if let Some(after) = &paging.after {
            let columns = Expr::tuple([Expr::col(Column::Revision), Expr::col(Column::Number)]);
            let number: i64 = after.id.parse().unwrap_or_default();
            let place = Expr::tuple([Expr::value(after.position), Expr::value(number)]);
            query = query.filter(columns.gt(place));
        }
        let rows = paging.rows();
        let query = query
            .order_by_asc(Column::Revision)
            .order_by_asc(Column::Number)
            .limit(u64::try_from(rows + 1).unwrap_or(u64::MAX));
        let mut found = self.checked(query.all(self.connection()).await)?;
        let more = found.len() > rows;
        found.truncate(rows);
        let place = |row: &row::Model| Cursor { position: row.revision, id: row.number.to_string() };
        let next = found.last().filter(|_| more).map(place);
        let items = found.into_iter().map(Row::thing).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }
}

impl Write {
    /// Adds events; they get the revision of this transaction, whatever they say.
    pub async fn add_events(&self, events: &[Event]) -> Result<(), StoreError> {
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let numbers = self.next_events(count)..;
        let revision = value::number(self.revision());
        let rows = events.iter().zip(numbers).map(|(event, number)| row::Model {
            revision,
            number,
            ..Row::of(event)
        });
        let rows = rows.collect();
        self.put_rows::<Entity>(rows, &[]).await
    }
}
