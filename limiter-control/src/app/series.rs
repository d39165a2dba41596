//! What passed, for graphs and tables.

use std::collections::HashMap;
use std::num::NonZeroU16;

use jiff::{SignedDuration, Timestamp};
use limiter_api::series::{
    POINTS_MAX, TOP_MAX, TopInstance, TopInstances, TopQuery, UsagePoint, UsageQuery, UsageRate, UsageSeries,
    UsageTotal,
};
use limiter_domain::mode::mode;
use limiter_domain::usage::{Flow, Grain, Passed, Point, UsageHour, hour_of, points};
use limiter_domain::{Code, NetworkMode, NodeId};

use super::error::refuse_field;
use super::usage::{INSTANCE_MINUTES, INSTANCES_KEPT, NETWORK_MINUTES, NETWORKS_KEPT};
use super::{App, AppError, Caller, read};

/// What is shown where nothing is said.
const DEFAULT_RANGE: SignedDuration = SignedDuration::from_hours(1);

/// Instances that are listed where nothing is said.
const DEFAULT_TOP: usize = 10;

/// How long each grain is kept, the finest first.
type Kept = [(Grain, SignedDuration); 3];

const OF_NETWORKS: Kept =
    [(Grain::Minute, NETWORK_MINUTES), (Grain::Quarter, NETWORK_MINUTES), (Grain::Hour, NETWORKS_KEPT)];

const OF_INSTANCES: Kept =
    [(Grain::Minute, INSTANCE_MINUTES), (Grain::Quarter, INSTANCES_KEPT), (Grain::Hour, INSTANCES_KEPT)];

impl App {
    /// What networks passed while a plan served them.
    pub async fn plan_usage(
        &self,
        caller: &Caller,
        id: &str,
        query: &UsageQuery,
    ) -> Result<UsageSeries, AppError> {
        let reach = caller.audits()?;
        let asked = asked(query, &OF_NETWORKS, self.now())?;
        let tx = self.store.read().await?;
        let plan = read::plan_or_released(&tx, &reach, id).await?;
        let hours = tx.usage_of_plan(&plan.id, asked.hours()).await?;
        let hours = hours.iter().map(|row| (&row.node, row.hour, &row.usage));
        Ok(asked.series(hours, Some(plan.peak.bps())))
    }

    /// What a network passed.
    pub async fn network_usage(
        &self,
        caller: &Caller,
        id: &str,
        query: &UsageQuery,
    ) -> Result<UsageSeries, AppError> {
        let reach = caller.audits()?;
        let asked = asked(query, &OF_NETWORKS, self.now())?;
        let tx = self.store.read().await?;
        let network = read::network(&tx, &reach, id).await?;
        let plan = tx.plans_of_networks(std::slice::from_ref(&network.id)).await?.into_iter().next();
        let peak = match mode(&network, plan.as_ref()) {
            NetworkMode::Premium { peak, .. } => Some(peak.bps()),
            NetworkMode::Basic { rate } => Some(rate.bps()),
            NetworkMode::Offline => None,
        };
        let hours = tx.usage_of_network(&network.id, asked.hours()).await?;
        Ok(asked.series(hours.iter().map(|row| (&row.node, row.hour, &row.usage)), peak))
    }

    /// What an instance passed.
    pub async fn instance_usage(
        &self,
        caller: &Caller,
        id: &str,
        query: &UsageQuery,
    ) -> Result<UsageSeries, AppError> {
        let reach = caller.audits()?;
        let asked = asked(query, &OF_INSTANCES, self.now())?;
        let tx = self.store.read().await?;
        let instance = read::instance(&tx, &reach, id).await?;
        let (from, to) = asked.hours();
        let hours: Vec<Timestamp> = hours(from, to).collect();
        let hours = tx.usage_of_instance(&instance.id, &hours).await?;
        Ok(asked.series(hours.iter().map(|row| (&row.node, row.hour, &row.usage)), None))
    }

    /// The busiest instances of a network.
    pub async fn top_instances(
        &self,
        caller: &Caller,
        id: &str,
        query: &TopQuery,
    ) -> Result<TopInstances, AppError> {
        let reach = caller.audits()?;
        let (from, to) = range(query.from, query.to, self.now())?;
        let (from, to) = (hour_of(from), end_of_hour(to));
        let most = query.limit.unwrap_or(DEFAULT_TOP);
        if !(1..=TOP_MAX).contains(&most) {
            let message = format!("{most} is out of range; write 1 to {TOP_MAX}");
            return Err(refuse_field(Code::InvalidParameter, "limit", message));
        }
        let tx = self.store.read().await?;
        let network = read::network(&tx, &reach, id).await?;
        let found = tx.top_instances(&network.id, (from, to), most as u64).await?;
        let ids: Vec<_> = found.iter().map(|(id, _, _)| id.clone()).collect();
        let names: HashMap<_, _> =
            tx.instances_by_id(&ids).await?.into_iter().map(|it| (it.id, it.name)).collect();
        let instances = found.into_iter().map(|(id, up_bytes, down_bytes)| TopInstance {
            name: names.get(&id).map(ToString::to_string),
            instance: id.to_string(),
            up_bytes,
            down_bytes,
        });
        Ok(TopInstances { from, to, instances: instances.collect() })
    }
}

