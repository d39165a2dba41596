//! Renewing and ending several plans in one call: each id has its own outcome.

use limiter_api::LIST_MAX;
use limiter_api::params::{End, Renew};
use limiter_api::views;
use limiter_domain::price::Amount;
use limiter_domain::{Plan, Step, order, release, renewal};

use super::change::{Begun, Call, Change};
use super::money::Funds;
use super::{App, AppError, read};

/// Most subscriptions that one call ends.
const UNSUBSCRIBE_MAX: usize = 20;

impl App {
    /// Renews subscriptions.
    pub async fn renew(&self, call: &Call, input: Renew) -> Result<Vec<views::Outcome>, AppError> {
        let duration = order::duration(&input.duration)?;
        let renewal = renewal::Renewal {
            duration,
            auto_renew: input.auto_renew,
            expected_amount: input.expected_amount_micro.map(Amount::new),
        };
        self.each(call, &input.plans, LIST_MAX, |change, plan, funds| {
            Ok(renewal::renew(plan, renewal, &funds.money(), self.settings(), change.now, change.revision())?)
        })
        .await
    }

    /// Ends subscriptions before their time.
    pub async fn unsubscribe(&self, call: &Call, input: End) -> Result<Vec<views::Outcome>, AppError> {
        let ending = release::Ending { force: input.force, expected_amount: None };
        self.each(call, &input.plans, UNSUBSCRIBE_MAX, |change, plan, funds| {
            let (money, settings) = (funds.money(), self.settings());
            Ok(release::unsubscribe(plan, ending, &money, settings, change.now, change.revision())?)
        })
        .await
    }

    /// Deletes plans that are paid as they go.
    pub async fn delete_plans(&self, call: &Call, input: End) -> Result<Vec<views::Outcome>, AppError> {
        self.each(call, &input.plans, LIST_MAX, |change, plan, _| {
            Ok(release::delete(plan, input.force, change.now, change.revision())?)
        })
        .await
    }

    /// One step of each plan, in one transaction. A refused step writes nothing.
    async fn each<F>(
        &self,
        call: &Call,
        ids: &[String],
        most: usize,
        decide: F,
    ) -> Result<Vec<views::Outcome>, AppError>
    where
        F: Fn(&Change, &Plan, &Funds) -> Result<Step, AppError>,
    {
        let reach = call.caller.changes()?;
        call.check_unversioned()?;
        read::few("plans", ids, most)?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids {
            let decided = match self.current(&mut change, &reach, id).await {
                Ok(plan) => decide(&change, &plan, &Funds::of(&change.tx, &plan.account).await?),
                Err(error) => Err(error),
            };
            let refused = match decided {
                Ok(step) => {
                    self.take(&mut change, step).await?;
                    None
                }
                Err(AppError::Refused(refusal)) => {
                    Some(views::Refused { code: refusal.code.code().to_owned(), detail: refusal.message })
                }
                Err(error) => return Err(error),
            };
            outcomes.push(views::Outcome { id: id.clone(), refused });
        }
        change.finish(outcomes).await
    }
}
