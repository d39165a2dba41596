//! A customer who remembers what was answered, and expects to find just that.

use std::collections::{BTreeMap, BTreeSet};

use limiter_api::client::Endpoint;
use limiter_tests::random::Random;
use limiter_tests::wire::{Answer, Sent, Wire};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Refusals that may happen, since nodes acknowledge when they like.
const REFUSALS: [&str; 8] = [
    "IncorrectPlanStatus.AssociationNotSupport",
    "IncorrectPlanStatus.DissociationNotSupport",
    "IncorrectPlanStatus.ModificationNotSupport",
    "IncorrectPlanStatus.RuleNotSupport",
    "NetworkHasPlan",
    "NetworkInUse",
    "NetworkNotReady",
    "ResizeNoChange",
];

/// Percent of the calls that are sent again although they were answered.
const SENT_AGAIN: usize = 20;

/// A customer.
pub(crate) struct Customer {
    wire: Wire,
    number: u8,
    random: Random,
    /// Things that were asked for so far, so that no name or address comes twice.
    asked: u32,
    networks: BTreeMap<String, NetworkSeen>,
    instances: BTreeMap<String, InstanceSeen>,
    plans: BTreeMap<String, PlanSeen>,
    /// Rules, each with its plan.
    rules: BTreeMap<String, String>,
    answers: Vec<(Sent, Answer)>,
    repeated: usize,
}

struct NetworkSeen {
    name: String,
    /// The first three bytes of its addresses.
    prefix: String,
}

struct InstanceSeen {
    network: String,
    address: String,
    rule: Option<String>,
}

struct PlanSeen {
    network: Option<String>,
    peak_bps: u64,
    /// It is a subscription.
    is_bought: bool,
}

impl Customer {
    /// Number `number` of several, with a token of an account of its own.
    pub(crate) fn new(endpoint: Endpoint, token: &str, number: u8) -> Self {
        Self {
            wire: Wire::new(endpoint, Some(token)),
            number,
            random: Random::new(u64::from(number) + 1),
            asked: 0,
            networks: BTreeMap::new(),
            instances: BTreeMap::new(),
            plans: BTreeMap::new(),
            rules: BTreeMap::new(),
            answers: Vec::new(),
            repeated: 0,
        }
    }

    /// Calls that were answered.
    pub(crate) fn answered(&self) -> usize {
        self.answers.len()
    }

    /// Calls that were sent more than once before somebody answered.
    pub(crate) fn repeated(&self) -> usize {
        self.repeated
    }

    /// One operation, whatever it is.
    pub(crate) async fn does_something(&mut self) {
        match self.random.below(17) {
            0 if self.networks.len() < 5 => self.makes_a_network().await,
            0 | 1 => self.deletes_a_network().await,
            2 | 3 => self.makes_an_instance().await,
            4 => self.deletes_an_instance().await,
            5 if self.plans.len() < 5 => self.buys_a_plan().await,
            5 => self.deletes_a_plan().await,
            6..=8 => self.associates().await,
            9 => self.dissociates().await,
            10 | 11 => self.makes_a_rule().await,
            12 => self.deletes_a_rule().await,
            13 | 14 => self.binds().await,
            15 => self.renews().await,
            _ => self.resizes().await,
        }
    }

    async fn makes_a_network(&mut self) {
        let number = self.next();
        let name = format!("net{number}");
        let prefix = format!("10.{}.{}", u32::from(self.number) * 60 + number / 250 % 60, number % 250);
        let body = json!({"name": name, "prefixes": [format!("{prefix}.0/24")]});
        let Some(answer) = self.call(Method::POST, &["networks"], Some(body)).await else { return };
        self.networks.insert(answer.text("id"), NetworkSeen { name, prefix });
    }

