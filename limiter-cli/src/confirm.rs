//! Questions before steps that cannot be taken back, and what they say.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use limiter_api::views::{AddressesChanged, Instance, Network, Node, Plan, Rule};

use crate::failure::Failure;
use crate::output::note;
use crate::output::text::{count, rate, words};

/// Asks, or knows that it need not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confirm {
    /// `--yes` was given.
    pub(crate) yes: bool,
}

impl Confirm {
    /// Goes on only where a person agrees to `what`.
    pub(crate) fn ask(self, what: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        what.lines().for_each(note);
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let reason = "nothing was done: nobody can be asked here; add --yes to do it";
            return Err(Failure::Usage(reason.to_owned()));
        }
        let mut stderr = io::stderr();
        // Without the question there is no answer, which is a no.
        let _ = stderr.write_all(b"Continue? [y/N] ").and_then(|()| stderr.flush());
        let mut answer = String::new();
        let read = io::stdin().lock().take(64).read_line(&mut answer);
        match (read, answer.trim()) {
            (Ok(_), "y" | "Y" | "yes") => Ok(()),
            _ => Err(Failure::NotDone("nothing was done".to_owned())),
        }
    }
}

/// What dissociating a plan does.
pub(crate) fn dissociate(plan: &Plan, network: &Network) -> String {
    format!(
        "Plan {} leaves network {}: {}. Its address and its billing stay; {}.",
        plan.id,
        network.name,
        purged(plan.rules),
        fall_back(network)
    )
}

/// What ending a plan does, with its network where it holds one.
pub(crate) fn end(plan: &Plan, network: Option<&Network>) -> String {
    let kind = if plan.pay == "subscription" { "Subscription" } else { "Plan" };
    let head = format!("{kind} {} ({}, {}) ends for good", plan.id, rate(plan.peak_bps), words(&plan.pay));
    let addresses = match plan.addresses.len() {
        0 => String::new(),
        _ => format!(" Its addresses are given up: {}.", plan.addresses.join(", ")),
    };
    match network {
        Some(network) => format!(
            "{head}: {}; network {}: {}.{addresses}",
            purged(plan.rules),
            network.name,
            fall_back(network)
        ),
        None => format!("{head}.{addresses}"),
    }
}

/// What deleting a network does.
pub(crate) fn delete_network(network: &Network) -> String {
    let instances = count(network.instances, "instance");
    let plan = network.plan.as_deref().map(|plan| format!(", plan {plan}")).unwrap_or_default();
    format!(
        "Network {} ({}, {instances}{plan}) is deleted, where neither plan nor instances keep it.",
        network.name,
        network.prefixes.join(" ")
    )
}

/// What deleting instances does.
pub(crate) fn delete_instances(instances: &[Instance]) -> String {
    let names: Vec<_> = instances.iter().map(|instance| instance.name.as_str()).collect();
    format!(
        "{} deleted: {}. Unknown sources of a network are dropped by default.",
        are(instances.len() as u64, "instance"),
        names.join(", ")
    )
}

/// What moving an instance that is bound to a rule does.
pub(crate) fn move_instance(instance: &Instance, to: &Network) -> String {
    format!(
        "Instance {} goes to network {} and leaves its rule; there it is limited by the network alone, or by the \
         network's default rule.",
        instance.name, to.name
    )
}

/// What deleting rules does.
pub(crate) fn delete_rules(rules: &[Rule]) -> String {
    let bound: u64 = rules.iter().map(|rule| rule.instances).sum();
    let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
    format!(
        "{} deleted: {}. Of the instances bound to them ({bound}), each is limited by its network alone, \
         or by the network's default rule.",
        are(rules.len() as u64, "rule"),
        names.join(", ")
    )
}

/// What giving the address of a network's plan to the node `to` does; `from` has it.
pub(crate) fn move_egress(network: &Network, from: &Node, to: &Node) -> String {
    format!(
        "Network {} leaves through the address of its plan at node {} instead of {}, which lets go of it first: \
         in between the network has no IPv4 Internet, and connections that are open break.",
        network.name, to.name, from.name
    )
}

/// What importing addresses does, where plans get one each.
pub(crate) fn import_addresses(changed: &AddressesChanged) -> String {
    let plans = match changed.plans {
        1 => "1 plan has none yet and gets one: packets of its network leave".to_owned(),
        plans => format!("{plans} plans have none yet and get one each: packets of their networks leave"),
    };
    format!(
        "Region {} gets {} for plans. {plans} through it where the network's egress is exclusive, and \
         connections that are open break.",
        changed.region,
        count(changed.addresses, "address")
    )
}

/// What removing addresses does.
pub(crate) fn remove_addresses(changed: &AddressesChanged) -> String {
    format!(
        "{} taken away from region {}: no plan gets one of them any more. Who had which when stays known.",
        are(changed.addresses, "address"),
        changed.region
    )
}

