//! Ordering a plan.

use std::mem;
use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;
use limiter_state::Rate;

use crate::association::Slot;
use crate::price::{Amount, Money, Order, OrderKind, agreed};
use crate::{
    AccountId, Business, Charge, Code, Duration, Egress, EventKind, NetworkId, OperationKind, Pay, Plan,
    PlanId, Refusal, Revision, Settings, Status, Step, term, text,
};

/// What is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPlan {
    /// The owner's own identity for it.
    pub external_id: Option<String>,
    /// Its region.
    pub region: String,
    /// When it is paid.
    pub pay: Pay,
    /// What is charged.
    pub charge: Charge,
    /// The peak for each direction, bits per second.
    pub peak_bps: u64,
    /// The network to associate it with at once.
    pub network: Option<NetworkId>,
    /// How long a subscription runs.
    pub duration: Option<Duration>,
    /// Whether a subscription is renewed by itself.
    pub auto_renew: bool,
    /// The agreement that the customer accepted.
    pub agreement_version: Option<String>,
    /// The amount that the customer saw.
    pub expected_amount: Option<Amount>,
}

/// What an order depends on.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// The network that was named, where there is one of that id.
    pub slot: Option<Slot<'a>>,
    /// Plans of the account in the region that are neither released nor failed.
    pub plans_in_region: usize,
    /// Another plan of the account has the external id.
    pub external_id_taken: bool,
    /// Whether there is an address for it.
    pub supply: Supply,
    /// Prices, and what the account has.
    pub money: Money<'a>,
}

/// The addresses of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Supply {
    /// It has none: plans go without.
    #[default]
    None,
    /// This one is free.
    Free(Ipv4Addr),
    /// All are in use, or rest after their use.
    Empty,
}

/// Orders a plan. Without a network it is there at once; with one, when nodes acknowledged the association.
///
/// Refused with `InvalidParameter`, `InvalidBandwidth`, `InvalidChargeType`, `InvalidPeriod`,
/// `AutoRenewNotSupported`, `AgreementNotAccepted`, `NetworkNotFound`, `RegionMismatch`, `NetworkNotReady`,
/// `NetworkHasPlan`, `NetworkHasNoNode`, `NameDuplicate`, `QuotaExceeded.Plan`, `NoAddressAvailable`,
/// `QuoteChanged`, `InsufficientBalance` and `AccountOverdue`.
pub fn create(
    id: PlanId,
    account: AccountId,
    new: &NewPlan,
    facts: &Facts<'_>,
    settings: &Settings,
    now: Timestamp,
    revision: Revision,
) -> Result<Step, Refusal> {
    let mut ordered = blank(id, account, new, settings, now)?;
    let slot = slot(new, facts, &ordered.account)?;
    text::free(facts.external_id_taken, "external_id", new.external_id.as_deref())?;
    quota(facts, &ordered, settings)?;
    ordered.egress = address(facts.supply, &ordered.region)?.map(Egress::unused);
    let paid = pay(&ordered, new, &facts.money, settings, now)?;
    ordered.prepaid = paid.amount;
    let mut plan = ordered.clone();
    let created = describe(new, &plan);
    if let Some(slot) = slot {
        plan.network = Some(slot.network.id.clone());
        slot.places(&mut plan);
        plan.start(OperationKind::Provision, now);
        let step = Step::of(&ordered, plan, now, revision).costing(paid);
        return Ok(step.with(now, EventKind::PlanCreated, created));
    }
    provision(&mut plan, settings, now);
    plan.status = Status::NotAssociated;
    plan.generation = revision;
    let step = Step::of(&ordered, plan, now, revision).costing(paid);
    Ok(step.with(now, EventKind::PlanCreated, created).with(now, EventKind::PlanNotAssociated, "provisioned"))
}

