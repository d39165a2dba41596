//! Lists in parts, and what filters leave of them.

use limiter_control::store::{
    Cursor, EventFilter, InstanceFilter, NetworkFilter, Page, Paging, PlanFilter, RuleFilter, TokenFilter,
};
use limiter_domain::{Event, EventKind, Instance, Network, NetworkStatus, Plan, Status, Token};

use crate::things::{account, at, basis, commit, event, instance, network, plan, rule, token, user};
use crate::world::{Place, on_both};

on_both!(
    every_row_comes_once,
    rows_that_come_or_go_move_no_other,
    a_page_has_at_most_a_hundred_rows,
    filters,
    parts_of_names_are_plain_text,
    events_by_filter,
);

/// Follows a list to its end in parts of `limit`; gives the items of all parts.
async fn whole<T>(limit: usize, part: impl AsyncFn(Paging) -> Page<T>) -> Vec<T> {
    let mut items = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = part(Paging { after: after.take(), limit }).await;
        assert!(page.items.len() <= limit);
        items.extend(page.items);
        match page.next {
            // As a caller sends it: as text.
            Some(next) => after = Some(next.to_string().parse().expect("a cursor")),
            None => return items,
        }
    }
}

async fn every_row_comes_once(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    // A thousand of one instant, and some before and after.
    let of = |number: u64| {
        let second = if number < 1_000 { 50 } else { i64::try_from(number % 100).expect("small") };
        Instance { created_at: at(second), ..instance(number, &basis.network) }
    };
    let mut expected: Vec<_> = (0..1_100).map(of).collect();
    commit(&store, async |write| write.put_instances(&expected).await.expect("put")).await;
    expected.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    let tx = store.read().await.expect("a view");
    for limit in [100, 7] {
        let filter = InstanceFilter { network: Some(basis.network.id.clone()), ..Default::default() };
        let found = whole(limit, async |paging| tx.instances(&filter, &paging).await.expect("list")).await;
        assert!(found == expected, "in parts of {limit} the list is another one");
    }
    assert!(tx.all_instances(&InstanceFilter::default()).await.expect("list") == expected);
}

async fn rows_that_come_or_go_move_no_other(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    let rows: Vec<_> =
        (0..20).map(|number| Instance { created_at: at(10), ..instance(number, &basis.network) }).collect();
    commit(&store, async |write| write.put_instances(&rows).await.expect("put")).await;
    let list = async |after| {
        let paging = Paging { after, limit: 10 };
        let tx = store.read().await.expect("a view");
        tx.instances(&InstanceFilter::default(), &paging).await.expect("list")
    };
    let first = list(None).await;
    let early = Instance { created_at: at(1), ..instance(99, &basis.network) };
    commit(&store, async |write| {
        write.put_instance(&early).await.expect("put");
        // Where the next part begins, the row itself goes.
        let last = first.items.last().expect("a full part");
        write.remove_instance(&last.id).await.expect("remove");
    })
    .await;
    let second = list(first.next.clone()).await;
    assert_eq!(second.items.len(), 10);
    assert!(second.items.iter().all(|row| !first.items.contains(row) && *row != early));
}

async fn a_page_has_at_most_a_hundred_rows(place: &mut Place) {
    let store = place.open().await;
    commit(&store, async |write| {
        for number in 0..120 {
            write.put_account(&account(number)).await.expect("put");
        }
    })
    .await;
    let tx = store.read().await.expect("a view");
    for (limit, expected) in [(0, 1), (1, 1), (100, 100), (usize::MAX, 100)] {
        let page = tx.accounts(&Paging { after: None, limit }).await.expect("list");
        assert_eq!(page.items.len(), expected);
        assert!(page.next.is_some());
    }
    let first = tx.accounts(&Paging::default()).await.expect("list");
    let rest = tx.accounts(&Paging { after: first.next, limit: 100 }).await.expect("list");
    assert_eq!((rest.items.len(), rest.next), (20, None));
}

