//! The money of an account: read for prices, moved by entries.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use limiter_domain::ledger::{Entry, KeptOrder};
use limiter_domain::price::{Amount, Books, Money, Moved, Order, Purse, Standing};
use limiter_domain::segment::Turn;
use limiter_domain::statement::{EntryKind, issued_at, month_of};
use limiter_domain::usage::hour_of;
use limiter_domain::{AccountId, EventKind, OrderId, Pay, Plan, Settings, bill, overdue};

use super::change::Change;
use super::{App, AppError};
use crate::store::{KeptPurse, NextHour, Tx};

/// All price books, and the money of one account.
pub(super) struct Funds {
    pub(super) books: Arc<Books>,
    pub(super) purse: Purse,
}

/// What moves money.
pub(super) struct Movement {
    /// Its kind.
    pub(super) kind: EntryKind,
    /// Its identity among those of the kind.
    pub(super) source: String,
    /// By how much the balance changes.
    pub(super) amount: Amount,
    /// When.
    pub(super) at: Timestamp,
    /// The month that it belongs to, where that has no statement yet.
    pub(super) month: Date,
    /// Why.
    pub(super) detail: String,
}

impl Funds {
    /// Those of `account`.
    pub(super) async fn of(tx: &Tx, account: &AccountId) -> Result<Self, AppError> {
        Ok(Self { books: Arc::new(tx.price_books().await?), purse: tx.purse(account).await?.purse })
    }

    /// Of what a price is worked out.
    pub(super) fn money(&self) -> Money<'_> {
        Money { books: &self.books, purse: self.purse }
    }
}

impl App {
    /// Writes what a plan's step moves: its orders with their entries, and its history.
    pub(super) async fn pay(
        &self,
        change: &mut Change,
        plan: &Plan,
        orders: Vec<Order>,
        turns: Vec<Turn>,
    ) -> Result<(), AppError> {
        for turn in turns {
            change.tx.turn(&plan.id, turn).await?;
            begin_hours(change, plan, turn, self.settings()).await?;
        }
        for order in orders {
            let id = OrderId::of_random(rand::random());
            let detail = format!("plan {}, {}", plan.id, plan.peak);
            let (kind, at, amount) = (order.kind, order.at, order.amount);
            let account = plan.account.clone();
            let kept =
                KeptOrder { id, account, plan: plan.id.clone(), order, detail: detail.as_str().into() };
            change.tx.add_order(&kept).await?;
            if amount == Amount::ZERO {
                continue;
            }
            let event = if amount > Amount::ZERO { EventKind::OrderPaid } else { EventKind::OrderRefunded };
            let what = format!("{} {amount}: {detail}", kind.code());
            change.event_at(at, event, Some(&plan.account), kept.id.as_str(), &what);
            let movement = Movement {
                kind: EntryKind::Order,
                source: kept.id.to_string(),
                amount: amount.negated(),
                at,
                month: month_of(at, self.settings()),
                detail: format!("{} of {detail}", kind.code()),
            };
            self.post(change, &plan.account, movement).await?;
        }
        Ok(())
    }

    /// Moves money of `account`; gives the month that has the entry.
    pub(super) async fn post(
        &self,
        change: &mut Change,
        account: &AccountId,
        movement: Movement,
    ) -> Result<Date, AppError> {
        let mut kept = change.tx.purse(account).await?;
        let month = self.open_month(&kept, movement.month, change.now);
        if movement.amount == Amount::ZERO {
            return Ok(month);
        }
        let moved = kept.purse.post(movement.amount, movement.at)?;
        kept.entries += 1;
        kept.month.get_or_insert(month);
        let entry = Entry {
            account: account.clone(),
            number: kept.entries,
            kind: movement.kind,
            source: movement.source.into(),
            amount: movement.amount,
            balance: moved.purse.balance,
            at: movement.at,
            month,
            detail: movement.detail.into(),
        };
        change.tx.add_entry(&entry).await?;
        self.keep_purse(change, kept, moved).await?;
        Ok(month)
    }

    /// Writes what an account has, and gives its plans their service back where it owes too much no more.
    pub(super) async fn keep_purse(
        &self,
        change: &mut Change,
        kept: KeptPurse,
        moved: Moved,
    ) -> Result<(), AppError> {
        let is_restored =
            kept.purse.standing == Standing::Suspended && moved.purse.standing == Standing::Normal;
        let purse = moved.purse;
        let kept = KeptPurse {
            purse,
            suspends_at: purse.suspends_at(self.settings()),
            states_at: kept.month.map(|month| issued_at(month, self.settings())),
            ..kept
        };
        change.tx.put_purse(&kept).await?;
        change.happened(Some(&kept.account), kept.account.as_str(), &moved.events);
        if is_restored {
            // A step that pays back may restore, and restoring is a step.
            Box::pin(self.restore(change, &kept.account)).await?;
        }
        Ok(())
    }

    async fn restore(&self, change: &mut Change, account: &AccountId) -> Result<(), AppError> {
        for plan in change.tx.plans_as_you_go(account).await? {
            let plan = self.caught_up(change, plan).await?;
            if let Some(step) = overdue::restore(&plan, change.now, change.revision()) {
                self.take(change, step).await?;
            }
        }
        Ok(())
    }

    /// The month of a movement: its own, or that of now where the statement of its own is written.
    fn open_month(&self, kept: &KeptPurse, month: Date, now: Timestamp) -> Date {
        match kept.month {
            Some(first) if month < first => first.max(month_of(now, self.settings())),
            _ => month,
        }
    }
}

/// Hours of pay-as-you-go are billed from the first that a plan is billable in.
async fn begin_hours(change: &Change, plan: &Plan, turn: Turn, settings: &Settings) -> Result<(), AppError> {
    if plan.pay != Pay::PostPaid || turn.peak.is_none() || change.tx.next_hour(&plan.id).await?.is_some() {
        return Ok(());
    }
    let hour = hour_of(turn.at);
    let due_at = bill::closed_at(hour, settings);
    let next = NextHour { plan: plan.id.clone(), account: plan.account.clone(), hour, due_at };
    Ok(change.tx.put_next_hour(&next).await?)
}
