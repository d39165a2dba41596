//! Whatever is put is read again, value for value.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use limiter_control::store::{Ack, IdempotencyRecord, Seen};
use limiter_domain::price::Amount;
use limiter_domain::{
    Account, Business, Charge, Duration, Egress, Instance, Network, NetworkEgress, NetworkKind,
    NetworkStatus, Node, NodeInterface, Operation, OperationKind, Pay, Plan, Role, Rule, Slice, Status,
    Token, User,
};
use limiter_state::{Access, EgressAddresses, Mode, Policy, Rate, UnknownSources};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::things::{self, at, basis, commit, node};
use crate::world::{Place, on_both};

on_both!(
    accounts,
    users,
    tokens,
    nodes,
    networks,
    instances,
    plans,
    rules,
    answers_to_calls,
    reports_and_settings_of_a_node_do_not_overwrite_each_other,
);

/// Rows of each kind.
const ROWS: u64 = 40;

/// Puts rows that `$make` makes of a number and random `$parts`, reads each again, then replaces each.
macro_rules! round_trip {
    ($store:expr, $parts:expr, $make:expr, $put:ident($($more:expr),*), $get:ident) => {
        let mut runner = TestRunner::new(Config::default());
        let strategy = $parts;
        for number in 0..2 * ROWS {
            let parts = strategy.new_tree(&mut runner).expect("a value").current();
            // In the second half the row is there already.
            let thing = ($make)(number % ROWS + 100, parts);
            commit($store, async |write| write.$put(&thing $(, $more)*).await.expect("put")).await;
            let found = $store.read().await.expect("a view").$get(&thing.id).await.expect("get");
            assert_eq!(found.as_ref(), Some(&thing));
        }
    };
}

async fn accounts(place: &mut Place) {
    let store = place.open().await;
    let parts = (text(), any::<bool>(), instant(), count());
    let make = |number, (name, enabled, created_at, version): (String, _, _, _)| Account {
        name: distinct(number, &name),
        enabled,
        created_at,
        version,
        ..things::account(number)
    };
    round_trip!(&store, parts, make, put_account(), account);
    let account = make(1, ("Ærø 'x' %_\\ \u{1f600}".to_owned(), true, at(0), 1));
    commit(&store, async |write| write.put_account(&account).await.expect("put")).await;
    let tx = store.read().await.expect("a view");
    assert_eq!(tx.account_by_name(&account.name).await.expect("get"), Some(account));
    assert_eq!(tx.account_by_name("no such").await.expect("get"), None);
}

async fn users(place: &mut Place) {
    let store = place.open().await;
    let account = basis(&store).await.account.id;
    let parts = (text(), any::<bool>(), role(), text(), any::<bool>(), count());
    let make = |number, (name, owned, role, hash, enabled, version): (String, bool, _, String, _, _)| User {
        name: distinct(number, &name),
        account: owned.then(|| account.clone()),
        role,
        password_hash: hash.into(),
        enabled,
        version,
        ..things::user(number)
    };
    round_trip!(&store, parts, make, put_user(), user);
    let user = things::user(7);
    commit(&store, async |write| write.put_user(&user).await.expect("put")).await;
    let tx = store.read().await.expect("a view");
    assert_eq!(tx.user_by_name(&user.name).await.expect("get"), Some(user));
}

async fn tokens(place: &mut Place) {
    let store = place.open().await;
    let account = basis(&store).await.account.id;
    let (node, user) = (node(1), things::user(1));
    commit(&store, async |write| {
        write.put_node(&node).await.expect("put");
        write.put_user(&user).await.expect("put");
    })
    .await;
    let parts = (text(), any::<[bool; 3]>(), role(), any::<[u8; 32]>(), of(instant()), of(instant()));
    let make =
        |number, (name, has, role, hash, expires_at, revoked_at): (String, [bool; 3], _, _, _, _)| Token {
            name: name.into(),
            account: has[0].then(|| account.clone()),
            node: has[1].then(|| node.id.clone()),
            user: has[2].then(|| user.id.clone()),
            role,
            hash,
            expires_at,
            revoked_at,
            ..things::token(number)
        };
    round_trip!(&store, parts, make, put_token(), token);
    let token = things::token(7);
    commit(&store, async |write| write.put_token(&token).await.expect("put")).await;
    let tx = store.read().await.expect("a view");
    assert_eq!(tx.token_by_hash(&token.hash).await.expect("get"), Some(token));
    assert_eq!(tx.token_by_hash(&[9; 32]).await.expect("get"), None);
}

