//! Two control planes over one database, doing the same thing at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use limiter_api::agent::{AgentAck, StateQuery};
use limiter_api::params::{
    AddressRanges, Associate, End, NewAccount, NewNetwork, NewNode, NewPlan, NodeChange, PlanQuery, Resize,
};
use limiter_api::views::{NodeInterface, Plan};
use limiter_control::app::{App, AppError, Call, Caller, Clock};
use limiter_control::store::{EventFilter, Paging, Store};
use limiter_domain::{Code, EventKind, Role, Settings};
use limiter_tests::postgres::Postgres;
use limiter_tests::random::Random;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Times that two associate one network.
const ASSOCIATIONS: usize = 1_000;

/// Times that two resize one plan.
const RESIZES: usize = 300;

/// Times that two order a plan.
const ORDERS: usize = 200;

/// When every test begins.
const START: &str = "2026-01-30T10:15:00Z";

/// Two control planes, each with its own connections, and the clock of both.
struct Pair {
    apps: [App; 2],
    now_us: Arc<AtomicI64>,
    account: String,
    agent: Caller,
}

#[test]
fn one_of_two_associations_wins_on_sqlite() {
    sqlite(async |pair| associations(pair).await);
}

#[test]
fn one_of_two_associations_wins_on_postgres() {
    postgres(async |pair| associations(pair).await);
}

#[test]
fn no_resize_is_lost_on_sqlite() {
    sqlite(async |pair| resizes(pair).await);
}

#[test]
fn no_resize_is_lost_on_postgres() {
    postgres(async |pair| resizes(pair).await);
}

#[test]
fn the_last_address_is_of_one_plan_on_sqlite() {
    sqlite(async |pair| addresses(pair).await);
}

#[test]
fn the_last_address_is_of_one_plan_on_postgres() {
    postgres(async |pair| addresses(pair).await);
}

#[test]
fn two_schedulers_do_what_one_does_on_sqlite() {
    let alone = sqlite(async |pair| month(pair, 1).await);
    let both = sqlite(async |pair| month(pair, 2).await);
    assert_same(&alone, &both);
}

#[test]
fn two_schedulers_do_what_one_does_on_postgres() {
    let alone = sqlite(async |pair| month(pair, 1).await);
    let both = postgres(async |pair| month(pair, 2).await);
    assert_same(&alone, &both);
}

/// Two plans want one network at once, again and again.
async fn associations(pair: &Pair) {
    let network = pair.network(1).await;
    let plans = [pair.plan(None).await, pair.plan(None).await];
    let mut wins = [0; 2];
    for round in 0..ASSOCIATIONS {
        let input = Associate { network: network.clone() };
        let call = |at: usize| {
            let (app, id, input) = (pair.apps[at].clone(), plans[at].id.clone(), input.clone());
            tokio::spawn(async move { app.associate(&operator("associate"), &id, input).await })
        };
        let (one, other) = tokio::join!(call(0), call(1));
        let answers = [one.expect("a task"), other.expect("a task")];
        let winner = usize::from(answers[1].is_ok());
        assert!(answers[winner].is_ok(), "nobody won round {round}: {answers:?}");
        let AppError::Refused(refusal) = answers[1 - winner].as_ref().expect_err("a second winner") else {
            panic!("round {round}: {answers:?}")
        };
        assert_eq!(refusal.code, Code::NetworkHasPlan, "round {round}");
        wins[winner] += 1;
        pair.agent_applies().await;
        let held = pair.plan_by_id(&plans[winner].id).await;
        assert_eq!((held.label.as_str(), held.network.as_deref()), ("In Use", Some(network.as_str())));
        assert_eq!(pair.plan_by_id(&plans[1 - winner].id).await.network, None);
        pair.apps[round % 2].dissociate(&operator("dissociate"), &held.id).await.expect("dissociate");
        pair.agent_applies().await;
        assert_eq!(pair.plan_by_id(&held.id).await.label, "Not Associated");
    }
    assert!(wins[0] > 0 && wins[1] > 0, "one of them always won: {wins:?}");
    let events = pair.events().await;
    let count = |kind: EventKind| events.iter().filter(|event| event.kind == kind).count();
    assert_eq!(count(EventKind::PlanInUse), ASSOCIATIONS, "each association once");
    assert_eq!(
        count(EventKind::PlanNotAssociated),
        ASSOCIATIONS + 2,
        "each dissociation once, and two orders"
    );
}