async fn filters(place: &mut Place) {
    let store = place.open().await;
    let basis = basis(&store).await;
    let (owner, other) = (&basis.account, account(2));
    let south = Network { region: "south".into(), zone: "blue".into(), ..network(2, owner) };
    let deleting = Network { status: NetworkStatus::Deleting, ..network(3, &other) };
    let bound = Instance { rule: Some(rule(1, &basis.plan).id), ..instance(1, &basis.network) };
    let ended = Plan { status: Status::Released, region: "south".into(), ..plan(2, owner) };
    let session = Token { user: Some(user(1).id), ..token(1) };
    let over = Token { expires_at: Some(at(10)), ..token(2) };
    let revoked = Token { revoked_at: Some(at(5)), ..token(3) };
    commit(&store, async |write| {
        write.put_account(&other).await.expect("put");
        write.put_networks(&[south.clone(), deleting.clone()]).await.expect("put");
        write.put_rule(&rule(1, &basis.plan)).await.expect("put");
        write
            .put_instances(&[bound.clone(), instance(2, &south), instance(3, &deleting)])
            .await
            .expect("put");
        write.put_plan(&ended, None).await.expect("put");
        write.put_user(&user(1)).await.expect("put");
        for token in [&session, &over, &revoked, &token(4)] {
            write.put_token(token).await.expect("put");
        }
    })
    .await;
    let tx = store.read().await.expect("a view");
    let of = |filter: NetworkFilter| {
        let tx = &tx;
        async move {
            let found = tx.all_networks(&filter).await.expect("list");
            assert_eq!(tx.count_networks(&filter).await.expect("count"), found.len() as u64);
            found.into_iter().map(|network| network.name.to_string()).collect::<Vec<_>>()
        }
    };
    let none = NetworkFilter::default;
    assert_eq!(of(NetworkFilter { account: Some(other.id.clone()), ..none() }).await, ["network-3"]);
    assert_eq!(of(NetworkFilter { region: Some("south".into()), ..none() }).await, ["network-2"]);
    assert_eq!(of(NetworkFilter { zone: Some("blue".into()), ..none() }).await, ["network-2"]);
    assert_eq!(of(NetworkFilter { status: Some(NetworkStatus::Deleting), ..none() }).await, ["network-3"]);
    assert_eq!(of(NetworkFilter { name_contains: Some("K-1".into()), ..none() }).await, ["network-1"]);
    let mut free = of(NetworkFilter { without_plan: true, ..none() }).await;
    free.sort();
    assert_eq!(free, ["network-2", "network-3"]);

    let of = |filter: InstanceFilter| {
        let tx = &tx;
        async move { tx.count_instances(&filter).await.expect("count") }
    };
    let none = InstanceFilter::default;
    assert_eq!(of(InstanceFilter { account: Some(owner.id.clone()), ..none() }).await, 2);
    assert_eq!(of(InstanceFilter { network: Some(south.id.clone()), ..none() }).await, 1);
    assert_eq!(of(InstanceFilter { rule: bound.rule.clone(), ..none() }).await, 1);
    assert_eq!(of(InstanceFilter { bound: Some(true), ..none() }).await, 1);
    assert_eq!(of(InstanceFilter { bound: Some(false), ..none() }).await, 2);
    assert_eq!(of(InstanceFilter { name_contains: Some("-3".into()), ..none() }).await, 1);

    let of = |filter: PlanFilter| {
        let tx = &tx;
        async move { tx.count_plans(&filter).await.expect("count") }
    };
    let none = PlanFilter::default;
    assert_eq!(of(PlanFilter { account: Some(owner.id.clone()), ..none() }).await, 2);
    assert_eq!(of(PlanFilter { account: Some(other.id.clone()), ..none() }).await, 0);
    assert_eq!(of(PlanFilter { region: Some("south".into()), ..none() }).await, 1);
    assert_eq!(of(PlanFilter { statuses: vec![Status::InUse, Status::Changing], ..none() }).await, 1);
    assert_eq!(of(PlanFilter { network: Some(basis.network.id.clone()), ..none() }).await, 1);
    let states = tx.count_plans_by_state(Some(&owner.id)).await.expect("count");
    assert_eq!(states.iter().map(|(.., count)| count).sum::<u64>(), 2);

    let of = |filter: TokenFilter| {
        let tx = &tx;
        async move { tx.tokens(&filter, &Paging::default()).await.expect("list").items.len() }
    };
    let none = TokenFilter::default;
    assert_eq!(of(TokenFilter { valid_at: Some(at(9)), ..none() }).await, 3);
    assert_eq!(of(TokenFilter { valid_at: Some(at(10)), ..none() }).await, 2);
    assert_eq!(of(TokenFilter { session: Some(true), ..none() }).await, 1);
    assert_eq!(of(TokenFilter { session: Some(false), ..none() }).await, 3);

    let rules = RuleFilter { plan: Some(basis.plan.id.clone()), ..Default::default() };
    assert_eq!(tx.rules(&rules, &Paging::default()).await.expect("list").items, [rule(1, &basis.plan)]);
    assert_eq!(tx.count_rules(&rules).await.expect("count"), 1);
    assert_eq!(tx.rules_of_plan(&basis.plan.id).await.expect("list"), [rule(1, &basis.plan)]);
    let counts = tx.count_bound(&[rule(9, &basis.plan).id, rule(1, &basis.plan).id]).await.expect("count");
    assert_eq!(counts, [0, 1]);

    commit(&store, async |write| {
        assert_eq!(write.revoke_tokens_of_user(&user(1).id, at(8)).await.expect("revoke"), 1);
        assert_eq!(write.revoke_tokens_of_user(&user(1).id, at(9)).await.expect("revoke"), 0);
        assert_eq!(write.remove_ended_tokens(at(10)).await.expect("remove"), 2);
    })
    .await;
}