async fn nodes(place: &mut Place) {
    let store = place.open().await;
    let mode = select(vec![Mode::Auto, Mode::Shape, Mode::Police]);
    let policy = select(vec![Policy::Pass, Policy::Drop]);
    let interface = (text(), text(), mode, any::<bool>(), policy).prop_map(
        |(pattern, zone, mode, observe, foreign_sources)| NodeInterface {
            pattern,
            zone: zone.into(),
            mode,
            observe,
            foreign_sources,
        },
    );
    let addresses = (of(any::<Ipv4Addr>()), vec(any::<Ipv4Addr>(), 0..3));
    let parts = (vec(text(), 0..3), vec(interface, 0..3), any::<[bool; 4]>(), count(), count(), addresses);
    let make = |number,
                (uplinks, interfaces, flags, revision, version, addresses): (
        _,
        _,
        [bool; 4],
        _,
        _,
        (_, _),
    )| Node {
        uplinks,
        interfaces,
        shared_address: addresses.0,
        former_addresses: addresses.1,
        egress_addresses: if flags[2] { EgressAddresses::Assign } else { EgressAddresses::Routed },
        drained: flags[3],
        fenced: flags[0],
        bypass: flags[1],
        revision,
        version,
        ..node(number)
    };
    round_trip!(&store, parts, make, put_node(), node);
    let node = node(100);
    let tx = store.read().await.expect("a view");
    assert_eq!(tx.node_by_name(&node.name).await.expect("get").map(|node| node.id), Some(node.id));
}

async fn networks(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    let egresses = vec![NetworkEgress::None, NetworkEgress::Shared, NetworkEgress::Exclusive];
    let parts = (
        (of(rate()), nets(), of(vec(any::<u64>(), 0..4)), select(egresses), any::<[bool; 3]>()),
        (of(any::<u64>()), of(text()), any::<bool>(), count(), text(), text()),
    );
    let make = |number, (first, second): (_, _)| {
        let (basic, prefixes, nodes, egress, [denied, budget, observe]): (
            Option<Rate>,
            _,
            Option<Vec<u64>>,
            _,
            [bool; 3],
        ) = first;
        let (rule, external, deleting, revision, region, zone): (
            Option<u64>,
            Option<String>,
            _,
            _,
            String,
            String,
        ) = second;
        Network {
            external_id: external.map(|external| distinct(number, &external)),
            region: region.into(),
            zone: zone.into(),
            kind: basic.map_or(NetworkKind::Vpc, |basic| NetworkKind::Shared { basic }),
            prefixes,
            nodes: nodes.map(|nodes| nodes.into_iter().map(|number| node(number).id).collect()),
            egress,
            internet: if denied { Access::Deny } else { Access::Allow },
            unknown_sources: if budget { UnknownSources::Budget } else { UnknownSources::Drop },
            observe,
            default_rule: rule.map(|number| things::rule(number, &basis.plan).id),
            status: if deleting { NetworkStatus::Deleting } else { NetworkStatus::Active },
            revision,
            ..things::network(number, &basis.account)
        }
    };
    round_trip!(&store, parts, make, put_network(), network);
    let network = Network { external_id: Some("ext".into()), ..things::network(7, &basis.account) };
    commit(&store, async |write| write.put_network(&network).await.expect("put")).await;
    let tx = store.read().await.expect("a view");
    let account = &basis.account.id;
    assert_eq!(tx.network_by_name(account, &network.name).await.expect("get").as_ref(), Some(&network));
    assert_eq!(tx.network_by_external_id(account, "ext").await.expect("get").as_ref(), Some(&network));
    assert_eq!(tx.networks_by_id(std::slice::from_ref(&network.id)).await.expect("get"), [network]);
}