/// Two plans want the only address at once, again and again.
async fn addresses(pair: &Pair) {
    let shares = NodeChange { shared_address: Some(Some("203.0.113.1".to_owned())), ..NodeChange::default() };
    pair.apps[0].change_node(&operator("node"), "edge", shares).await.expect("a node");
    let pool = AddressRanges { ranges: vec!["198.51.100.1".to_owned()], ..AddressRanges::default() };
    pair.apps[0].import_addresses(&operator("import"), pool).await.expect("an address");
    for round in 0..ORDERS {
        let call = |at: usize| {
            let (app, new) = (pair.apps[at].clone(), pair.new_plan());
            tokio::spawn(async move { app.create_plan(&operator("order"), new).await })
        };
        let (one, other) = tokio::join!(call(0), call(1));
        let answers = [one.expect("a task"), other.expect("a task")];
        let won = answers.iter().find_map(|answer| answer.as_ref().ok()).expect("a winner");
        assert_eq!(won.addresses, ["198.51.100.1"], "round {round}");
        let lost = answers.iter().find_map(|answer| answer.as_ref().err()).expect("a loser");
        let AppError::Refused(refusal) = lost else { panic!("round {round}: {lost}") };
        assert_eq!(refusal.code, Code::NoAddressAvailable, "round {round}");
        let end = End { plans: vec![won.id.clone()], force: false };
        pair.apps[round % 2].delete_plans(&operator("delete"), end).await.expect("the end");
        pair.now_us.fetch_add(SignedDuration::from_hours(24).as_micros() as i64, Ordering::SeqCst);
    }
}

/// Two peaks for one plan at once: in some order, or one of them where both saw the same version.
async fn resizes(pair: &Pair) {
    let mut random = Random::new(11);
    let id = pair.plan(None).await.id;
    let mut peak = pair.plan_by_id(&id).await.peak_bps;
    for round in 0..RESIZES as u64 {
        let wanted = [2_000_000 + 4_000 * round, 2_002_000 + 4_000 * round];
        let seen = random.chance(50).then_some(pair.plan_by_id(&id).await.version);
        let call = |at: usize| {
            let (app, id, peak_bps) = (pair.apps[at].clone(), id.clone(), wanted[at]);
            let call = Call { expected_version: seen, ..operator("resize") };
            let input = Resize { peak_bps, expected_amount_micro: None };
            tokio::spawn(async move { app.resize(&call, &id, input).await })
        };
        let before = pair.plan_by_id(&id).await.version;
        let (one, other) = tokio::join!(call(0), call(1));
        let answers = [one.expect("a task"), other.expect("a task")];
        let after = pair.plan_by_id(&id).await;
        let done: Vec<&Plan> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        match (seen, done.as_slice()) {
            (None, [one, other]) => {
                assert_eq!(one.version.max(other.version), before + 2, "both, in order");
                let last = if one.version > other.version { one } else { other };
                assert_eq!(after.peak_bps, last.peak_bps, "the later one holds");
                assert_ne!(one.peak_bps, other.peak_bps);
            }
            (Some(_), [one]) => {
                let lost = answers.iter().find_map(|answer| answer.as_ref().err()).expect("a loser");
                let AppError::Refused(refusal) = lost else { panic!("round {round}: {lost}") };
                assert_eq!(refusal.code, Code::VersionConflict);
                assert_eq!((after.version, after.peak_bps), (before + 1, one.peak_bps));
            }
            _ => panic!("round {round}, seen {seen:?}: {answers:?}"),
        }
        peak = after.peak_bps.max(peak);
    }
    assert!(peak > 2_000_000);
    let events = pair.events().await;
    let steps: Vec<(&str, &str)> = events
        .iter()
        .filter(|event| event.kind == EventKind::PlanResized)
        .map(|event| {
            event.detail.strip_prefix("peak ").and_then(|rest| rest.split_once(" -> ")).expect("a detail")
        })
        .collect();
    assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0), "each begins where the one before ended");
}

/// A month of hours, each worked by `workers` control planes at once; gives what happened to which plan.
async fn month(pair: &Pair, workers: usize) -> Vec<String> {
    let mut names = BTreeMap::new();
    for (number, (duration, auto_renew)) in
        [("1w", false), ("1m", true), ("1m", false), ("1w", false), ("2m", true)].into_iter().enumerate()
    {
        let network = pair.network(u8::try_from(number).expect("few") + 1).await;
        let new = NewPlan {
            pay: "subscription".to_owned(),
            duration: Some(duration.to_owned()),
            auto_renew: Some(auto_renew),
            network: Some(network),
            ..pair.new_plan()
        };
        let plan = pair.apps[0].create_plan(&operator("order"), new).await.expect("a plan");
        names.insert(plan.id, format!("{duration} {auto_renew} {number}"));
    }
    pair.agent_applies().await;
    // One waits for a node that never acknowledges, until its deadline.
    let late = pair.plan(Some(&pair.network(9).await)).await;
    names.insert(late.id, "late".to_owned());
    for _ in 0..24 * 45 {
        pair.now_us.fetch_add(SignedDuration::from_hours(1).as_micros() as i64, Ordering::SeqCst);
        let work = |app: App| tokio::spawn(async move { app.work_due().await });
        let tasks: Vec<_> = pair.apps[..workers].iter().cloned().map(work).collect();
        for task in tasks {
            let undone = task.await.expect("a task");
            assert!(undone.is_empty(), "{undone:?}");
        }
    }
    let mut happened: Vec<String> = pair
        .events()
        .await
        .iter()
        .filter(|event| &*event.actor == "scheduler")
        .map(|event| format!("{} {} {}", names[&*event.subject], event.at, event.kind.code()))
        .collect();
    happened.sort();
    happened
}