async fn parts_of_names_are_plain_text(place: &mut Place) {
    let store = place.open().await;
    let owner = basis(&store).await.account;
    let names = ["50% off", "50 off", "a_b", "aXb", "back\\slash", "quote's", "Große Straße"];
    commit(&store, async |write| {
        for (number, name) in (2..).zip(names) {
            write.put_network(&Network { name: name.into(), ..network(number, &owner) }).await.expect("put");
        }
    })
    .await;
    let tx = store.read().await.expect("a view");
    for (part, expected) in [
        ("0%", vec!["50% off"]),
        ("a_b", vec!["a_b"]),
        ("A_B", vec!["a_b"]),
        ("axb", vec!["aXb"]),
        ("\\", vec!["back\\slash"]),
        ("'", vec!["quote's"]),
        ("E STRASSE", vec![]),
        ("E straße", vec!["Große Straße"]),
        ("GROßE", vec!["Große Straße"]),
        ("%", vec!["50% off"]),
    ] {
        let filter = NetworkFilter { name_contains: Some(part.to_owned()), ..NetworkFilter::default() };
        let found = tx.all_networks(&filter).await.expect("list");
        let names: Vec<_> = found.iter().map(|network| &*network.name).collect();
        assert_eq!(names, expected, "{part}");
    }
}

/// Whether a filter is to keep an event.
type Keep = fn(&Event) -> bool;

async fn events_by_filter(place: &mut Place) {
    let store = place.open().await;
    let owner = account(1).id;
    let mut all = Vec::new();
    for transaction in 0..30 {
        let events: Vec<_> = (0..transaction % 4 * 5)
            .map(|number| Event {
                account: (number % 2 == 0).then(|| owner.clone()),
                kind: if number % 3 == 0 { EventKind::RuleCreated } else { EventKind::PlanCreated },
                ..event(transaction * 100 + number)
            })
            .collect();
        let revision = commit(&store, async |write| {
            // Both ways of adding them count on.
            for part in events.chunks(3) {
                write.add_events(part).await.expect("add");
            }
        })
        .await;
        all.extend(events.into_iter().map(|event| Event { revision, ..event }));
    }
    let tx = store.read().await.expect("a view");
    let list = async |filter: &EventFilter| {
        whole(9, async |paging| tx.events(filter, &paging).await.expect("list")).await
    };
    assert_eq!(list(&EventFilter::default()).await, all);
    let filters: [(EventFilter, Keep); 4] = [
        (EventFilter { account: Some(owner.clone()), ..Default::default() }, |event| event.account.is_some()),
        (EventFilter { kinds: vec![EventKind::RuleCreated], ..Default::default() }, |event| {
            event.kind == EventKind::RuleCreated
        }),
        (EventFilter { subject: Some("subject-102".into()), ..Default::default() }, |event| {
            &*event.subject == "subject-102"
        }),
        (EventFilter { from: Some(at(302)), until: Some(at(1_501)), ..Default::default() }, |event| {
            event.at >= at(302) && event.at < at(1_501)
        }),
    ];
    for (filter, keep) in filters {
        let expected: Vec<_> = all.iter().filter(|event| keep(event)).cloned().collect();
        assert!(!expected.is_empty() && expected.len() < all.len());
        assert_eq!(list(&filter).await, expected);
    }
}
