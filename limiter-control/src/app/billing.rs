//! Money by the clock: hours of pay-as-you-go, accounts that owe too much for too long, statements.
//!
//! Each works in the order in which it was due, and as of its instant. What two control planes do at once they
//! do in turns, and each looks again.

use jiff::{SignedDuration, Timestamp};
use limiter_domain::bill::{by_bandwidth, explained, next_hour};
use limiter_domain::ledger::KeptLine;
use limiter_domain::statement::{EntryKind, issued_at, month_of, next_month, statement};
use limiter_domain::{AccountId, EventKind, overdue};

use super::change::Change;
use super::money::{Funds, Movement};
use super::plan_step::Undone;
use super::{App, AppError};
use crate::store::{KeptPurse, KeptStatement, NextHour};

/// Most hours that are billed in one transaction.
const HOURS_MAX: u64 = 100;

/// Most accounts that are looked at in one round.
const ACCOUNTS_MAX: u64 = 1000;

/// Length of an hour.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

impl App {
    /// Works all of it that is due.
    pub(super) async fn work_money(&self) -> Vec<Undone> {
        let mut undone = Vec::new();
        undone.extend(self.work_hours().await);
        undone.extend(Undone::of("accounts are not suspended", self.work_suspensions().await));
        undone.extend(Undone::of("statements are not written", self.work_statements().await));
        undone
    }

    async fn work_hours(&self) -> Vec<Undone> {
        let last = self.last_closed(self.now());
        let what = "hours that are over are not billed";
        loop {
            match self.bill_some(last).await {
                Ok(0) => return Vec::new(),
                Ok(_) => {}
                Err(AppError::Store(error)) if error.is_passing() => {
                    return Undone::of(what, Err(error.into())).into_iter().collect();
                }
                // One of them cannot be billed; it keeps no other from being billed.
                Err(_) => return self.bill_each(last).await,
            }
        }
    }

    /// Bills hours that are closed, the earliest first; gives their number.
    async fn bill_some(&self, last: Timestamp) -> Result<usize, AppError> {
        if self.store.read().await?.hours_due(None, last, 1).await?.is_empty() {
            return Ok(0);
        }
        let mut change = self.begin_own(self.scheduler(), "bill").await?;
        let due = change.tx.hours_due(None, last, HOURS_MAX).await?;
        for next in &due {
            self.bill_hour(&mut change, next).await?;
        }
        change.commit().await?;
        Ok(due.len())
    }

    async fn bill_each(&self, last: Timestamp) -> Vec<Undone> {
        let due = async { self.store.read().await?.hours_due(None, last, HOURS_MAX).await };
        let due = match due.await {
            Ok(due) => due,
            Err(error) => {
                let undone = Undone::of("hours to bill cannot be listed", Err(error.into()));
                return undone.into_iter().collect();
            }
        };
        let mut undone = Vec::new();
        for next in due {
            let what = format!("plan {}: its hour is not billed", next.plan);
            undone.extend(Undone::of(&what, self.bill_one(&next).await));
        }
        undone
    }

    async fn bill_one(&self, next: &NextHour) -> Result<(), AppError> {
        let mut change = self.begin_own(self.scheduler(), "bill").await?;
        // Another control plane may have billed it since it was listed.
        if change.tx.next_hour(&next.plan).await?.as_ref() == Some(next) {
            self.bill_hour(&mut change, next).await?;
            change.commit().await?;
        }
        Ok(())
    }

    async fn work_suspensions(&self) -> Result<(), AppError> {
        let now = self.now();
        for found in self.store.read().await?.purses_suspending(now, ACCOUNTS_MAX).await? {
            let mut change = self.begin_own(self.scheduler(), "suspend").await?;
            self.bill_account(&mut change, &found.account).await?;
            change.commit().await?;
        }
        Ok(())
    }

    async fn work_statements(&self) -> Result<(), AppError> {
        let now = self.now();
        for found in self.store.read().await?.purses_stating(now, ACCOUNTS_MAX).await? {
            let mut change = self.begin_own(self.scheduler(), "statement").await?;
            self.bill_account(&mut change, &found.account).await?;
            while self.state(&mut change, &found.account).await? {}
            change.commit().await?;
        }
        Ok(())
    }

    /// Brings the money of an account up to now, before anything is decided by it.
    pub(super) async fn bill_account(
        &self,
        change: &mut Change,
        account: &AccountId,
    ) -> Result<(), AppError> {
        let last = self.last_closed(change.now);
        loop {
            let due = change.tx.hours_due(Some(account), last, HOURS_MAX).await?;
            if due.is_empty() {
                break;
            }
            for next in due {
                self.bill_hour(change, &next).await?;
            }
        }
        self.suspend_by(change, account, change.now).await
    }