async fn instances(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    let rule = things::rule(1, &basis.plan);
    commit(&store, async |write| write.put_rule(&rule).await.expect("put")).await;
    let parts = (text(), of(text()), nets(), any::<bool>(), any::<bool>(), count());
    let make = |number,
                (name, external, addresses, denied, bound, revision): (
        String,
        Option<String>,
        _,
        _,
        bool,
        _,
    )| {
        Instance {
            name: distinct(number, &name),
            external_id: external.map(|external| distinct(number, &external)),
            addresses,
            internet: if denied { Access::Deny } else { Access::Allow },
            rule: bound.then(|| rule.id.clone()),
            revision,
            ..things::instance(number, &basis.network)
        }
    };
    round_trip!(&store, parts, make, put_instance(), instance);
    let instance = Instance { external_id: Some("ext".into()), ..things::instance(7, &basis.network) };
    commit(&store, async |write| write.put_instance(&instance).await.expect("put")).await;
    let tx = store.read().await.expect("a view");
    let account = &basis.account.id;
    let found = tx.instance_by_name(&basis.network.id, &instance.name).await.expect("get");
    assert_eq!(found.as_ref(), Some(&instance));
    let found = tx.instance_by_external_id(account, "ext").await.expect("get");
    assert_eq!(found.as_ref(), Some(&instance));
}

async fn plans(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    let duration = select(Duration::ALL.to_vec());
    let slice = (any::<[u16; 3]>(), duration.clone(), any::<i64>());
    let slice = slice.prop_map(|([first, last, from], duration, micro)| Slice {
        first_day: day(first),
        last_day: day(last),
        duration,
        value: Amount::new(micro),
        value_from: day(from),
    });
    let kinds = [
        OperationKind::Provision,
        OperationKind::Associate,
        OperationKind::Dissociate,
        OperationKind::Release,
    ];
    let operation =
        (select(kinds.to_vec()), instant()).prop_map(|(kind, started_at)| Operation { kind, started_at });
    let statuses = [
        Status::Creating,
        Status::InUse,
        Status::NotAssociated,
        Status::Changing,
        Status::Releasing,
        Status::Released,
        Status::Failed,
    ];
    let egress = of(any::<[bool; 2]>());
    let business = select(vec![Business::Normal, Business::Expired, Business::Overdue]);
    let parts = (
        (any::<[bool; 3]>(), rate(), rate(), select(statuses.to_vec()), business, of(text())),
        (of(operation), count(), instant(), of(instant()), of(instant()), of(1_i8..=31), of(egress)),
        (of(duration), of(instant()), (vec(slice, 0..4), any::<i64>()), instant(), count(), of(text())),
    );
    let make = |number, (first, second, third): (_, _, _)| {
        let (flags, peak, applied_peak, status, business, reason): ([bool; 3], _, _, _, _, Option<String>) =
            first;
        let (operation, generation, created_at, provisioned_at, expires_at, anchor_day, egress) = second;
        let egress: Option<Option<[bool; 2]>> = egress;
        let address = Ipv4Addr::from(u32::try_from(number).expect("a small number"));
        let egress = egress.map(|nodes| Egress {
            address,
            node: nodes.is_some_and(|nodes| nodes[0]).then(|| node(number).id),
            leaving: nodes.is_some_and(|nodes| nodes[1]).then(|| node(1).id),
        });
        let (duration, release_at, (slices, micro), ticked_at, version, external) = third;
        let external: Option<String> = external;
        Plan {
            external_id: external.map(|external| distinct(number, &external)),
            pay: if flags[0] { Pay::PrePaid } else { Pay::PostPaid },
            charge: if flags[1] { Charge::ByBandwidth } else { Charge::ByTraffic },
            auto_renew: flags[2],
            peak,
            applied_peak,
            status,
            business,
            reason: reason.map(Into::into),
            egress,
            operation,
            generation,
            created_at,
            provisioned_at,
            expires_at,
            anchor_day,
            duration,
            release_at,
            prepaid: Amount::new(micro),
            slices,
            ticked_at,
            version,
            ..things::plan(number, &basis.account)
        }
    };
    round_trip!(&store, parts, make, put_plan(None), plan);
    let tx = store.read().await.expect("a view");
    let found = tx.plan_of_network(&basis.network.id).await.expect("get");
    assert_eq!(found, Some(basis.plan));
}

async fn rules(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    let parts = (text(), rate(), rate(), count(), instant(), count());
    let make = |number, (name, up, down, revision, created_at, version): (String, _, _, _, _, _)| Rule {
        name: distinct(number, &name),
        up,
        down,
        revision,
        created_at,
        version,
        ..things::rule(number, &basis.plan)
    };
    round_trip!(&store, parts, make, put_rule(), rule);
    let rule = things::rule(7, &basis.plan);
    commit(&store, async |write| write.put_rule(&rule).await.expect("put")).await;
    let tx = store.read().await.expect("a view");
    assert_eq!(tx.rule_by_name(&basis.plan.id, &rule.name).await.expect("get"), Some(rule));
}