/// The peak of `peak_bps`, where plans paid and charged like this may have it.
pub fn peak(peak_bps: u64, charge: Charge, settings: &Settings) -> Result<Rate, Refusal> {
    let (low, high) = match charge {
        Charge::ByBandwidth => settings.peak_by_bandwidth,
        Charge::ByTraffic => settings.peak_by_traffic,
    };
    match Rate::new(peak_bps) {
        Ok(peak) if (low..=high).contains(&peak) => Ok(peak),
        _ => {
            let message = format!("a peak of {peak_bps} bit/s is out of range; write {low} to {high}");
            Err(Refusal::new(Code::InvalidBandwidth, message).at("peak_bps"))
        }
    }
}

/// The duration written as `code`.
pub fn duration(code: &str) -> Result<Duration, Refusal> {
    Duration::of_code(code).ok_or_else(|| {
        let known = Duration::ALL.map(Duration::code).join(", ");
        let message = format!("{:?} is no duration; write one of {known}", text::shortened(code));
        Refusal::new(Code::InvalidPeriod, message).at("duration")
    })
}

/// Begins the term and billing of `plan`.
pub(crate) fn provision(plan: &mut Plan, settings: &Settings, now: Timestamp) {
    plan.provisioned_at = Some(now);
    plan.ticked_at = plan.ticked_at.max(now);
    if let (Pay::PrePaid, Some(duration)) = (plan.pay, plan.duration) {
        let mut term = term::start(now, duration, settings);
        term.slice.value = mem::take(&mut plan.prepaid);
        plan.expires_at = Some(term.expires_at);
        plan.anchor_day = Some(term.anchor_day);
        plan.slices.push(term.slice);
    }
}

/// Checks of the input alone; the plan before its life.
fn blank(
    id: PlanId,
    account: AccountId,
    new: &NewPlan,
    settings: &Settings,
    now: Timestamp,
) -> Result<Plan, Refusal> {
    let external_id = text::external_id(new.external_id.as_deref())?;
    let region = text::name(&new.region, "region")?;
    if (new.pay, new.charge) == (Pay::PrePaid, Charge::ByTraffic) {
        let message = "a subscription is charged by bandwidth; leave `charge` out, or order pay-as-you-go";
        return Err(Refusal::new(Code::InvalidChargeType, message).at("charge"));
    }
    let peak = peak(new.peak_bps, new.charge, settings)?;
    period(new)?;
    agreement(new, settings)?;
    Ok(Plan {
        id,
        account,
        external_id,
        region,
        pay: new.pay,
        charge: new.charge,
        peak,
        applied_peak: peak,
        status: Status::Creating,
        business: Business::Normal,
        reason: None,
        network: None,
        egress: None,
        operation: None,
        generation: 0,
        created_at: now,
        provisioned_at: None,
        expires_at: None,
        anchor_day: None,
        duration: new.duration,
        auto_renew: new.auto_renew,
        release_at: None,
        prepaid: Amount::ZERO,
        slices: Vec::new(),
        ticked_at: now,
        version: 0,
    })
}

/// A subscription is paid before it begins. Pay-as-you-go is not, but the account must be able to pay for a
/// while of it; a plan charged by traffic counts as 2^30 bytes an hour.
fn pay(
    plan: &Plan,
    new: &NewPlan,
    money: &Money<'_>,
    settings: &Settings,
    now: Timestamp,
) -> Result<Order, Refusal> {
    if let Some(duration) = new.duration {
        let prices = money.period(plan.peak, duration, now);
        return agreed(Order::new(OrderKind::Purchase, now, prices, money), new.expected_amount, money);
    }
    let free = (Amount::ZERO, Amount::ZERO);
    let order = agreed(Order::new(OrderKind::Activate, now, free, money), new.expected_amount, money)?;
    money.starts_as_you_go(plan, settings, now)?;
    Ok(order)
}