    /// Bills one hour of pay-by-bandwidth, as of the instant at which it was closed.
    async fn bill_hour(&self, change: &mut Change, next: &NextHour) -> Result<(), AppError> {
        let hour = next.hour;
        let closed_at = instant(hour, HOUR + self.settings().bill_delay);
        self.suspend_by(change, &next.account, closed_at).await?;
        let history = change.tx.segments(&next.plan, hour).await?;
        let books = change.books().await?;
        let funds = Funds { books, purse: change.tx.purse(&next.account).await?.purse };
        let line = by_bandwidth(&history, hour, &funds.money());
        // What no price book has a price for is no line.
        if let Some(line) = line.filter(|line| line.book > 0) {
            let mut kept = KeptLine {
                account: next.account.clone(),
                plan: next.plan.clone(),
                month: month_of(hour, self.settings()),
                line,
            };
            let movement = Movement {
                kind: EntryKind::Line,
                source: kept.source(),
                amount: kept.line.amount.negated(),
                at: closed_at,
                month: kept.month,
                detail: format!("plan {}, {}", next.plan, explained(&kept.line, funds.books.at(hour))),
            };
            kept.month = self.post(change, &next.account, movement).await?;
            change.tx.add_line(&kept).await?;
        }
        let following = next_hour(hour);
        if history.iter().any(|segment| segment.to.is_none_or(|to| to > following)) {
            change.tx.put_next_hour(&NextHour { hour: following, ..next.clone() }).await?;
        } else {
            change.tx.remove_next_hour(&next.plan).await?;
        }
        Ok(())
    }

    /// Suspends an account that was to be suspended by `until`, with its plans.
    async fn suspend_by(
        &self,
        change: &mut Change,
        account: &AccountId,
        until: Timestamp,
    ) -> Result<(), AppError> {
        let kept = change.tx.purse(account).await?;
        let Some(at) = kept.suspends_at.filter(|at| *at <= until) else { return Ok(()) };
        let moved = kept.purse.suspended(at);
        self.keep_purse(change, kept, moved).await?;
        for plan in change.tx.plans_as_you_go(account).await? {
            let plan = self.caught_up(change, plan).await?;
            if let Some(step) = overdue::suspend(&plan, self.settings(), at, change.revision()) {
                self.take(change, step).await?;
            }
        }
        Ok(())
    }

    /// Writes the first statement that an account has due; false: there is none.
    async fn state(&self, change: &mut Change, account: &AccountId) -> Result<bool, AppError> {
        let kept = change.tx.purse(account).await?;
        let due = kept.states_at.filter(|at| *at <= change.now);
        let (Some(month), Some(issued)) = (kept.month, due) else { return Ok(false) };
        let before = change.tx.statements(account, 1).await?;
        let opening = before.first().map(|last| last.closing).unwrap_or_default();
        let sums = change.tx.ledger_sums(account, month).await?;
        let stated = statement(opening, &sums);
        let rounding = Movement {
            kind: EntryKind::Rounding,
            source: format!("{account}.{month}"),
            amount: stated.round_down,
            at: issued,
            month,
            detail: "less than a cent of the month's hours".to_owned(),
        };
        self.post(change, account, rounding).await?;
        let kept_statement = KeptStatement {
            account: account.clone(),
            month,
            opening,
            hours: stated.hours,
            round_down: stated.round_down,
            total: stated.total,
            closing: stated.closing,
            issued_at: issued,
        };
        change.tx.add_statement(&kept_statement).await?;
        let next = next_month(month);
        let kept = change.tx.purse(account).await?;
        let kept = KeptPurse { month: Some(next), states_at: Some(issued_at(next, self.settings())), ..kept };
        change.tx.put_purse(&kept).await?;
        let detail = format!("{}: {}", month.strftime("%Y-%m"), stated.total);
        change.event_at(issued, EventKind::StatementIssued, Some(account), account.as_str(), &detail);
        Ok(true)
    }

    /// The beginning of the last hour that is closed at `now`.
    fn last_closed(&self, now: Timestamp) -> Timestamp {
        instant(now, -(HOUR + self.settings().bill_delay))
    }
}

fn instant(at: Timestamp, after: SignedDuration) -> Timestamp {
    at.saturating_add(after).unwrap_or(at)
}