/// What is asked for, in whole periods.
struct Asked {
    from: Timestamp,
    to: Timestamp,
    period: Grain,
    now: Timestamp,
}

fn asked(query: &UsageQuery, kept: &Kept, now: Timestamp) -> Result<Asked, AppError> {
    let (from, to) = range(query.from, query.to, now)?;
    let count = |period: Grain| {
        let seconds = to.as_second().saturating_sub(from.as_second()).unsigned_abs();
        usize::try_from(seconds.div_ceil(period.seconds().get().into())).unwrap_or(usize::MAX)
    };
    let period = match query.period_s {
        None => {
            let age = now.duration_since(from);
            let fits = |(grain, kept): &(Grain, SignedDuration)| count(*grain) <= POINTS_MAX && age <= *kept;
            kept.iter().find(|it| fits(it)).map_or(Grain::Hour, |(grain, _)| *grain)
        }
        Some(seconds) => Grain::of_seconds(seconds).ok_or_else(|| {
            let message = format!("{seconds} is no period; write 60, 900 or 3600");
            refuse_field(Code::InvalidParameter, "period_s", message)
        })?,
    };
    if count(period) > POINTS_MAX {
        let message = format!(
            "{} points of {} s are more than {POINTS_MAX}; ask for a shorter time or a longer period",
            count(period),
            period.seconds()
        );
        return Err(refuse_field(Code::InvalidParameter, "from", message));
    }
    Ok(Asked { from, to, period, now })
}

fn range(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), AppError> {
    let to = to.unwrap_or(now);
    let from = from.unwrap_or_else(|| to.saturating_sub(DEFAULT_RANGE).unwrap_or(Timestamp::MIN));
    if from >= to {
        let message = format!("{from} is not before {to}; write an earlier instant");
        return Err(refuse_field(Code::InvalidParameter, "from", message));
    }
    Ok((from, to))
}

impl Asked {
    /// The clock hours that have points of it.
    fn hours(&self) -> (Timestamp, Timestamp) {
        (hour_of(self.from), end_of_hour(self.to))
    }

    fn series<'a>(
        &self,
        hours: impl IntoIterator<Item = (&'a NodeId, Timestamp, &'a UsageHour)>,
        peak_bps: Option<u64>,
    ) -> UsageSeries {
        let seconds = self.period.seconds();
        let is_over = |point: &Point| {
            let end = point.start.saturating_add(SignedDuration::from_secs(seconds.get().into()));
            end.is_ok_and(|end| end <= self.now)
        };
        let points = points(hours, (self.from, self.to), self.period);
        let points: Vec<Point> = points.into_iter().filter(is_over).collect();
        let total = points.iter().fold(Passed::default(), |sum, point| sum.then(point.passed));
        let average = |flow: Flow| {
            let periods = u128::try_from(points.len()).unwrap_or(u128::MAX).max(1);
            let bits = u128::from(flow.bytes) * 8;
            let average_bps = u64::try_from(bits / (periods * u128::from(seconds.get()))).unwrap_or(u64::MAX);
            UsageRate { average_bps, ..rate(flow, seconds) }
        };
        UsageSeries {
            from: self.from,
            to: self.to,
            period_s: seconds.get(),
            peak_bps,
            total: UsageTotal { up: average(total.up), down: average(total.down) },
            points: points
                .iter()
                .map(|point| UsagePoint {
                    start: point.start,
                    up: rate(point.passed.up, seconds),
                    down: rate(point.passed.down, seconds),
                    estimated: point.passed.estimated,
                })
                .collect(),
        }
    }
}

fn rate(flow: Flow, period_s: NonZeroU16) -> UsageRate {
    UsageRate {
        bytes: flow.bytes,
        average_bps: flow.average_bps(period_s),
        max_bps: flow.max_bps(),
        refused_bytes: flow.refused_bytes,
        limited_s: flow.limited_s,
    }
}

fn end_of_hour(at: Timestamp) -> Timestamp {
    let hour = hour_of(at);
    if hour == at { at } else { hour.saturating_add(DEFAULT_RANGE).unwrap_or(Timestamp::MAX) }
}

fn hours(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    let next = |hour: &Timestamp| hour.checked_add(SignedDuration::from_hours(1)).ok();
    std::iter::successors(Some(from), next).take_while(move |hour| *hour < to)
}