/// What giving a node that shares `old` another address to share does.
pub(crate) fn share(node: &Node, old: &str, new: &str) -> String {
    format!(
        "Networks that leave through the address that node {} shares leave through {new} instead of {old}, and \
         connections that are open break.",
        node.name
    )
}

/// What draining a node does.
pub(crate) fn drain(node: &Node) -> String {
    format!(
        "Node {} is drained: the addresses of plans that it has go to other nodes that carry their networks, one \
         by one as it lets go of them, and their open connections break. It keeps those that no other node may \
         have, and gets no new ones, until `node undrain {}`.",
        node.name, node.name
    )
}

/// What fencing a node does.
pub(crate) fn fence(node: &Node) -> String {
    format!(
        "Node {} is declared dead: nothing waits for it any more, and what it held may move elsewhere. \
         Do this only when it passes no packet (powered off or cut off).",
        node.name
    )
}

/// What bypassing a node does.
pub(crate) fn bypass(node: &Node) -> String {
    format!(
        "Node {} passes everything, unlimited and unmetered, until `node bypass {} off`.",
        node.name, node.name
    )
}

fn purged(rules: u64) -> String {
    match rules {
        0 => "it has no rules".to_owned(),
        1 => "its rule is purged".to_owned(),
        _ => format!("its {rules} rules are purged"),
    }
}

fn fall_back(network: &Network) -> String {
    match network.basic_bps {
        Some(bps) if network.kind == "shared" => format!("the network is back to basic {}", rate(bps)),
        _ => "the network is offline until another plan serves it".to_owned(),
    }
}

fn are(number: u64, thing: &str) -> String {
    format!("{} {}", count(number, thing), if number == 1 { "is" } else { "are" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn dissociation_says_what_is_lost_and_what_stays() {
        assert_eq!(
            dissociate(&fixture::plan(), &fixture::network()),
            "Plan plan-1 leaves network office: its 2 rules are purged. Its address and its billing stay; \
             the network is back to basic 5 Mbps."
        );
        let vpc = Network { kind: "vpc".into(), basic_bps: None, ..fixture::network() };
        assert!(
            dissociate(&fixture::plan(), &vpc)
                .ends_with("the network is offline until another plan serves it.")
        );
    }

    #[test]
    fn the_end_of_a_plan() {
        let mut plan = Plan { pay: "subscription".into(), rules: 1, ..fixture::plan() };
        assert_eq!(
            end(&plan, Some(&fixture::network())),
            "Subscription plan-1 (20 Mbps, subscription) ends for good: its rule is purged; network office: \
             the network is back to basic 5 Mbps."
        );
        plan.addresses = vec!["192.0.2.1".into()];
        assert_eq!(
            end(&plan, None),
            "Subscription plan-1 (20 Mbps, subscription) ends for good. Its addresses are given up: 192.0.2.1."
        );
    }

    #[test]
    fn other_steps() {
        assert_eq!(
            delete_rules(&[fixture::rule()]),
            "1 rule is deleted: web. Of the instances bound to them (2), each is limited by its network alone, \
             or by the network's default rule."
        );
        assert!(fence(&fixture::node()).contains("only when it passes no packet"));
        assert!(bypass(&fixture::node()).contains("unlimited and unmetered"));
        let other = share(&fixture::node(), "203.0.113.10", "203.0.113.11");
        assert!(
            other.contains("node n1 shares leave through 203.0.113.11 instead of 203.0.113.10"),
            "{other}"
        );
        let drained = drain(&fixture::node());
        assert!(drained.starts_with("Node n1 is drained") && drained.ends_with("until `node undrain n1`."));
        assert!(delete_network(&fixture::network()).contains("3 instances"));
        assert!(move_instance(&fixture::instance(), &fixture::network()).contains("leaves its rule"));
        assert!(delete_instances(&[fixture::instance()]).starts_with("1 instance is deleted: web-1."));
    }
    #[test]
    fn addresses_that_come_and_go() {
        let mut changed = AddressesChanged { region: "eu".into(), addresses: 14, plans: 2 };
        assert_eq!(
            import_addresses(&changed),
            "Region eu gets 14 addresses for plans. 2 plans have none yet and get one each: packets of their \
             networks leave through it where the network's egress is exclusive, and connections that are open \
             break."
        );
        changed = AddressesChanged { addresses: 1, plans: 1, ..changed };
        let one = import_addresses(&changed);
        assert!(one.contains("gets 1 address for plans. 1 plan has none yet and gets one:"), "{one}");
        assert_eq!(
            remove_addresses(&changed),
            "1 address is taken away from region eu: no plan gets one of them any more. Who had which when stays \
             known."
        );
        let to = Node { name: "n2".into(), ..fixture::node() };
        let moved = move_egress(&fixture::network(), &fixture::node(), &to);
        assert!(
            moved.starts_with("Network office leaves through the address of its plan at node n2"),
            "{moved}"
        );
        assert!(moved.contains("instead of n1, which lets go of it first"), "{moved}");
    }
}
