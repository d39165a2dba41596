//! Orders.

use limiter_api::client::all_pages;
use limiter_api::money::OrderQuery;

use super::Session;
use crate::args::OrderCommand;
use crate::failure::Failure;

pub(super) async fn run(session: &Session, command: OrderCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        OrderCommand::List { plan } => {
            let query = OrderQuery { account: session.account.clone(), plan, after: None, limit: None };
            let orders = all_pages(query, async |query| client.orders(query).await).await?;
            session.output.list(&orders, "no orders; the first comes with `limiter plan create`")
        }
        OrderCommand::Show { id } => session.output.one(&client.order(&id).await?),
    }
}
