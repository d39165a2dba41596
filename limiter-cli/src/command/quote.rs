//! What operations would cost.

use limiter_api::money::{QuoteQuery, RenewQuoteQuery, ResizeQuoteQuery};

use super::Session;
use crate::args::QuoteCommand;
use crate::failure::Failure;

pub(super) async fn run(session: &Session, command: QuoteCommand) -> Result<(), Failure> {
    let client = &session.client;
    let quote = match command {
        QuoteCommand::Plan { peak, duration, charge } => {
            let pay = if duration.is_some() { "subscription" } else { "pay_as_you_go" }.to_owned();
            let account = session.account.clone();
            client.quote_plan(&QuoteQuery { account, pay, charge, peak_bps: peak.bps(), duration }).await?
        }
        QuoteCommand::Resize { plan, peak } => {
            let plan = session.find().plan(&plan).await?;
            client.quote_resize(&plan.id, &ResizeQuoteQuery { peak_bps: peak.bps() }).await?
        }
        QuoteCommand::Renew { plan, duration } => {
            let plan = session.find().plan(&plan).await?;
            client.quote_renewal(&plan.id, &RenewQuoteQuery { duration }).await?
        }
        QuoteCommand::Unsubscribe { plan } => {
            let plan = session.find().plan(&plan).await?;
            client.quote_end(&plan.id).await?
        }
    };
    session.output.one(&quote)
}