fn assert_same(alone: &[String], both: &[String]) {
    let kinds = ["plan.expired", "plan.expiring", "plan.renewed", "plan.releasing", "plan.changing"];
    for kind in kinds {
        assert!(alone.iter().any(|event| event.ends_with(kind)), "no {kind} in {alone:#?}");
    }
    let mut once = alone.to_vec();
    once.dedup();
    assert_eq!(once, alone, "one scheduler does nothing twice");
    assert_eq!(alone, both);
}

impl Pair {
    async fn open(url: &str) -> Self {
        let start: Timestamp = START.parse().expect("an instant");
        let now_us = Arc::new(AtomicI64::new(start.as_microsecond()));
        let open = async || {
            let now_us = Arc::clone(&now_us);
            let read =
                move || Timestamp::from_microsecond(now_us.load(Ordering::SeqCst)).expect("an instant");
            let store = Store::open(url, start).await.expect("a store");
            App::new(store, Settings::default(), Clock::of(read))
        };
        let apps = [open().await, open().await];
        let account = NewAccount { name: "acme".to_owned() };
        let account = apps[0].create_account(&operator("account"), account).await.expect("an account").id;
        let interface = NodeInterface {
            pattern: "inst*".to_owned(),
            zone: "default".to_owned(),
            mode: "auto".to_owned(),
            observe: false,
            foreign_sources: "drop".to_owned(),
        };
        let node = NewNode { name: "edge".to_owned(), interfaces: vec![interface], ..NewNode::default() };
        let node = apps[0].create_node(&operator("node"), node).await.expect("a node");
        let agent = Caller {
            role: Role::Agent,
            node: Some(node.id.parse().expect("an identity")),
            ..Caller::system("agent edge", "test".into())
        };
        Self { apps, now_us, account, agent }
    }

    async fn network(&self, number: u8) -> String {
        let new = NewNetwork {
            account: Some(self.account.clone()),
            name: format!("net{number}"),
            prefixes: vec![format!("10.{number}.0.0/24")],
            ..NewNetwork::default()
        };
        self.apps[0].create_network(&operator("network"), new).await.expect("a network").id
    }

    fn new_plan(&self) -> NewPlan {
        NewPlan {
            account: Some(self.account.clone()),
            pay: "pay_as_you_go".to_owned(),
            peak_bps: 20_000_000,
            ..NewPlan::default()
        }
    }

    async fn plan(&self, network: Option<&str>) -> Plan {
        let new = NewPlan { network: network.map(str::to_owned), ..self.new_plan() };
        self.apps[0].create_plan(&operator("order"), new).await.expect("a plan")
    }

    async fn plan_by_id(&self, id: &str) -> Plan {
        let query = PlanQuery { account: Some(self.account.clone()), ..PlanQuery::default() };
        let page = self.apps[1].plans(&operator("plans").caller, &query).await.expect("plans");
        page.items.into_iter().find(|plan| plan.id == id).expect("the plan")
    }

    /// The node's agent asks one control plane and answers the other.
    async fn agent_applies(&self) {
        let query = StateQuery::default();
        let fetched = self.apps[0].node_state(&self.agent, &query, None).await.expect("a state");
        let fetched = fetched.expect("a newer state");
        let ack = AgentAck {
            incarnation: fetched.incarnation,
            revision: fetched.revision,
            problem: None,
            in_force_revision: fetched.revision,
        };
        self.apps[1].acknowledge(&self.agent, ack).await.expect("acknowledged");
    }

    async fn events(&self) -> Vec<limiter_domain::Event> {
        let tx = self.apps[0].store().read().await.expect("a view");
        let (mut events, mut paging) = (Vec::new(), Paging::default());
        loop {
            let page = tx.events(&EventFilter::default(), &paging).await.expect("events");
            events.extend(page.items);
            let Some(next) = page.next else { return events };
            paging.after = Some(next);
        }
    }
}

fn operator(operation: &str) -> Call {
    Call::plain(Caller::system("test", "test".into()), operation)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// On an embedded database in memory, so that the disk's time is not in it.
fn sqlite<T>(test: impl AsyncFnOnce(&Pair) -> T) -> T {
    let folder = TempDir::new_in("/dev/shm").expect("a folder for the test");
    let url = format!("sqlite:{}", folder.path().join("limiter.db").display());
    runtime().block_on(async { test(&Pair::open(&url).await).await })
}

fn postgres<T>(test: impl AsyncFnOnce(&Pair) -> T) -> T {
    let server = Postgres::start();
    let url = server.database("race");
    runtime().block_on(async { test(&Pair::open(&url).await).await })
}
