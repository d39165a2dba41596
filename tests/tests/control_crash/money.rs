//! Money in every database, whenever its control plane was killed: what was ordered was paid, once.

use std::collections::{BTreeMap, BTreeSet};

use limiter_api::money::{NewNote, NewPriceBook, PriceTier};
use limiter_control::store::{OrderFilter, Paging, Tx};
use limiter_domain::ledger::{Entry, KeptOrder};
use limiter_domain::price::{Amount, OrderKind};
use limiter_domain::statement::EntryKind;
use limiter_domain::{Account, Duration, Pay, Plan, PlanId};

/// Prices of odd parts.
pub(crate) fn prices() -> NewPriceBook {
    let tiers = |micro_per_unit| {
        vec![
            PriceTier { up_to_bps: Some(7_000_000), micro_per_unit },
            PriceTier { up_to_bps: None, micro_per_unit: micro_per_unit * 3 + 1 },
        ]
    };
    let mut items: BTreeMap<_, _> =
        Duration::ALL.iter().map(|duration| (format!("sub.{duration}"), tiers(10_000_001))).collect();
    items.insert("payg.bandwidth".to_owned(), tiers(13_337));
    items.insert("payg.traffic".to_owned(), vec![PriceTier { up_to_bps: None, micro_per_unit: 120_000 }]);
    NewPriceBook { effective_from: None, currency: "EUR".to_owned(), items, dry_run: false }
}

/// More than a customer can spend.
pub(crate) fn wealth() -> NewNote {
    NewNote { kind: "top_up".into(), amount_micro: 1_000_000_000_000_000, reason: "a long test".into() }
}

/// The balance of each account is the sum of its entries, each order has its entry and each entry of an order
/// its order, and every subscription was paid.
pub(crate) async fn assert_adds_up(view: &Tx, plans: &BTreeMap<PlanId, Plan>) {
    let orders = orders(view).await;
    let mut paid = BTreeMap::new();
    for account in view.accounts(&Paging::default()).await.expect("accounts").items {
        for entry in ledger(view, &account).await {
            if entry.kind == EntryKind::Order {
                assert_eq!(
                    paid.insert(entry.source.to_string(), entry.amount),
                    None,
                    "paid twice: {entry:?}"
                );
            }
        }
    }
    for kept in &orders {
        let amount = kept.order.amount;
        let entry = paid.remove(kept.id.as_str());
        let expected = (amount != Amount::ZERO).then(|| amount.negated());
        assert_eq!(entry, expected, "{kept:?}");
    }
    assert!(paid.is_empty(), "paid for no order: {paid:?}");
    let bought = orders.iter().filter(|kept| kept.order.kind == OrderKind::Purchase);
    let bought: BTreeSet<&PlanId> = bought.map(|kept| &kept.plan).collect();
    let subscriptions = plans.values().filter(|plan| plan.pay == Pay::PrePaid).map(|plan| &plan.id);
    assert_eq!(bought, subscriptions.collect(), "what is there was bought, and what was bought is there");
}

async fn ledger(view: &Tx, account: &Account) -> Vec<Entry> {
    let (mut entries, mut paging) = (Vec::new(), Paging::default());
    loop {
        let page = view.ledger(&account.id, None, &paging).await.expect("a ledger");
        entries.extend(page.items);
        let Some(next) = page.next else { break };
        paging.after = Some(next);
    }
    let mut balance = Amount::ZERO;
    for (number, entry) in (1..).zip(&entries) {
        balance = balance.plus(entry.amount);
        assert_eq!((entry.number, entry.balance), (number, balance), "{entry:?}");
    }
    let kept = view.purse(&account.id).await.expect("a purse");
    assert_eq!((kept.entries, kept.purse.balance), (entries.len() as u64, balance), "{kept:?}");
    assert!(kept.purse.is_sound(), "{kept:?}");
    entries
}

async fn orders(view: &Tx) -> Vec<KeptOrder> {
    let (mut orders, mut paging) = (Vec::new(), Paging::default());
    loop {
        let page = view.orders(&OrderFilter::default(), &paging).await.expect("orders");
        orders.extend(page.items);
        let Some(next) = page.next else { return orders };
        paging.after = Some(next);
    }
}