    async fn deletes_a_network(&mut self) {
        let used: BTreeSet<&String> = self.instances.values().map(|instance| &instance.network).collect();
        let held = |id: &String| self.plans.values().any(|plan| plan.network.as_ref() == Some(id));
        let free: Vec<String> =
            self.networks.keys().filter(|id| !used.contains(id) && !held(id)).cloned().collect();
        let Some(id) = self.one_of(&free) else { return };
        if self.call(Method::DELETE, &["networks", &id], None).await.is_some() {
            self.networks.remove(&id);
        }
    }

    async fn makes_an_instance(&mut self) {
        let Some(network) = self.one_of(&keys(&self.networks)) else { return };
        if self.instances.values().filter(|instance| instance.network == network).count() > 4 {
            return;
        }
        let number = self.next();
        let taken: BTreeSet<&String> = self.instances.values().map(|instance| &instance.address).collect();
        let prefix = &self.networks[&network].prefix;
        let mut addresses = (1..250).map(|host| format!("{prefix}.{host}"));
        let address = addresses.find(|address| !taken.contains(address)).expect("a free address");
        let body = json!({"network": network, "name": format!("i{number}"), "addresses": [address]});
        let Some(answer) = self.call(Method::POST, &["instances"], Some(body)).await else { return };
        self.instances.insert(answer.text("id"), InstanceSeen { network, address, rule: None });
    }

    async fn deletes_an_instance(&mut self) {
        let Some(id) = self.one_of(&keys(&self.instances)) else { return };
        if self.call(Method::DELETE, &["instances", &id], None).await.is_some() {
            self.instances.remove(&id);
        }
    }

    async fn buys_a_plan(&mut self) {
        let peak_bps = self.peak();
        let is_bought = self.random.chance(50);
        let (pay, duration) = if is_bought { ("subscription", Some("1m")) } else { ("pay_as_you_go", None) };
        let body = json!({"pay": pay, "peak_bps": peak_bps, "duration": duration});
        let Some(answer) = self.call(Method::POST, &["plans"], Some(body)).await else { return };
        self.plans.insert(answer.text("id"), PlanSeen { network: None, peak_bps, is_bought });
    }

    async fn renews(&mut self) {
        let bought = self.plans.iter().filter(|(_, plan)| plan.is_bought).map(|(id, _)| id.clone());
        let Some(id) = self.one_of(&bought.collect::<Vec<_>>()) else { return };
        let body = json!({"plans": [id], "duration": "1w"});
        let Some(answer) = self.call(Method::POST, &["plans", "renew"], Some(body)).await else { return };
        let refused = answer.body[0]["refused"]["code"].as_str();
        assert!(matches!(refused, None | Some("RenewalHorizonExceeded")), "{answer:?}");
    }

    async fn deletes_a_plan(&mut self) {
        let Some(id) = self.one_of(&keys(&self.plans)) else { return };
        let body = json!({"plans": [id], "force": true});
        let verb = if self.plans[&id].is_bought { "unsubscribe" } else { "delete" };
        let Some(answer) = self.call(Method::POST, &["plans", verb], Some(body)).await else { return };
        match answer.body[0]["refused"]["code"].as_str() {
            None => {
                self.purge(&id);
                self.plans.remove(&id);
            }
            Some(code) => assert_eq!(code, "IncorrectPlanStatus.DeletionNotSupport", "{answer:?}"),
        }
    }

    async fn associates(&mut self) {
        let held: BTreeSet<&String> = self.plans.values().filter_map(|plan| plan.network.as_ref()).collect();
        let free: Vec<String> = self.networks.keys().filter(|id| !held.contains(id)).cloned().collect();
        let (Some(id), Some(network)) = (self.plan(false), self.one_of(&free)) else { return };
        let body = Some(json!({"network": network}));
        if self.call(Method::POST, &["plans", &id, "associate"], body).await.is_some() {
            self.change(&id).network = Some(network);
        }
    }

    async fn dissociates(&mut self) {
        let Some(id) = self.plan(true) else { return };
        if self.call(Method::POST, &["plans", &id, "dissociate"], None).await.is_some() {
            self.change(&id).network = None;
            self.purge(&id);
        }
    }

