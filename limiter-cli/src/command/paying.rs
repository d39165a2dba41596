//! What an operation costs is said before it is done, and the amount that was said goes along with it.

use limiter_api::money::{Quote, QuoteQuery, RenewQuoteQuery, ResizeQuoteQuery};
use limiter_api::params::NewPlan;
use limiter_api::views::Plan;

use super::Session;
use crate::failure::Failure;
use crate::output::text::{count, micro};

/// The amount of a new subscription, agreed to; [`None`] where nothing has a price, or nothing is paid yet.
pub(super) async fn order(session: &Session, new: &NewPlan) -> Result<Option<i64>, Failure> {
    if new.duration.is_none() {
        return Ok(None);
    }
    let query = QuoteQuery {
        account: new.account.clone(),
        pay: new.pay.clone(),
        charge: new.charge.clone(),
        peak_bps: new.peak_bps,
        duration: new.duration.clone(),
    };
    let quote = session.client.quote_plan(&query).await?;
    agreed(session, "The plan", &[quote])
}

/// The amount of another peak, agreed to.
pub(super) async fn resize(session: &Session, plan: &Plan, peak_bps: u64) -> Result<Option<i64>, Failure> {
    let quote = session.client.quote_resize(&plan.id, &ResizeQuoteQuery { peak_bps }).await?;
    agreed(session, "The new peak", &[quote])
}

/// The amount of a longer term for each of `plans`, agreed to; [`None`] where they differ, too.
pub(super) async fn renew(session: &Session, plans: &[Plan], duration: &str) -> Result<Option<i64>, Failure> {
    let query = RenewQuoteQuery { duration: duration.to_owned() };
    let mut quotes = Vec::with_capacity(plans.len());
    for plan in plans {
        // A plan that cannot be renewed has an outcome of its own.
        quotes.extend(session.client.quote_renewal(&plan.id, &query).await.ok());
    }
    agreed(session, &format!("The renewal of {}", count(quotes.len() as u64, "plan")), &quotes)
}

/// What the end of a subscription pays back, as a sentence; empty where nothing has a price.
pub(super) async fn paid_back(session: &Session, plan: &Plan) -> String {
    match session.client.quote_end(&plan.id).await {
        Ok(Quote { amount_micro: Some(amount), currency, .. }) => {
            format!(" {} {} is paid back.", micro(-amount), currency.unwrap_or_default())
        }
        // Where it cannot be ended, the outcome says why.
        _ => String::new(),
    }
}

fn agreed(session: &Session, what: &str, quotes: &[Quote]) -> Result<Option<i64>, Failure> {
    let Some((sum, currency)) = sum(quotes) else { return Ok(None) };
    let shown = micro(sum.saturating_abs());
    match sum {
        0 => {}
        1.. => session.confirm.ask(&format!("{what} costs {shown} {currency}."))?,
        _ => session.confirm.ask(&format!("{what} pays back {shown} {currency}."))?,
    }
    let first = quotes.first().and_then(|quote| quote.amount_micro);
    Ok(first.filter(|first| quotes.iter().all(|quote| quote.amount_micro == Some(*first))))
}

fn sum(quotes: &[Quote]) -> Option<(i64, &str)> {
    let amounts: Option<Vec<i64>> = quotes.iter().map(|quote| quote.amount_micro).collect();
    let currency = quotes.first()?.currency.as_deref().unwrap_or_default();
    amounts.map(|amounts| (amounts.into_iter().fold(0, i64::saturating_add), currency))
}
