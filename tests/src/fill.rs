//! A database as large as a deployment: written straight into the store, where a plan is in use at once.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use jiff::Timestamp;
use limiter_control::secret;
use limiter_control::store::{Store, Write};
use limiter_domain::price::Amount;
use limiter_domain::{
    Account, AccountId, Business, Charge, Instance, InstanceId, Network, NetworkEgress, NetworkId,
    NetworkKind, NetworkStatus, Node, NodeId, NodeInterface, Pay, Plan, PlanId, Role, Rule, RuleId, Status,
    Token, TokenId,
};
use limiter_state::{Access, EgressAddresses, Mode, Policy, Rate, UnknownSources};

use crate::random::Random;

/// Most instances of each network; all are bound to the one rule of its plan.
pub const OF_NETWORK_MAX: u32 = 14;

/// Networks that are written in one transaction.
const AT_ONCE: usize = 500;

/// Where things go, and whose they are.
pub struct Fill {
    random: Random,
    account: Account,
    of_network: u32,
    now: Timestamp,
}

/// A network with its plan, rule and instances.
struct Office {
    network: Network,
    plan: Plan,
    rule: Rule,
    instances: Vec<Instance>,
}

impl Fill {
    /// Begins with an account of this name, whose networks have `of_network` instances each, at most
    /// [`OF_NETWORK_MAX`].
    pub async fn new(store: &Store, account: &str, of_network: u32) -> anyhow::Result<Self> {
        anyhow::ensure!(of_network <= OF_NETWORK_MAX, "{of_network} instances are too many for a network");
        let mut random = Random::new(account.len() as u64);
        let now = Timestamp::now();
        let id = AccountId::of_random(chance(&mut random));
        let account = Account { id, name: account.into(), enabled: true, created_at: now, version: 1 };
        let write = store.write().await?;
        write.put_account(&account).await?;
        write.commit().await?;
        Ok(Self { random, account, of_network, now })
    }

    /// Networks of a zone, each with a plan in use, a rule and its instances; gives the plans. Numbers tell
    /// the addresses of networks apart. With `nodes` each network is carried by one of them alone.
    pub async fn networks(
        &mut self,
        store: &Store,
        (region, zone): (&str, &str),
        numbers: std::ops::Range<u32>,
        nodes: Option<&[NodeId]>,
    ) -> anyhow::Result<Vec<PlanId>> {
        let mut plans = Vec::new();
        let numbers: Vec<u32> = numbers.collect();
        for part in numbers.chunks(AT_ONCE) {
            let write = store.write().await?;
            let offices: Vec<Office> = part
                .iter()
                .map(|&number| {
                    let node = nodes.map(|nodes| nodes[number as usize % nodes.len()].clone());
                    self.office(write.revision(), (region, zone), number, node)
                })
                .collect();
            put(&write, &offices).await?;
            write.commit().await?;
            plans.extend(offices.into_iter().map(|office| office.plan.id));
        }
        Ok(plans)
    }

    fn office(
        &mut self,
        revision: u64,
        (region, zone): (&str, &str),
        number: u32,
        node: Option<NodeId>,
    ) -> Office {
        let first = u32::from(Ipv4Addr::new(10, 0, 0, 0)) + number * 16;
        let net = |host: u32, bits: u8| {
            let address = Ipv4Addr::from(first + host);
            IpNet::V4(Ipv4Net::new_assert(address, bits))
        };
        let network = Network {
            id: NetworkId::of_random(self.chance()),
            account: self.account.id.clone(),
            name: format!("office {number}").into(),
            external_id: None,
            region: region.into(),
            zone: zone.into(),
            kind: NetworkKind::Shared { basic: rate(5) },
            prefixes: vec![net(0, 28)],
            nodes: node.map(|node| vec![node]),
            egress: NetworkEgress::None,
            internet: Access::Allow,
            unknown_sources: UnknownSources::Drop,
            observe: false,
            default_rule: None,
            status: NetworkStatus::Active,
            revision,
            created_at: self.now,
            version: 1,
        };
        let plan = self.plan(&network, revision);
        let rule = Rule {
            id: RuleId::of_random(self.chance()),
            account: self.account.id.clone(),
            plan: plan.id.clone(),
            name: "everybody".into(),
            up: rate(2),
            down: rate(4),
            revision,
            created_at: self.now,
            version: 1,
        };
        let instances = (1..=self.of_network)
            .map(|host| Instance {
                id: InstanceId::of_random(self.chance()),
                account: self.account.id.clone(),
                network: network.id.clone(),
                name: format!("i{host}").into(),
                external_id: None,
                addresses: vec![net(host, 32)],
                internet: Access::Allow,
                rule: Some(rule.id.clone()),
                revision,
                created_at: self.now,
                version: 1,
            })
            .collect();
        Office { network, plan, rule, instances }
    }