    async fn resizes(&mut self) {
        let Some(id) = self.one_of(&keys(&self.plans)) else { return };
        let peak_bps = self.peak();
        let body = Some(json!({"peak_bps": peak_bps}));
        if self.call(Method::POST, &["plans", &id, "resize"], body).await.is_some() {
            self.change(&id).peak_bps = peak_bps;
        }
    }

    async fn makes_a_rule(&mut self) {
        let Some(plan) = self.plan(true) else { return };
        let (number, bound) = (self.next(), self.unbound(&plan));
        let body = json!({
            "plan": plan, "name": format!("r{number}"), "up_bps": 1_000_000, "down_bps": 2_000_000, "instances": bound,
        });
        let Some(answer) = self.call(Method::POST, &["rules"], Some(body)).await else { return };
        self.rules.insert(answer.text("id"), plan);
        self.bind(&bound, &answer.text("id"));
    }

    async fn deletes_a_rule(&mut self) {
        let Some(id) = self.one_of(&keys(&self.rules)) else { return };
        let body = Some(json!({"rules": [id]}));
        if self.call(Method::POST, &["rules", "delete"], body).await.is_some() {
            self.forget_rule(&id);
        }
    }

    async fn binds(&mut self) {
        let Some(id) = self.one_of(&keys(&self.rules)) else { return };
        let bind = self.unbound(&self.rules[&id].clone());
        let bound = |instance: &&String| self.instances[*instance].rule.as_ref() == Some(&id);
        let unbind: Vec<String> = self.instances.keys().filter(bound).take(1).cloned().collect();
        if bind.is_empty() && unbind.is_empty() {
            return;
        }
        let body = Some(json!({"bind": bind, "unbind": unbind}));
        if self.call(Method::POST, &["rules", &id, "bindings"], body).await.is_some() {
            for instance in &unbind {
                self.instances.get_mut(instance).expect("an instance").rule = None;
            }
            self.bind(&bind, &id);
        }
    }

    /// Sends a call until it is answered, and remembers what was; [`None`]: refused, as may happen.
    async fn call(&mut self, method: Method, path: &[&str], body: Option<Value>) -> Option<Answer> {
        let number = self.next();
        let key = format!("{}-{number}", self.number);
        let call = Sent::new(method, path, body).once(key);
        let (answer, times) = self.wire.insist(&call).await;
        self.repeated += usize::from(times > 1);
        if !answer.status.is_success() {
            assert!(REFUSALS.contains(&answer.code()), "{call:?} sent {times} times: {answer:?}");
            return None;
        }
        if self.random.chance(SENT_AGAIN) {
            let (again, _) = self.wire.insist(&call).await;
            assert_eq!(again, answer, "{call:?} was answered anew");
        }
        self.answers.push((call, answer.clone()));
        Some(answer)
    }

    /// Every call that was answered is answered alike for ever.
    pub(crate) async fn assert_same_answers(&self) {
        for (call, answer) in &self.answers {
            let (again, _) = self.wire.insist(call).await;
            assert_eq!(again, *answer, "{call:?} was answered anew");
        }
    }

