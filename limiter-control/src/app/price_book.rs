//! Price books.

use std::collections::BTreeMap;

use jiff::Timestamp;
use limiter_api::money::{NewPriceBook, PriceBook, PriceTier};
use limiter_api::views::Page;
use limiter_domain::bill::closed_at;
use limiter_domain::price::{self, Tier};
use limiter_domain::segment::Turn;
use limiter_domain::usage::hour_of;
use limiter_domain::{Business, Code, EventKind, Pay, Status};

use super::change::{Begun, Call, Change};
use super::error::refuse_field;
use super::{App, AppError, Caller, read};
use crate::store::{Paging, PlanFilter};

impl App {
    /// Lists all price books, oldest first.
    pub async fn price_books(&self, caller: &Caller) -> Result<Page<PriceBook>, AppError> {
        caller.audits()?;
        let books = self.store.read().await?.price_books().await?;
        let now = self.now();
        let in_force = books.at(now).version;
        let items = books.list().iter().map(|book| shown(book, in_force)).collect();
        Ok(Page { items, next: None })
    }

    /// Shows a price book; `now` is the one that holds.
    pub async fn price_book(&self, caller: &Caller, version: &str) -> Result<PriceBook, AppError> {
        caller.audits()?;
        let books = self.store.read().await?.price_books().await?;
        let in_force = books.at(self.now()).version;
        let wanted = if version == "now" { Some(in_force) } else { version.parse().ok() };
        let found = books.list().iter().find(|book| Some(book.version) == wanted);
        let missing = || read::missing(Code::PriceBookNotFound, "price book", version);
        found.map(|book| shown(book, in_force)).ok_or_else(missing)
    }

    /// Makes a price book, or says what it would be.
    pub async fn create_price_book(&self, call: &Call, input: NewPriceBook) -> Result<PriceBook, AppError> {
        call.caller.operates()?;
        call.check_unversioned()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let new = price::NewPriceBook {
            effective_from: input.effective_from.map(to_the_microsecond).transpose()?,
            currency: input.currency,
            items: input.items.into_iter().map(|(name, tiers)| (name, kept(tiers))).collect(),
        };
        let books = change.tx.price_books().await?;
        let book = books.next(&new, change.now)?;
        let in_force = if book.effective_from <= change.now { book.version } else { 0 };
        let view = shown(&book, in_force);
        if input.dry_run {
            return Ok(view);
        }
        change.tx.add_price_book(&book, change.now).await?;
        if books.list().is_empty() {
            self.begin_histories(&mut change).await?;
            let hour = hour_of(change.now);
            change.tx.put_every_next_hour(hour, closed_at(hour, self.settings())).await?;
        }
        let detail = format!("holds from {}, in {}", book.effective_from, view.currency);
        change.event(EventKind::PriceBookCreated, None, &book.version.to_string(), &detail);
        change.finish(view).await
    }
}

impl App {
    /// Plans that were there before anything kept their history are billable from now on.
    async fn begin_histories(&self, change: &mut Change) -> Result<(), AppError> {
        let filter =
            PlanFilter { pay: Some(Pay::PostPaid), statuses: Status::LIVE.to_vec(), ..PlanFilter::default() };
        let mut paging = Paging::default();
        loop {
            let page = change.tx.plans(&filter, &paging).await?;
            for plan in &page.items {
                let is_billable = plan.provisioned_at.is_some() && plan.business == Business::Normal;
                if is_billable && change.tx.segments(&plan.id, change.now).await?.is_empty() {
                    let turn = Turn { at: change.now, peak: Some(plan.peak) };
                    self.pay(change, plan, Vec::new(), vec![turn]).await?;
                }
            }
            paging.after = page.next;
            if paging.after.is_none() {
                return Ok(());
            }
        }
    }
}

/// The store keeps microseconds, and a book is never valid earlier than was said.
fn to_the_microsecond(at: Timestamp) -> Result<Timestamp, AppError> {
    Timestamp::from_microsecond(at.as_microsecond()).map_err(|_| {
        refuse_field(Code::InvalidParameter, "effective_from", format!("{at} is out of range; write another"))
    })
}

fn kept(tiers: Vec<PriceTier>) -> Vec<Tier> {
    let tier = |tier: PriceTier| Tier { up_to_bps: tier.up_to_bps, micro_per_unit: tier.micro_per_unit };
    tiers.into_iter().map(tier).collect()
}

fn shown(book: &price::PriceBook, in_force: u32) -> PriceBook {
    let tier = |tier: &Tier| PriceTier { up_to_bps: tier.up_to_bps, micro_per_unit: tier.micro_per_unit };
    let item = |(name, tiers): (String, &[Tier])| (name, tiers.iter().map(tier).collect());
    let items: BTreeMap<_, Vec<PriceTier>> = book.items().into_iter().map(item).collect();
    PriceBook {
        version: book.version,
        effective_from: book.effective_from,
        currency: book.currency.map(|currency| currency.to_string()).unwrap_or_default(),
        in_force: book.version == in_force,
        items,
    }
}
