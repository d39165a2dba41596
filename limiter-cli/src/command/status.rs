//! The whole on one screen.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use limiter_api::views::{Me, StatusView};
use serde_json::json;

use super::Session;
use crate::failure::Failure;
use crate::output::text::{count, plain, some_moment, words};
use crate::output::{print, table, terminal_width};

pub(super) async fn run(session: &Session) -> Result<(), Failure> {
    let status = session.client.status().await?;
    let me = session.client.me().await?;
    if !session.output.for_people() {
        return session.output.data(&json!({ "status": status, "caller": me }));
    }
    let place = session.client.endpoint().to_string();
    print(&screen(&place, &status, &me, session.output.zone(), terminal_width()))
}

fn screen(place: &str, status: &StatusView, me: &Me, zone: &TimeZone, width: Option<u16>) -> String {
    let mut text = String::new();
    let account = me.account.as_ref().map(|account| format!(", account {account}")).unwrap_or_default();
    let plans: Vec<_> = status.plans.iter().map(|(label, number)| format!("{number} {label}")).collect();
    let plans = if plans.is_empty() { "no plan".to_owned() } else { format!("plans: {}", plans.join(", ")) };
    let head = [
        format!("limiter {} at {place}, {}, revision {}", status.version, status.engine, status.revision),
        format!("you are {} ({}{account})", me.actor, me.role),
        format!("{}, {}, {plans}", count(status.networks, "network"), count(status.instances, "instance")),
    ];
    for line in head {
        let _ = writeln!(text, "{}", plain(&line));
    }
    if status.nodes.is_empty() {
        return text;
    }
    let in_force = status.nodes.iter().filter(|node| node.state == "in_force").count();
    let _ = writeln!(text, "{in_force} of {} up to date\n", count(status.nodes.len() as u64, "node"));
    let mut nodes: Vec<_> = status.nodes.iter().collect();
    // What needs a person comes first.
    nodes.sort_by_key(|node| (node.state == "in_force", node.name.as_str()));
    let shown = nodes.len().min(NODES_SHOWN);
    let rows = nodes[..shown].iter().map(|node| {
        vec![node.name.clone(), node.region.clone(), words(&node.state), some_moment(node.seen_at, zone)]
    });
    text.push_str(&table(Some(&["node", "region", "state", "last seen"]), rows, width));
    if nodes.len() > shown {
        let _ = writeln!(text, "and {} more: `limiter node list`", nodes.len() - shown);
    }
    text
}

/// Most nodes on the screen.
const NODES_SHOWN: usize = 15;

#[cfg(test)]
mod tests {
    use limiter_api::views::NodeLag;

    use super::*;

    fn status(nodes: usize) -> StatusView {
        let node = |number| NodeLag {
            name: format!("n{number:02}"),
            region: "default".into(),
            state: if number == nodes - 1 { "silent" } else { "in_force" }.into(),
            seen_at: None,
        };
        StatusView {
            version: "0.1.0".into(),
            incarnation: "i".into(),
            revision: 42,
            engine: "sqlite".into(),
            networks: 1,
            instances: 0,
            plans: [("In Use".to_owned(), 2)].into(),
            nodes: (0..nodes).map(node).collect(),
        }
    }

    fn me() -> Me {
        Me { actor: "local".into(), role: "operator".into(), account: None }
    }

    #[test]
    fn trouble_comes_first_and_all_fits_a_screen() {
        let text = screen("unix:/s", &status(40), &me(), &TimeZone::UTC, Some(80));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "limiter 0.1.0 at unix:/s, sqlite, revision 42");
        assert_eq!(lines[1], "you are local (operator)");
        assert_eq!(lines[2], "1 network, no instance, plans: 2 In Use");
        assert_eq!(lines[3], "39 of 40 nodes up to date");
        assert!(lines[6].starts_with("n39") && lines[6].contains("silent"), "{text}");
        assert!(lines.len() <= 24, "{text}");
        assert_eq!(lines.last(), Some(&"and 25 more: `limiter node list`"));
    }

    #[test]
    fn a_customer_sees_no_nodes() {
        let text = screen("unix:/s", &status(0), &me(), &TimeZone::UTC, None);
        assert_eq!(text.lines().count(), 3);
    }
}