    /// What was answered is there, and nothing else.
    pub(crate) async fn assert_all_there(&self) {
        let networks = self.list("networks").await;
        let networks: BTreeMap<_, _> = networks
            .iter()
            .filter(|network| network["status"] == "active")
            .map(|network| (text(network, "id"), text(network, "name")))
            .collect();
        let expected = self.networks.iter().map(|(id, network)| (id.clone(), network.name.clone()));
        assert_eq!(networks, expected.collect(), "networks");

        let plan = |plan: &Value| {
            let is =
                (plan["network"].as_str().map(str::to_owned), plan["peak_bps"].as_u64(), text(plan, "label"));
            assert_eq!(plan["applied_peak_bps"], plan["peak_bps"], "{plan}");
            (text(plan, "id"), is)
        };
        let plans: BTreeMap<_, _> = self.list("plans").await.iter().map(plan).collect();
        let expected = self.plans.iter().map(|(id, plan)| {
            let label = if plan.network.is_some() { "In Use" } else { "Not Associated" };
            (id.clone(), (plan.network.clone(), Some(plan.peak_bps), label.to_owned()))
        });
        assert_eq!(plans, expected.collect(), "plans");

        let rules = self.list("rules").await;
        let rules: BTreeMap<_, _> = rules.iter().map(|rule| (text(rule, "id"), text(rule, "plan"))).collect();
        assert_eq!(rules, self.rules, "rules");

        let instances = self.list("instances").await;
        let instance = |one: &Value| {
            let rule = one["rule"].as_str().map(str::to_owned);
            (text(one, "id"), (text(one, "network"), text(&one["addresses"], 0), rule))
        };
        let instances: BTreeMap<_, _> = instances.iter().map(instance).collect();
        let expected = self.instances.iter().map(|(id, instance)| {
            (id.clone(), (instance.network.clone(), instance.address.clone(), instance.rule.clone()))
        });
        assert_eq!(instances, expected.collect(), "instances");
    }

    async fn list(&self, what: &str) -> Vec<Value> {
        let (answer, _) = self.wire.insist(&Sent::new(Method::GET, &[what], None)).await;
        assert_eq!(
            (answer.status, &answer.body["next"]),
            (StatusCode::OK, &Value::Null),
            "one page of {what}"
        );
        answer.body["items"].as_array().expect("items").clone()
    }

    fn next(&mut self) -> u32 {
        self.asked += 1;
        self.asked
    }

    fn one_of(&mut self, ids: &[String]) -> Option<String> {
        (!ids.is_empty()).then(|| ids[self.random.below(ids.len())].clone())
    }

    /// A plan that has a network, or one that has none.
    fn plan(&mut self, associated: bool) -> Option<String> {
        let which = |(_, plan): &(&String, &PlanSeen)| plan.network.is_some() == associated;
        let ids: Vec<String> = self.plans.iter().filter(which).map(|(id, _)| id.clone()).collect();
        self.one_of(&ids)
    }

    fn peak(&mut self) -> u64 {
        5_000_000 + 1_000 * self.random.below(10_000) as u64
    }

    fn change(&mut self, plan: &str) -> &mut PlanSeen {
        self.plans.get_mut(plan).expect("a plan")
    }

    /// Up to two instances of a plan's network without a rule.
    fn unbound(&self, plan: &str) -> Vec<String> {
        let network = self.plans[plan].network.as_ref();
        let free = |(_, one): &(&String, &InstanceSeen)| Some(&one.network) == network && one.rule.is_none();
        self.instances.iter().filter(free).map(|(id, _)| id.clone()).take(2).collect()
    }

    fn bind(&mut self, instances: &[String], rule: &str) {
        for id in instances {
            self.instances.get_mut(id).expect("an instance").rule = Some(rule.to_owned());
        }
    }

    fn purge(&mut self, plan: &str) {
        let rules: Vec<String> =
            self.rules.iter().filter(|(_, of)| *of == plan).map(|(id, _)| id.clone()).collect();
        for rule in &rules {
            self.forget_rule(rule);
        }
    }

    fn forget_rule(&mut self, rule: &str) {
        self.rules.remove(rule);
        for instance in self.instances.values_mut().filter(|one| one.rule.as_deref() == Some(rule)) {
            instance.rule = None;
        }
    }
}

fn keys<T>(map: &BTreeMap<String, T>) -> Vec<String> {
    map.keys().cloned().collect()
}

fn text(value: &Value, at: impl serde_json::value::Index + std::fmt::Debug) -> String {
    value[&at].as_str().unwrap_or_else(|| panic!("no text {at:?} in {value}")).to_owned()
}
