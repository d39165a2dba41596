//! Plans.

use limiter_api::client::all_pages;
use limiter_api::params::{Associate, AutoRenew, End, NewPlan, PlanQuery, Renew, Resize};
use limiter_api::views::{Outcome, Plan};

use super::{Session, paying};
use crate::args::{EndArgs, PlanCommand, Switch, WaitArgs};
use crate::confirm;
use crate::failure::Failure;
use crate::wait::{self, Goal};

pub(super) async fn run(session: &Session, command: PlanCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        PlanCommand::List { region, status, pay, network } => {
            let network = session.find().network_id(network.as_deref()).await?;
            let account = session.account.clone();
            let pay = pay.as_deref().map(wire);
            let query = PlanQuery { account, region, status, pay, network, after: None, limit: None };
            let plans = all_pages(query, async |query| client.plans(query).await).await?;
            session.output.list(
                &plans,
                "no plans; order one with `limiter plan create --network NETWORK --peak 20Mbps`",
            )
        }
        PlanCommand::Show { plan } => session.output.one(&session.find().plan(&plan).await?),
        PlanCommand::Create {
            peak,
            network,
            pay,
            charge,
            duration,
            auto_renew,
            region,
            external_id,
            wait,
        } => {
            let default = if duration.is_some() { "subscription" } else { "pay-as-you-go" };
            let network = match network {
                Some(network) => Some(session.find().network(&network).await?),
                None => None,
            };
            let account = match &network {
                Some(network) => session.account_for(&network.account).await?,
                None => session.account.clone(),
            };
            let network = network.map(|network| network.id);
            let mut new = NewPlan {
                account,
                external_id,
                region,
                pay: wire(pay.as_deref().unwrap_or(default)),
                charge,
                peak_bps: peak.bps(),
                network: network.clone(),
                duration,
                auto_renew: auto_renew.then_some(true),
                expected_amount_micro: None,
                agreement_version: None,
            };
            new.expected_amount_micro = paying::order(session, &new).await?;
            let plan = client.create_plan(&new).await?;
            followed(session, plan, network.map_or(Goal::There, Goal::Serves), &wait).await
        }
        PlanCommand::Associate { plan, network, wait, version } => {
            let plan = session.find().plan(&plan).await?;
            let network = session.find().network(&network).await?.id;
            let associate = Associate { network: network.clone() };
            let plan = session.client_at(&version).associate_plan(&plan.id, &associate).await?;
            followed(session, plan, Goal::Serves(network), &wait).await
        }
        PlanCommand::Dissociate { plan, wait, version } => {
            let plan = session.find().plan(&plan).await?;
            if let Some(network) = &plan.network {
                session.confirm.ask(&confirm::dissociate(&plan, &client.network(network).await?))?;
            }
            let plan = session.client_at(&version).dissociate_plan(&plan.id).await?;
            followed(session, plan, Goal::Free, &wait).await
        }
        PlanCommand::Resize { plan, peak, wait, version } => {
            let plan = session.find().plan(&plan).await?;
            let expected_amount_micro = paying::resize(session, &plan, peak.bps()).await?;
            let resize = Resize { peak_bps: peak.bps(), expected_amount_micro };
            let plan = session.client_at(&version).resize_plan(&plan.id, &resize).await?;
            followed(session, plan, Goal::Peak(peak.bps()), &wait).await
        }
        PlanCommand::Renew { plans, duration, auto_renew } => {
            let plans = find(session, &plans).await?;
            let auto_renew = auto_renew.map(|switch| switch == Switch::On);
            let expected_amount_micro = paying::renew(session, &plans, &duration).await?;
            let renew = Renew { plans: ids(&plans), duration, auto_renew, expected_amount_micro };
            let outcomes = client.renew_plans(&renew).await?;
            session.output.list(&outcomes, "no plans")?;
            refused(&outcomes)
        }
        PlanCommand::AutoRenew { plan, switch, version } => {
            let plan = session.find().plan(&plan).await?;
            let auto_renew = AutoRenew { enabled: switch == Switch::On };
            session.output.one(&session.client_at(&version).auto_renew_plan(&plan.id, &auto_renew).await?)
        }
        PlanCommand::Unsubscribe(args) => end(session, args, Ending::Unsubscribe).await,
        PlanCommand::Delete(args) => end(session, args, Ending::Delete).await,
    }
}

/// Waits for the nodes, and prints the plan even where they do not follow: its id must not be lost.
async fn followed(session: &Session, mut plan: Plan, goal: Goal, wait: &WaitArgs) -> Result<(), Failure> {
    let result = wait::in_force(&session.client, &mut plan, &goal, wait).await;
    session.output.one(&plan)?;
    result
}

/// The two ways in which plans end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Of subscriptions.
    Unsubscribe,
    /// Of plans that are paid as they go.
    Delete,
}

async fn end(session: &Session, args: EndArgs, ending: Ending) -> Result<(), Failure> {
    let client = &session.client;
    let plans = find(session, &args.plans).await?;
    let mut lines = Vec::new();
    for plan in &plans {
        let network = match &plan.network {
            Some(network) if args.force => Some(client.network(network).await?),
            _ => None,
        };
        let paid_back = match ending {
            Ending::Unsubscribe => paying::paid_back(session, plan).await,
            Ending::Delete => String::new(),
        };
        lines.push(confirm::end(plan, network.as_ref()) + &paid_back);
    }
    session.confirm.ask(&lines.join("\n"))?;
    let end = End { plans: ids(&plans), force: args.force };
    let outcomes = match ending {
        Ending::Unsubscribe => client.unsubscribe_plans(&end).await?,
        Ending::Delete => client.delete_plans(&end).await?,
    };
    let mut waited = Ok(());
    for outcome in outcomes.iter().filter(|outcome| outcome.refused.is_none()) {
        if waited.is_ok() {
            waited = wait::gone(client, &outcome.id, &args.wait).await;
        }
    }
    session.output.list(&outcomes, "no plans")?;
    refused(&outcomes).and(waited)
}

async fn find(session: &Session, names: &[String]) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::new();
    for name in names {
        plans.push(session.find().plan(name).await?);
    }
    Ok(plans)
}

fn ids(plans: &[Plan]) -> Vec<String> {
    plans.iter().map(|plan| plan.id.clone()).collect()
}

/// One refusal decides the exit code.
fn refused(outcomes: &[Outcome]) -> Result<(), Failure> {
    let refused = outcomes.iter().filter(|outcome| outcome.refused.is_some()).count();
    match refused {
        0 => Ok(()),
        _ => Err(Failure::NotDone(format!("{refused} of {} refused", outcomes.len()))),
    }
}

/// A word of the command line as the interface has it.
fn wire(word: &str) -> String {
    word.replace('-', "_")
}
