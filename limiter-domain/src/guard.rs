//! Which operation a plan takes in which state: the whole matrix, and the order of its checks.

use crate::{Business, Code, OperationKind, Pay, Plan, Refusal, Status};

/// What is asked of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Take a network.
    Associate,
    /// Let its network go.
    Dissociate,
    /// Another peak.
    Resize,
    /// A longer term.
    Renew,
    /// Automatic renewal on or off.
    SetAutoRenew,
    /// The end of a subscription.
    Unsubscribe,
    /// The end of pay-as-you-go.
    Delete,
    /// Create or change a rule, or bind an instance.
    AddRule,
    /// Delete a rule, or unbind an instance.
    RemoveRule,
}

impl Verb {
    /// What is answered where the status does not allow it.
    const fn not_supported(self) -> Code {
        match self {
            Self::Associate => Code::AssociationNotSupport,
            Self::Dissociate => Code::DissociationNotSupport,
            Self::Resize => Code::ModificationNotSupport,
            Self::Renew | Self::SetAutoRenew => Code::RenewalNotSupport,
            Self::Unsubscribe | Self::Delete => Code::DeletionNotSupport,
            Self::AddRule | Self::RemoveRule => Code::RuleNotSupport,
        }
    }
}

/// Whether `plan` takes `verb` now: existence, payment type, lifecycle, business status, in this order.
/// `force` ends a plan although a network uses it.
pub fn admit(plan: &Plan, verb: Verb, force: bool) -> Result<(), Refusal> {
    exists(plan)?;
    payment(plan, verb)?;
    lifecycle(plan, verb)?;
    business(plan, verb)?;
    unused(plan, verb, force)
}

/// Released plans are kept for bills, not for operations.
pub(crate) fn exists(plan: &Plan) -> Result<(), Refusal> {
    match plan.status {
        Status::Released => Err(Refusal::missing(Code::PlanNotFound, "plan", &plan.id)),
        _ => Ok(()),
    }
}

/// Each way of paying has operations of its own.
pub(crate) fn payment(plan: &Plan, verb: Verb) -> Result<(), Refusal> {
    let remedy = match (verb, plan.pay) {
        (Verb::Renew | Verb::SetAutoRenew, Pay::PostPaid) => "it runs until it is deleted",
        (Verb::Unsubscribe, Pay::PostPaid) => "delete it instead",
        (Verb::Delete, Pay::PrePaid) => "unsubscribe it instead",
        _ => return Ok(()),
    };
    Err(Refusal::new(Code::PayTypeNotSupported, format!("plan {} is {}; {remedy}", plan.id, plan.pay)))
}

fn lifecycle(plan: &Plan, verb: Verb) -> Result<(), Refusal> {
    let (id, status) = (&plan.id, plan.status);
    let code = match (status, verb) {
        (Status::Creating | Status::Releasing | Status::Failed, _)
        | (Status::Changing, Verb::Associate | Verb::Resize | Verb::AddRule) => verb.not_supported(),
        (Status::InUse, Verb::Associate) => Code::PlanAlreadyAssociated,
        (Status::NotAssociated, Verb::Dissociate | Verb::AddRule | Verb::RemoveRule) => {
            Code::PlanNotAssociated
        }
        _ => return Ok(()),
    };
    let message = match (code, status, &plan.network) {
        (Code::PlanAlreadyAssociated, _, Some(network)) => {
            format!("plan {id} holds network {network}; dissociate it first")
        }
        (Code::PlanNotAssociated, ..) => format!("plan {id} holds no network; associate it with one first"),
        (_, Status::Creating | Status::Changing, _) => {
            format!("plan {id} is {status}; try again when nodes have acknowledged that")
        }
        _ => format!("plan {id} is {status}, from which nothing leads back; create another plan"),
    };
    Err(Refusal::new(code, message))
}

fn business(plan: &Plan, verb: Verb) -> Result<(), Refusal> {
    let needs_service = matches!(verb, Verb::Associate | Verb::Resize | Verb::SetAutoRenew | Verb::AddRule);
    match plan.business {
        Business::Expired if needs_service => Err(Refusal::new(
            Code::PlanExpired,
            format!("the term of plan {} is over{}; renew it first", plan.id, since(plan)),
        )),
        Business::Overdue if needs_service => Err(Refusal::new(
            Code::PlanFinancialLocked,
            format!("the account of plan {} owes too much; top it up first", plan.id),
        )),
        _ => Ok(()),
    }
}

fn since(plan: &Plan) -> String {
    plan.expires_at.map(|at| format!(" since {at}")).unwrap_or_default()
}

/// Ending a plan takes the network's bandwidth away, so it is said twice; not where it is gone already.
fn unused(plan: &Plan, verb: Verb, force: bool) -> Result<(), Refusal> {
    let leaving = plan.operation.as_ref().is_some_and(|op| op.kind == OperationKind::Dissociate);
    match (&plan.network, verb) {
        (Some(network), Verb::Unsubscribe | Verb::Delete) if !force && !leaving => Err(Refusal::new(
            Code::PlanAssociated,
            format!("network {network} uses plan {}; dissociate it first, or give `force`", plan.id),
        )),
        _ => Ok(()),
    }
}
