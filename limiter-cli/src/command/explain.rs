//! What held traffic back, for how long, and how much was refused.

use std::fmt::Write as _;

use jiff::Timestamp;
use limiter_api::client::ClientError;
use limiter_api::series::{UsageQuery, UsageRate, UsageSeries, UsageTotal};
use limiter_api::views::Network;
use serde::Serialize;

use super::Session;
use crate::args::{ExplainCommand, RangeArgs};
use crate::failure::Failure;
use crate::output::print;
use crate::output::text::{about_bytes, about_rate, moment, plain, rate};

pub(super) async fn run(session: &Session, command: ExplainCommand) -> Result<(), Failure> {
    let explained = match command {
        ExplainCommand::Plan { name, range } => of_plan(session, &name, &range).await?,
        ExplainCommand::Network { name, range } => {
            let network = session.find().network(&name).await?;
            of_network(session, &network, &range).await?
        }
        ExplainCommand::Instance { name, range } => of_instance(session, &name, &range).await?,
    };
    if session.output.is_quiet() || session.output.for_people() {
        return print(&plain_lines(&explained.told(session)));
    }
    session.output.data(&explained)
}

/// What passed, and what held it back.
#[derive(Clone, Debug, Serialize)]
struct Explained {
    /// What it is of, for people.
    of: String,
    from: Timestamp,
    to: Timestamp,
    passed: UsageTotal,
    /// From the narrowest limit to the widest.
    limits: Vec<Limit>,
}

/// A limit on the way, and what it did.
#[derive(Clone, Debug, Serialize)]
struct Limit {
    /// Which one, for people.
    name: String,
    /// What it lets through now, where it is known, bits per second.
    up_bps: Option<u64>,
    down_bps: Option<u64>,
    /// What it did: `refused_bytes` and `limited_s`.
    did: UsageTotal,
}

async fn of_plan(session: &Session, name: &str, range: &RangeArgs) -> Result<Explained, Failure> {
    let id = session.find().plan_ever(name).await?;
    let series = session.client.plan_usage(&id, &query(range)).await?;
    Ok(Explained::new(format!("plan {id}"), &series, vec![limit(format!("the peak of plan {id}"), &series)]))
}

async fn of_network(session: &Session, network: &Network, range: &RangeArgs) -> Result<Explained, Failure> {
    let series = session.client.network_usage(&network.id, &query(range)).await?;
    let limits = vec![limit(whose(network), &series)];
    Ok(Explained::new(format!("network {}", network.name), &series, limits))
}

async fn of_instance(session: &Session, name: &str, range: &RangeArgs) -> Result<Explained, Failure> {
    let client = &session.client;
    let instance = session.find().instance(name).await?;
    let network = client.network(&instance.network).await?;
    let query = query(range);
    let own = client.instance_usage(&instance.id, &query).await?;
    // The same instants, whatever the time is meanwhile.
    let same = UsageQuery { from: Some(own.from), to: Some(own.to), period_s: Some(own.period_s) };
    let shared = client.network_usage(&network.id, &same).await?;
    let own_limit = match &instance.rule {
        Some(id) => match client.rule(id).await {
            Ok(rule) => Limit {
                name: format!("its rule {}", rule.name),
                up_bps: Some(rule.up_bps),
                down_bps: Some(rule.down_bps),
                did: own.total,
            },
            Err(ClientError::Refused(problem)) if problem.status == 404 => limit("its rule".to_owned(), &own),
            Err(error) => return Err(error.into()),
        },
        None => limit("a limit of its own, which it does not have now".to_owned(), &own),
    };
    let limits = vec![own_limit, limit(whose(&network), &shared)];
    Ok(Explained::new(format!("instance {} of network {}", instance.name, network.name), &own, limits))
}

fn query(range: &RangeArgs) -> UsageQuery {
    let (from, to) = range.at(Timestamp::now());
    UsageQuery { from, to, period_s: None }
}

fn limit(name: String, series: &UsageSeries) -> Limit {
    Limit { name, up_bps: series.peak_bps, down_bps: series.peak_bps, did: series.total }
}

/// The limit of a whole network, by what it is now.
fn whose(network: &Network) -> String {
    match &network.plan {
        Some(plan) => format!("plan {plan} of network {}, with all its instances together", network.name),
        None => format!("the basic rate of network {}, with all its instances together", network.name),
    }
}

impl Explained {
    fn new(of: String, series: &UsageSeries, limits: Vec<Limit>) -> Self {
        Self { of, from: series.from, to: series.to, passed: series.total, limits }
    }

    fn told(&self, session: &Session) -> String {
        let zone = session.output.zone();
        let head = format!("{}, {} to {}\n", self.of, moment(self.from, zone), moment(self.to, zone));
        let way = |name: &str, of: fn(&UsageTotal) -> UsageRate, rate_of: fn(&Limit) -> Option<u64>| {
            let passed = of(&self.passed);
            let mut text = format!(
                "{name}: {}, {} on average, at most {}\n",
                about_bytes(passed.bytes),
                about_rate(passed.average_bps),
                about_rate(passed.max_bps)
            );
            let held = self.limits.iter().filter_map(|limit| held(limit, of(&limit.did), rate_of(limit)));
            let held: String = held.collect();
            text.push_str(if held.is_empty() { "  nothing held it back\n" } else { &held });
            text
        };
        let up = way("up", |total| total.up, |limit| limit.up_bps);
        let down = way("down", |total| total.down, |limit| limit.down_bps);
        head + &up + &down
    }
}

/// What a limit did, where it did anything.
fn held(limit: &Limit, did: UsageRate, bps: Option<u64>) -> Option<String> {
    if did.limited_s == 0 && did.refused_bytes == 0 {
        return None;
    }
    let mut text = format!("  {}", limit.name);
    let now = bps.map(|bps| format!(" ({} now)", rate(bps))).unwrap_or_default();
    // Writing to a text cannot fail.
    let _ = write!(text, "{now} held it back for {}", lasted(did.limited_s));
    if did.refused_bytes > 0 {
        let _ = write!(text, " and refused {}", about_bytes(did.refused_bytes));
    }
    text.push('\n');
    Some(text)
}

/// A time to the second: `1 h 2 min 5 s`.
fn lasted(seconds: u64) -> String {
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    if parts.is_empty() { "less than 1 s".to_owned() } else { parts.join(" ") }
}

fn plain_lines(text: &str) -> String {
    text.lines().map(|line| plain(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_did_nothing_is_not_mentioned() {
        let limit = |name: &str| Limit {
            name: name.to_owned(),
            up_bps: None,
            down_bps: Some(20_000_000),
            did: UsageTotal::default(),
        };
        assert_eq!(held(&limit("x"), UsageRate::default(), None), None);
        let did = UsageRate { limited_s: 3725, refused_bytes: 3 << 20, ..UsageRate::default() };
        assert_eq!(
            held(&limit("its rule slow"), did, Some(20_000_000)).as_deref(),
            Some("  its rule slow (20 Mbps now) held it back for 1 h 2 min 5 s and refused 3.00 MiB\n")
        );
        let did = UsageRate { refused_bytes: 1, ..UsageRate::default() };
        assert_eq!(
            held(&limit("its rule slow"), did, None).as_deref(),
            Some("  its rule slow held it back for less than 1 s and refused 1 B\n")
        );
    }
}
