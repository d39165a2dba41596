//! What an operation gives back: new values, and what must be written with them.

use jiff::Timestamp;

use crate::mode::enforced;
use crate::price::{Amount, Order};
use crate::segment::Turn;
use crate::{EventKind, Plan, Revision};

/// What an operation does to a plan. All of it is written in one transaction, or nothing.
///
/// A step without events leaves the plan as it was and need not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The plan as it becomes.
    pub plan: Plan,
    /// The plan's rules go: every binding to them, every default rule that is one of them, and they
    /// themselves, with [`EventKind::RulePurged`] for each.
    pub purge_rules: bool,
    /// The nodes that carry the plan's network are to be sent a new state.
    pub reaches_nodes: bool,
    /// What the account pays for it, or gets back, in order.
    pub orders: Vec<Order>,
    /// Where its billable history goes on, in order.
    pub turns: Vec<Turn>,
    /// What happened to the plan, in order.
    pub events: Vec<Happening>,
}

/// What an operation does to a value that is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<T> {
    /// The value as it becomes.
    pub value: T,
    /// The nodes concerned are to be sent a new state.
    pub reaches_nodes: bool,
    /// What happened to it, in order; none: nothing changed.
    pub events: Vec<Happening>,
}

/// One thing that happened; whoever writes it knows the actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When it was due, which is before it was worked where the scheduler was late.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// What changed, for a reader.
    pub detail: String,
}

impl Happening {
    pub(crate) fn new(at: Timestamp, kind: EventKind, detail: impl Into<String>) -> Self {
        Self { at, kind, detail: detail.into() }
    }
}

impl Step {
    /// The step from `before` to `plan` at `at`. Where nodes must know, their acknowledgement is of `revision`.
    pub(crate) fn of(before: &Plan, mut plan: Plan, at: Timestamp, revision: Revision) -> Self {
        let starts = plan.operation.is_some() && plan.operation != before.operation;
        let reaches_nodes = starts || enforced(before) != enforced(&plan);
        if reaches_nodes {
            plan.generation = revision;
        }
        let turns = Turn::between(before, &plan, at).into_iter().collect();
        Self { plan, purge_rules: false, reaches_nodes, orders: Vec::new(), turns, events: Vec::new() }
    }

    /// What the account pays for all of it; below zero: what it gets back.
    pub fn amount(&self) -> Amount {
        self.orders.iter().map(|order| order.amount).sum()
    }

    pub(crate) fn with(mut self, at: Timestamp, kind: EventKind, detail: impl Into<String>) -> Self {
        self.events.push(Happening::new(at, kind, detail));
        self
    }

    pub(crate) fn costing(mut self, order: Order) -> Self {
        self.orders.push(order);
        self
    }

    pub(crate) fn purging(self) -> Self {
        Self { purge_rules: true, ..self }
    }

    /// This step and the one after it as one.
    pub(crate) fn then(mut self, next: Self) -> Self {
        self.events.extend(next.events);
        self.orders.extend(next.orders);
        self.turns.extend(next.turns);
        Self {
            plan: next.plan,
            purge_rules: self.purge_rules || next.purge_rules,
            reaches_nodes: self.reaches_nodes || next.reaches_nodes,
            orders: self.orders,
            turns: self.turns,
            events: self.events,
        }
    }
}