async fn answers_to_calls(place: &mut Place) {
    let store = place.open().await;
    let record = IdempotencyRecord {
        owner: "ac-1".into(),
        operation: "create_plan".into(),
        client_token: "one".into(),
        request_hash: [7; 32],
        response: "{\"id\":\"np-1\"}".into(),
        created_at: at(100),
    };
    let later = IdempotencyRecord { client_token: "two".into(), created_at: at(200), ..record.clone() };
    commit(&store, async |write| {
        write.put_idempotency(&record).await.expect("put");
        write.put_idempotency(&later).await.expect("put");
    })
    .await;
    let find = async |token: &str| {
        let tx = store.read().await.expect("a view");
        tx.idempotency("ac-1", "create_plan", token).await.expect("get")
    };
    assert_eq!(find("one").await, Some(record));
    assert_eq!(find("three").await, None);
    commit(&store, async |write| {
        assert_eq!(write.expire_idempotency(at(200)).await.expect("expire"), 1);
    })
    .await;
    assert_eq!(find("one").await, None);
    assert_eq!(find("two").await, Some(later));
}

async fn reports_and_settings_of_a_node_do_not_overwrite_each_other(place: &mut Place) {
    let store = place.open().await;
    let node = node(1);
    commit(&store, async |write| write.put_node(&node).await.expect("put")).await;
    let revision = *store.changes().borrow();
    let seen = Seen { node: node.id.clone(), at: at(5), agent_version: Some("0.1.0".into()) };
    store.note_seen(&[seen]).await.expect("note");
    let ack = |revision, problem: Option<&str>| Ack {
        node: node.id.clone(),
        at: at(6),
        revision,
        problem: problem.map(Arc::from),
    };
    assert!(store.note_ack(&ack(9, None)).await.expect("note"));
    // An older answer that arrives late takes nothing back; the operator knew nothing of either.
    assert!(store.note_ack(&ack(3, Some("no"))).await.expect("note"));
    commit(&store, async |write| {
        write.put_node(&Node { fenced: true, ..node.clone() }).await.expect("put");
    })
    .await;
    assert_eq!(*store.changes().borrow(), revision + 1, "reports are no changes");
    let expected = Node {
        fenced: true,
        acked_revision: 9,
        acked_at: Some(at(6)),
        problem: Some("no".into()),
        seen_at: Some(at(6)),
        agent_version: Some("0.1.0".into()),
        ..node.clone()
    };
    let found = store.read().await.expect("a view").node(&node.id).await.expect("get");
    assert_eq!(found, Some(expected));
    let unknown = Ack { node: things::node(2).id, ..ack(1, None) };
    assert!(!store.note_ack(&unknown).await.expect("note"));
    commit(&store, async |write| assert!(write.note_ack(&ack(12, None)).await.expect("note"))).await;
    let found = store.read().await.expect("a view").node(&node.id).await.expect("get").expect("the node");
    assert_eq!((found.acked_revision, found.problem), (12, None));
}

/// Printable characters of any script, quotes and wildcards among them.
fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}|['\"%_\\\\;]{1,6}"
}

fn distinct(number: u64, text: &str) -> Arc<str> {
    format!("{text}{number}").into()
}

fn rate() -> impl Strategy<Value = Rate> {
    (Rate::MIN.bps()..=Rate::MAX.bps()).prop_map(things::rate)
}

/// To the microsecond, which is what is kept.
fn instant() -> impl Strategy<Value = Timestamp> {
    (-10_i64.pow(15)..10_i64.pow(16)).prop_map(|us| Timestamp::from_microsecond(us).expect("an instant"))
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..100_u64, 0..=i64::MAX.cast_unsigned()]
}

fn role() -> impl Strategy<Value = Role> {
    select(vec![Role::Operator, Role::Customer, Role::Viewer, Role::Accountant, Role::Agent])
}

fn nets() -> impl Strategy<Value = Vec<IpNet>> {
    let four = (any::<Ipv4Addr>(), 0..=32_u8).prop_map(|(address, bits)| (address.into(), bits));
    let six = (any::<std::net::Ipv6Addr>(), 0..=128_u8).prop_map(|(address, bits)| (address.into(), bits));
    let net = prop_oneof![four, six].prop_map(|(address, bits)| IpNet::new(address, bits).expect("a prefix"));
    vec(net, 0..4)
}

fn day(number: u16) -> jiff::civil::Date {
    jiff::civil::date(2000, 1, 1) + jiff::Span::new().days(i64::from(number))
}