    fn plan(&mut self, network: &Network, revision: u64) -> Plan {
        Plan {
            id: PlanId::of_random(self.chance()),
            account: self.account.id.clone(),
            external_id: None,
            region: network.region.clone(),
            pay: Pay::PostPaid,
            charge: Charge::ByBandwidth,
            peak: rate(20),
            applied_peak: rate(20),
            status: Status::InUse,
            business: Business::Normal,
            reason: None,
            network: Some(network.id.clone()),
            egress: None,
            operation: None,
            generation: revision,
            created_at: self.now,
            provisioned_at: Some(self.now),
            expires_at: None,
            anchor_day: None,
            duration: None,
            auto_renew: false,
            release_at: None,
            prepaid: Amount::ZERO,
            slices: Vec::new(),
            ticked_at: self.now,
            version: 1,
        }
    }

    /// Nodes that serve these zones, each with the secret of its agent.
    pub async fn nodes(
        &mut self,
        store: &Store,
        region: &str,
        zones: &[&str],
        count: usize,
    ) -> anyhow::Result<Vec<(NodeId, String)>> {
        let write = store.write().await?;
        let mut nodes = Vec::with_capacity(count);
        for number in 0..count {
            let node = self.node(write.revision(), region, zones, number);
            let (secret, hash) = secret::new_token();
            let token = Token {
                id: TokenId::of_random(self.chance()),
                name: "agent".into(),
                account: None,
                node: Some(node.id.clone()),
                user: None,
                role: Role::Agent,
                hash,
                created_at: self.now,
                expires_at: None,
                revoked_at: None,
            };
            write.put_node(&node).await?;
            write.put_token(&token).await?;
            nodes.push((node.id, secret));
        }
        write.commit().await?;
        Ok(nodes)
    }

    fn node(&mut self, revision: u64, region: &str, zones: &[&str], number: usize) -> Node {
        let interface = |zone: &&str| NodeInterface {
            pattern: format!("{zone}*"),
            zone: (*zone).into(),
            mode: Mode::Auto,
            observe: false,
            foreign_sources: Policy::Drop,
        };
        Node {
            id: NodeId::of_random(self.chance()),
            name: format!("{region} {} {number}", zones.join(" ")).into(),
            region: region.into(),
            uplinks: Vec::new(),
            interfaces: zones.iter().map(interface).collect(),
            shared_address: None,
            former_addresses: Vec::new(),
            egress_addresses: EgressAddresses::Assign,
            drained: false,
            fenced: false,
            bypass: false,
            acked_revision: 0,
            acked_at: None,
            problem: None,
            seen_at: None,
            agent_version: None,
            revision,
            created_at: self.now,
            version: 1,
        }
    }

    fn chance(&mut self) -> u128 {
        chance(&mut self.random)
    }
}

async fn put(write: &Write, offices: &[Office]) -> anyhow::Result<()> {
    let of = |office: &Office| office.network.clone();
    write.put_networks(&offices.iter().map(of).collect::<Vec<_>>()).await?;
    write.put_plans(&offices.iter().map(|office| (&office.plan, None)).collect::<Vec<_>>()).await?;
    write.put_rules(&offices.iter().map(|office| office.rule.clone()).collect::<Vec<_>>()).await?;
    let instances: Vec<Instance> = offices.iter().flat_map(|office| office.instances.clone()).collect();
    Ok(write.put_instances(&instances).await?)
}

fn chance(random: &mut Random) -> u128 {
    u128::from(random.word()) << 64 | u128::from(random.word())
}

fn rate(mbps: u64) -> Rate {
    Rate::new(mbps * 1_000_000).expect("a rate within its range")
}
