//! Money by the clock: hours of pay-as-you-go, accounts that owe too much for too long, statements.
//!
//! Each works in the order in which it was due, and as of its instant. What two control planes do at once they
//! do in turns, and each looks again.

use jiff::{SignedDuration, Timestamp};
use limiter_domain::acknowledge::carries;
use limiter_domain::bill::{Line, by_bandwidth, by_traffic, closed_at, closed_at_last, explained, next_hour};
use limiter_domain::ledger::KeptLine;
use limiter_domain::statement::{EntryKind, issued_at, month_of, next_month, statement};
use limiter_domain::{AccountId, Charge, EventKind, NodeId, Plan, overdue};

use super::change::Change;
use super::money::{Funds, Movement};
use super::plan_step::Undone;
use super::{App, AppError};
use crate::store::{KeptPurse, KeptStatement, NextHour, Tx};

/// Most hours that are billed in one transaction.
const HOURS_MAX: u64 = 100;

/// Most accounts that are looked at in one round.
const ACCOUNTS_MAX: u64 = 1000;

/// How far back a node that reported on a plan is waited for.
const REPORTED: SignedDuration = SignedDuration::from_hours(24);

/// An hour that waits for a node is looked at again after this time.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(5);

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
        let now = self.now();
        let what = "hours that are over are not billed";
        loop {
            match self.bill_some(now).await {
                Ok(0) => return Vec::new(),
                Ok(_) => {}
                Err(AppError::Store(error)) if error.is_passing() => {
                    return Undone::of(what, Err(error.into())).into_iter().collect();
                }
                // One of them cannot be billed; it keeps no other from being billed.
                Err(_) => return self.bill_each(now).await,
            }
        }
    }

    /// Bills hours that are closed, the earliest first; gives their number. Without a price book none costs anything,
    /// and the first book begins with the hour that it comes in.
    async fn bill_some(&self, now: Timestamp) -> Result<usize, AppError> {
        let tx = self.store.read().await?;
        if tx.hours_due(None, now, 1).await?.is_empty() || tx.price_books().await?.list().is_empty() {
            return Ok(0);
        }
        drop(tx);
        let mut change = self.begin_own(self.scheduler(), "bill").await?;
        let due = change.tx.hours_due(None, now, HOURS_MAX).await?;
        for next in &due {
            self.bill_hour(&mut change, next).await?;
        }
        change.commit().await?;
        Ok(due.len())
    }

    async fn bill_each(&self, now: Timestamp) -> Vec<Undone> {
        let due = async { self.store.read().await?.hours_due(None, now, HOURS_MAX).await };
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
        while !change.books().await?.list().is_empty() {
            let due = change.tx.hours_due(Some(account), change.now, HOURS_MAX).await?;
            if due.is_empty() {
                break;
            }
            for next in due {
                self.bill_hour(change, &next).await?;
            }
        }
        self.suspend_by(change, account, change.now).await
    }

    /// Bills one hour of pay-as-you-go, as of the instant at which it was closed, or looks again later where nodes have
    /// yet to say what they measured in it.
    async fn bill_hour(&self, change: &mut Change, next: &NextHour) -> Result<(), AppError> {
        let hour = next.hour;
        let is_on_time = next.due_at == closed_at(hour, self.settings());
        let at = if is_on_time { next.due_at } else { change.now };
        self.suspend_by(change, &next.account, at).await?;
        let history = change.tx.segments(&next.plan, hour).await?;
        let books = change.books().await?;
        let funds = Funds { books, purse: change.tx.purse(&next.account).await?.purse };
        let plan = change.tx.plan(&next.plan).await?.filter(|plan| plan.charge == Charge::ByTraffic);
        let line = match plan {
            None => by_bandwidth(&history, hour, &funds.money()),
            Some(plan) if self.is_measured(change, &plan, next).await? => {
                let bytes = inbound_bytes(&change.tx, &plan, hour).await?;
                by_traffic(&history, hour, bytes, &[], &funds.money())
            }
            Some(_) => return self.look_again(change, next).await,
        };
        // What no price book has a price for is no line.
        if let Some(line) = line.filter(|line| line.book > 0) {
            self.add_line(change, next, line, &funds, at).await?;
        }
        let following = next_hour(hour);
        if history.iter().any(|segment| segment.to.is_none_or(|to| to > following)) {
            let due_at = closed_at(following, self.settings());
            change.tx.put_next_hour(&NextHour { hour: following, due_at, ..next.clone() }).await?;
        } else {
            change.tx.remove_next_hour(&next.plan).await?;
        }
        Ok(())
    }

    /// Keeps a line, and takes its amount unless it is held.
    async fn add_line(
        &self,
        change: &mut Change,
        next: &NextHour,
        line: Line,
        funds: &Funds,
        at: Timestamp,
    ) -> Result<(), AppError> {
        let mut kept = KeptLine {
            account: next.account.clone(),
            plan: next.plan.clone(),
            month: month_of(next.hour, self.settings()),
            line,
        };
        let explained = explained(&kept.line, funds.books.at(next.hour));
        if kept.line.held {
            change.event_at(at, EventKind::UsageAnomaly, Some(&next.account), next.plan.as_str(), &explained);
        } else {
            let movement = Movement {
                kind: EntryKind::Line,
                source: kept.source(),
                amount: kept.line.amount.negated(),
                at,
                month: kept.month,
                detail: format!("plan {}, {explained}", next.plan),
            };
            kept.month = self.post(change, &next.account, movement).await?;
        }
        Ok(change.tx.add_line(&kept).await?)
    }

    /// True where every node that may have carried the plan's network in an hour has said what it measured then, or
    /// is not waited for any more.
    async fn is_measured(&self, change: &mut Change, plan: &Plan, next: &NextHour) -> Result<bool, AppError> {
        if change.now >= closed_at_last(next.hour, self.settings()) {
            return Ok(true);
        }
        let end = next_hour(next.hour);
        let since = instant(next.hour, -REPORTED);
        let rows = change.tx.usage_of_plan(&plan.id, (since, end)).await?;
        let mut nodes: Vec<NodeId> = rows.into_iter().map(|row| row.node).collect();
        if let Some(id) = &plan.network
            && let Some(network) = change.tx.network(id).await?
        {
            let of_region = change.nodes_of_region(&plan.region).await?;
            nodes.extend(of_region.iter().filter(|node| carries(node, &network)).map(|node| node.id.clone()));
        }
        nodes.sort_unstable();
        nodes.dedup();
        let complete = change.tx.usage_complete(&nodes).await?;
        Ok(nodes.iter().all(|node| complete.get(node).is_some_and(|until| *until >= end)))
    }

    async fn look_again(&self, change: &Change, next: &NextHour) -> Result<(), AppError> {
        let due_at = instant(change.now, LOOK_AGAIN);
        let due_at = due_at.min(closed_at_last(next.hour, self.settings()));
        Ok(change.tx.put_next_hour(&NextHour { due_at, ..next.clone() }).await?)
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
}

/// Inbound bytes of a plan in a clock hour, whatever networks it served.
async fn inbound_bytes(tx: &Tx, plan: &Plan, hour: Timestamp) -> Result<u64, AppError> {
    let rows = tx.usage_of_plan(&plan.id, (hour, next_hour(hour))).await?;
    Ok(rows.iter().map(|row| row.usage.total().down.bytes).fold(0, u64::saturating_add))
}

fn instant(at: Timestamp, after: SignedDuration) -> Timestamp {
    at.saturating_add(after).unwrap_or(at)
}
