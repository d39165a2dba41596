//! Addresses for plans: imported, listed, taken away, and who had them.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use limiter_api::params::{AddressQuery, AddressRanges, AddressUseQuery};
use limiter_api::views;
use limiter_domain::pool::{self, Range};
use limiter_domain::{Address, Code, EventKind, Node, Plan, egress, node};

use super::change::{Begun, Call, Change};
use super::error::refuse_field;
use super::{App, AppError, Caller, DEFAULT_REGION, read, view};
use crate::store::{AddressFilter, AddressUseFilter, Tx};

impl App {
    /// Lists addresses for plans.
    pub async fn addresses(
        &self,
        caller: &Caller,
        query: &AddressQuery,
    ) -> Result<views::Page<views::Address>, AppError> {
        caller.operates()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let state = query.state.as_deref();
        let state = state.map(|text| read::word("state", text, &view::ADDRESS_STATES, view::address_state));
        let now = self.now();
        let filter = AddressFilter {
            region: query.region.as_deref().map(Into::into),
            state: state.transpose()?.map(|state| (state, now)),
        };
        let page = self.store.read().await?.addresses(&filter, &paging).await?;
        Ok(read::page(page, |address| view::address(&address, now)))
    }

    /// Shows an address for plans.
    pub async fn address(&self, caller: &Caller, text: &str) -> Result<views::Address, AppError> {
        caller.operates()?;
        let tx = self.store.read().await?;
        let found = match text.parse() {
            Ok(address) => tx.address(address).await?,
            Err(_) => None,
        };
        let found = found.ok_or_else(|| read::missing(Code::AddressNotFound, "address", text))?;
        Ok(view::address(&found, self.now()))
    }

    /// Who had an address when; also of one that is no longer there.
    pub async fn address_uses(
        &self,
        caller: &Caller,
        text: &str,
        query: &AddressUseQuery,
    ) -> Result<views::Page<views::AddressUse>, AppError> {
        caller.operates()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let address: Result<Ipv4Addr, _> = text.parse();
        let address = address.map_err(|_| read::missing(Code::AddressNotFound, "address", text))?;
        let filter = AddressUseFilter { address, at: query.at };
        let page = self.store.read().await?.address_uses(&filter, &paging).await?;
        Ok(read::page(page, |used| view::address_use(&used)))
    }

    /// Makes addresses available to plans. Plans of the region that have none get one each.
    pub async fn import_addresses(
        &self,
        call: &Call,
        input: AddressRanges,
    ) -> Result<views::AddressesChanged, AppError> {
        call.caller.operates()?;
        let region = input.region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let ranges = pool::read(&input.ranges)?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let without = change.tx.plans_without_address(&region).await?;
        let claims = owned(&change.tx, &region).await?.into_iter().map(|net| (net, ())).collect();
        let mut nodes = change.tx.nodes_sharing().await?;
        nodes.extend(change.tx.nodes_of_region(&region).await?);
        let facts = pool::Facts {
            known: first_known(&change.tx, &ranges).await?,
            claims: &claims,
            nodes: &nodes,
            plans_without: without.len(),
        };
        pool::import(&ranges, &region, facts)?;
        let new =
            |address| Address { address, region: region.as_str().into(), plan: None, rests_until: None };
        let addresses: Vec<Address> = ranges.iter().flat_map(Range::addresses).map(new).collect();
        let answer = views::AddressesChanged {
            region: region.clone(),
            addresses: addresses.len() as u64,
            plans: without.len() as u64,
        };
        if input.dry_run {
            return Ok(answer);
        }
        change.tx.put_addresses(&addresses).await?;
        change.event(EventKind::AddressesImported, None, &region, &shown(&ranges));
        let mut plans = 0;
        for (plan, address) in without.into_iter().zip(&addresses) {
            plans += u64::from(self.bind_first(&mut change, plan, address.address).await?);
        }
        change.finish(views::AddressesChanged { plans, ..answer }).await
    }

    /// Takes addresses that no plan has away from the region.
    pub async fn remove_addresses(
        &self,
        call: &Call,
        input: AddressRanges,
    ) -> Result<views::AddressesChanged, AppError> {
        call.caller.operates()?;
        let region = input.region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let ranges = pool::read(&input.ranges)?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let mut removed = 0;
        for range in &ranges {
            if let Some(kept) = change.tx.address_kept(&region, *range, change.now).await? {
                pool::remove(&kept, change.now)?;
            }
            removed += change.tx.remove_addresses(&region, *range).await?;
        }
        if removed == 0 {
            let message =
                format!("region {region:?} has none of these addresses; list them to see what it has");
            return Err(refuse_field(Code::AddressNotFound, "ranges", message));
        }
        let answer = views::AddressesChanged { region: region.clone(), addresses: removed, plans: 0 };
        if input.dry_run {
            return Ok(answer);
        }
        change.event(EventKind::AddressesRemoved, None, &region, &shown(&ranges));
        change.finish(answer).await
    }

    /// Gives a plan of before the addresses its own; false where its end was due.
    async fn bind_first(&self, change: &mut Change, plan: Plan, address: Ipv4Addr) -> Result<bool, AppError> {
        let plan = self.caught_up(change, plan).await?;
        if !plan.is_live() {
            return Ok(false);
        }
        let network = match &plan.network {
            Some(id) => change.tx.network(id).await?,
            None => None,
        };
        let node = match &network {
            Some(network) => super::egress::choose(change, network).await?,
            None => None,
        };
        let step = egress::bind(&plan, address, node, change.now, change.revision());
        let plan = self.take(change, step).await?;
        change.tx.bind_address(address, &plan.id).await?;
        Ok(true)
    }
}

/// An address that packets leave through, of a plan or of one of `nodes`, with the place of the prefix that has it
/// inside.
pub(super) async fn inside(
    tx: &Tx,
    prefixes: &[String],
    nodes: &[Node],
) -> Result<Option<(usize, Ipv4Addr)>, AppError> {
    for (place, text) in prefixes.iter().enumerate() {
        let Ok(net) = text.parse::<Ipv4Net>() else { continue };
        let range = Range { first: net.network(), last: net.broadcast() };
        let pooled = tx.address_within(range).await?.map(|known| known.address);
        let shared = nodes.iter().flat_map(node::shared).find(|address| range.contains(*address));
        if let Some(address) = pooled.or(shared) {
            return Ok(Some((place, address)));
        }
    }
    Ok(None)
}

async fn first_known(tx: &Tx, ranges: &[Range]) -> Result<Option<Ipv4Addr>, AppError> {
    for range in ranges {
        if let Some(known) = tx.address_within(*range).await? {
            return Ok(Some(known.address));
        }
    }
    Ok(None)
}

/// What the networks of a region's zones own together, each part once.
pub(super) async fn owned(tx: &Tx, region: &str) -> Result<Vec<IpNet>, AppError> {
    let prefixes = tx.prefixes_of_zone(region, None).await?;
    Ok(IpNet::aggregate(&prefixes.into_iter().flat_map(|(_, nets)| nets).collect()))
}

fn shown(ranges: &[Range]) -> String {
    let texts: Vec<String> = ranges.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