fn period(new: &NewPlan) -> Result<(), Refusal> {
    let known = Duration::ALL.map(Duration::code).join(", ");
    let (code, field, message) = match (new.pay, new.duration, new.auto_renew) {
        (Pay::PrePaid, None, _) => {
            let message = format!("a subscription needs a duration; write one of {known}");
            (Code::InvalidPeriod, "duration", message)
        }
        (Pay::PostPaid, Some(duration), _) => {
            let message = format!("pay-as-you-go has no duration, and {duration} is one; leave it out");
            (Code::InvalidPeriod, "duration", message)
        }
        (Pay::PostPaid, None, true) => {
            let message = "pay-as-you-go is not renewed; leave `auto_renew` out".to_owned();
            (Code::AutoRenewNotSupported, "auto_renew", message)
        }
        (Pay::PrePaid, Some(Duration::Week), true) => (Code::AutoRenewNotSupported, "auto_renew", weeks()),
        _ => return Ok(()),
    };
    Err(Refusal::new(code, message).at(field))
}

/// Why a week is not renewed by itself.
pub(crate) fn weeks() -> String {
    "a week is renewed by hand only; choose a month or more, or leave `auto_renew` out".to_owned()
}

fn agreement(new: &NewPlan, settings: &Settings) -> Result<(), Refusal> {
    match &settings.agreement_version {
        Some(current) if new.agreement_version.as_deref() != Some(current) => {
            let message = format!(
                "agreement {current:?} is to be accepted; read it and send its version with the order"
            );
            Err(Refusal::new(Code::AgreementNotAccepted, message).at("agreement_version"))
        }
        _ => Ok(()),
    }
}

fn slot<'a>(
    new: &NewPlan,
    facts: &'a Facts<'_>,
    account: &AccountId,
) -> Result<Option<&'a Slot<'a>>, Refusal> {
    let Some(wanted) = &new.network else { return Ok(None) };
    let slot = facts.slot.as_ref().filter(|slot| slot.network.id == *wanted);
    let slot =
        slot.ok_or_else(|| Refusal::missing(Code::NetworkNotFound, "network", wanted).at("network"))?;
    slot.owned_by(account)?;
    slot.takes(&new.region)?;
    Ok(Some(slot))
}

fn address(supply: Supply, region: &str) -> Result<Option<Ipv4Addr>, Refusal> {
    match supply {
        Supply::None => Ok(None),
        Supply::Free(address) => Ok(Some(address)),
        Supply::Empty => {
            let message = format!(
                "no address of region {region:?} is free for the plan; try again later, or ask the operator for more"
            );
            Err(Refusal::new(Code::NoAddressAvailable, message))
        }
    }
}

fn quota(facts: &Facts<'_>, plan: &Plan, settings: &Settings) -> Result<(), Refusal> {
    let most = settings.plans_per_account_and_region;
    if facts.plans_in_region < most {
        return Ok(());
    }
    let message = format!(
        "the account has {} plans in region {:?} and may have {most}; end one, or ask the operator for more",
        facts.plans_in_region, plan.region
    );
    Err(Refusal::new(Code::QuotaExceededPlan, message))
}

fn describe(new: &NewPlan, plan: &Plan) -> String {
    let pay = match plan.pay {
        Pay::PrePaid => "subscription",
        Pay::PostPaid => "pay as you go",
    };
    let charge = match plan.charge {
        Charge::ByBandwidth => "bandwidth",
        Charge::ByTraffic => "traffic",
    };
    let mut text = format!("{} {pay}, by {charge}", plan.peak);
    let named = |name: &str, value: Option<&dyn std::fmt::Display>| {
        value.map(|value| format!(", {name} {value}")).unwrap_or_default()
    };
    let agreement: Option<Arc<str>> = new.agreement_version.as_deref().map(|it| text::shortened(it).into());
    text += &named("duration", new.duration.as_ref().map(|it| it as _));
    text += &named("network", new.network.as_ref().map(|it| it as _));
    text += &named("address", plan.egress.as_ref().map(|it| &it.address as _));
    text += &named("agreement", agreement.as_ref().map(|it| it as _));
    text
}
