//! What passed.

use std::fmt::Write as _;

use jiff::Timestamp;
use limiter_api::series::{TopQuery, UsageQuery, UsageSeries};

use super::Session;
use crate::args::{RangeArgs, SeriesArgs, UsageCommand};
use crate::failure::Failure;
use crate::output::text::{about_bytes, about_rate, rate};
use crate::output::{note, print};

pub(super) async fn run(session: &Session, command: UsageCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        UsageCommand::Plan(args) => {
            let id = session.find().plan_ever(&args.name).await?;
            show(session, &args, &client.plan_usage(&id, &query(&args)).await?)
        }
        UsageCommand::Network(args) => {
            let id = session.find().network(&args.name).await?.id;
            show(session, &args, &client.network_usage(&id, &query(&args)).await?)
        }
        UsageCommand::Instance(args) => {
            let id = session.find().instance(&args.name).await?.id;
            show(session, &args, &client.instance_usage(&id, &query(&args)).await?)
        }
        UsageCommand::Top { network, range, limit } => top(session, &network, &range, limit).await,
    }
}

fn query(args: &SeriesArgs) -> UsageQuery {
    let (from, to) = args.range.at(Timestamp::now());
    UsageQuery { from, to, period_s: args.period }
}

fn show(session: &Session, args: &SeriesArgs, series: &UsageSeries) -> Result<(), Failure> {
    if args.csv {
        return print(&csv(series));
    }
    if session.output.is_quiet() {
        let starts: Vec<String> = series
            .points
            .iter()
            .map(|point| {
                point.start.to_string()
                    + "
"
            })
            .collect();
        return print(&starts.concat());
    }
    if !session.output.for_people() {
        return session.output.data(series);
    }
    session.output.list(
        &series.points,
        "nothing was measured then; a node reports each minute while a network is carried, ask for more with --last 24h",
    )?;
    if !series.points.is_empty() {
        note(&summary(series));
    }
    Ok(())
}

/// All points together, in a line.
fn summary(series: &UsageSeries) -> String {
    let of = |name: &str, it: limiter_api::series::UsageRate| {
        format!(
            "{name} {}, {} on average, at most {}",
            about_bytes(it.bytes),
            about_rate(it.average_bps),
            about_rate(it.max_bps)
        )
    };
    let peak = series.peak_bps.map(|peak| format!("; the peak is {}", rate(peak))).unwrap_or_default();
    format!("{}; {}{peak}", of("up", series.total.up), of("down", series.total.down))
}

fn csv(series: &UsageSeries) -> String {
    let mut text = String::from("start,period_s");
    for direction in ["up", "down"] {
        for column in ["bytes", "average_bps", "max_bps", "refused_bytes", "limited_s"] {
            // Writing to a text cannot fail.
            let _ = write!(text, ",{direction}_{column}");
        }
    }
    text.push_str(",estimated\n");
    for point in &series.points {
        let _ = write!(text, "{},{}", point.start, series.period_s);
        for it in [point.up, point.down] {
            let _ = write!(
                text,
                ",{},{},{},{},{}",
                it.bytes, it.average_bps, it.max_bps, it.refused_bytes, it.limited_s
            );
        }
        let _ = writeln!(text, ",{}", point.estimated);
    }
    text
}

async fn top(session: &Session, network: &str, range: &RangeArgs, limit: u8) -> Result<(), Failure> {
    let network = session.find().network(network).await?.id;
    let (from, to) = range.at(Timestamp::now());
    let query = TopQuery { from, to, limit: Some(limit.into()) };
    let top = session.client.top_instances(&network, &query).await?;
    if !session.output.for_people() && !session.output.is_quiet() {
        return session.output.data(&top);
    }
    session
        .output
        .list(&top.instances, "no instance of it passed anything then; ask for more with --last 24h")
}

#[cfg(test)]
mod tests {
    use limiter_api::series::{UsagePoint, UsageRate, UsageTotal};

    use super::*;

    fn series() -> UsageSeries {
        let start: Timestamp = "2026-03-31T12:00:00Z".parse().expect("a moment");
        let down = UsageRate {
            bytes: 150_000_000,
            average_bps: 20_000_000,
            max_bps: 20_100_000,
            refused_bytes: 5,
            limited_s: 60,
        };
        let up = UsageRate { bytes: 1_536, average_bps: 204, max_bps: 600, ..UsageRate::default() };
        UsageSeries {
            from: start,
            to: start,
            period_s: 60,
            peak_bps: Some(20_000_000),
            points: vec![UsagePoint { start, up, down, estimated: false }],
            total: UsageTotal { up, down },
        }
    }

    #[test]
    fn the_sum_is_said_in_a_line() {
        assert_eq!(
            summary(&series()),
            "up 1.50 KiB, 204 bps on average, at most 600 bps; down 143 MiB, 20.0 Mbps on average, at most 20.1 Mbps; \
             the peak is 20 Mbps"
        );
    }

    #[test]
    fn every_number_of_a_file_is_exact() {
        assert_eq!(
            csv(&series()).lines().collect::<Vec<_>>(),
            [
                "start,period_s,up_bytes,up_average_bps,up_max_bps,up_refused_bytes,up_limited_s,down_bytes,\
                 down_average_bps,down_max_bps,down_refused_bytes,down_limited_s,estimated",
                "2026-03-31T12:00:00Z,60,1536,204,600,0,0,150000000,20000000,20100000,5,60,false",
            ]
        );
    }
}
