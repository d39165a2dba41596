//! Money as it is kept: read as it was written, in its order, and nothing of it twice.

use jiff::civil::date;
use limiter_control::store::{
    Constraint, KeptPurse, KeptStatement, LineFilter, NextHour, OrderFilter, Paging, Store, StoreError,
};
use limiter_domain::bill::{Line, LineItem};
use limiter_domain::ledger::{Entry, KeptLine, KeptOrder};
use limiter_domain::price::{Amount, Books, Discount, NewPriceBook, Order, OrderKind, Purse, Standing, Tier};
use limiter_domain::segment::{Segment, Turn};
use limiter_domain::statement::EntryKind;
use limiter_domain::{Account, Duration, OrderId, PlanId};

use crate::things::{account, at, basis, commit, plan, rate};
use crate::world::{Place, on_both};

on_both!(
    price_books_are_read_as_they_were_written,
    purses_are_replaced_and_found_when_they_are_due,
    a_ledger_is_listed_and_summed_by_month,
    one_source_moves_money_once,
    orders_are_listed_by_account_and_plan,
    a_history_takes_turns_and_keeps_what_is_over,
    hours_to_bill_come_in_order,
    lines_are_listed_by_hour_and_come_once,
    a_month_has_one_statement,
);

fn new_book(price: i64) -> NewPriceBook {
    let tiers = vec![
        Tier { up_to_bps: Some(5_000_000), micro_per_unit: price },
        Tier { up_to_bps: None, micro_per_unit: 10_000_000_000_000 },
    ];
    let mut items: Vec<_> =
        Duration::ALL.iter().map(|duration| (format!("sub.{duration}"), tiers.clone())).collect();
    items.push(("payg.bandwidth".to_owned(), tiers));
    items.push(("payg.traffic".to_owned(), vec![Tier { up_to_bps: None, micro_per_unit: 0 }]));
    NewPriceBook { effective_from: Some(at(price)), currency: "JPY".to_owned(), items }
}

async fn price_books_are_read_as_they_were_written(place: &mut Place) {
    let store = place.open().await;
    let mut books = Books::NONE;
    for price in [10, 20] {
        let book = books.next(&new_book(price), at(1)).expect("a book");
        commit(&store, async |write| write.add_price_book(&book, at(1)).await.expect("added")).await;
        books = Books::new(books.list().iter().cloned().chain([book.into()]).collect());
    }
    let read = store.read().await.expect("a view");
    assert_eq!(read.price_books().await.expect("books"), books);
    let write = store.write().await.expect("a transaction");
    let again = write.add_price_book(&books.list()[0], at(1)).await;
    assert_eq!(again, Err(StoreError::Conflict { constraint: Constraint::Identity }));
}

async fn purses_are_replaced_and_found_when_they_are_due(place: &mut Place) {
    let store = place.open().await;
    let (one, two) = (account(1), account(2));
    let empty = KeptPurse::empty(&one.id);
    let full = KeptPurse {
        purse: Purse {
            balance: Amount::new(i64::MIN),
            credit_limit: Amount::new(i64::MAX),
            discount: Discount::new(1).expect("a discount"),
            standing: Standing::Grace,
            overdue_since: Some(at(7)),
        },
        entries: 3,
        month: Some(date(2026, 11, 1)),
        suspends_at: Some(at(50)),
        states_at: Some(at(60)),
        ..empty.clone()
    };
    let other = KeptPurse { account: two.id.clone(), suspends_at: Some(at(40)), ..full.clone() };
    commit(&store, async |write| {
        write.put_account(&one).await.expect("put");
        write.put_account(&two).await.expect("put");
        write.put_purse(&empty).await.expect("put");
        write.put_purse(&full).await.expect("put");
        write.put_purse(&other).await.expect("put");
    })
    .await;
    let read = store.read().await.expect("a view");
    assert_eq!(read.purse(&one.id).await.expect("a purse"), full);
    assert_eq!(read.purse(&account(3).id).await.expect("a purse"), KeptPurse::empty(&account(3).id));
    assert_eq!(read.purses_suspending(at(39), 9).await.expect("a list"), []);
    assert_eq!(read.purses_suspending(at(50), 9).await.expect("a list"), [other.clone(), full.clone()]);
    assert_eq!(read.purses_suspending(at(50), 1).await.expect("a list"), [other]);
    assert_eq!(read.purses_stating(at(59), 9).await.expect("a list"), []);
    assert_eq!(read.purses_stating(at(60), 1).await.expect("a list").len(), 1);
}

fn entry(owner: &Account, number: u64, month: i8) -> Entry {
    Entry {
        account: owner.id.clone(),
        number,
        kind: EntryKind::ALL[number as usize % 6],
        source: format!("{number}").into(),
        amount: Amount::new(-7),
        balance: Amount::new(i64::MAX),
        at: at(5),
        month: date(2026, month, 1),
        detail: "why".into(),
    }
}

async fn a_ledger_is_listed_and_summed_by_month(place: &mut Place) {
    let store = place.open().await;
    let owner = account(1);
    let entries: Vec<_> =
        (1..=15).map(|number| entry(&owner, number, if number < 13 { 11 } else { 12 })).collect();
    commit(&store, async |write| {
        write.put_account(&owner).await.expect("put");
        for entry in &entries {
            write.add_entry(entry).await.expect("added");
        }
    })
    .await;
    let read = store.read().await.expect("a view");
    let mut paging = Paging { after: None, limit: 4 };
    let mut listed = Vec::new();
    loop {
        let page = read.ledger(&owner.id, None, &paging).await.expect("a page");
        listed.extend(page.items);
        let Some(next) = page.next else { break };
        paging.after = Some(next);
    }
    assert_eq!(listed, entries);
    let december = read.ledger(&owner.id, Some(date(2026, 12, 1)), &Paging::default()).await.expect("a page");
    assert_eq!((december.items.len(), december.next), (3, None));
    let sums = read.ledger_sums(&owner.id, date(2026, 11, 1)).await.expect("sums");
    assert_eq!(sums, EntryKind::ALL.map(|kind| (kind, Amount::new(-14))).into());
    let sum = async |from, month| {
        read.ledger_sum(&owner.id, date(2026, from, 1), date(2026, month, 1)).await.expect("a sum")
    };
    assert_eq!((sum(1, 11).await, sum(1, 12).await), (Amount::ZERO, Amount::new(-84)));
    assert_eq!((sum(12, 12).await, sum(11, 12).await), (Amount::ZERO, Amount::new(-84)));
}

async fn one_source_moves_money_once(place: &mut Place) {
    let store = place.open().await;
    let owner = account(1);
    let first = entry(&owner, 1, 11);
    commit(&store, async |write| {
        write.put_account(&owner).await.expect("put");
        write.add_entry(&first).await.expect("added");
    })
    .await;
    refused(&store, &Entry { number: 2, ..first.clone() }, Constraint::LedgerSource).await;
    refused(&store, &Entry { source: "2".into(), ..first.clone() }, Constraint::Identity).await;
    refused(
        &store,
        &Entry { account: account(9).id, source: "3".into(), ..first.clone() },
        Constraint::Reference,
    )
    .await;
    let other = Entry { number: 2, kind: EntryKind::Rounding, ..first };
    commit(&store, async |write| write.add_entry(&other).await.expect("another kind")).await;
}

async fn refused(store: &Store, entry: &Entry, constraint: Constraint) {
    let write = store.write().await.expect("a transaction");
    let added = match write.add_entry(entry).await {
        Ok(()) => write.commit().await.map(drop),
        Err(error) => Err(error),
    };
    assert_eq!(added, Err(StoreError::Conflict { constraint }));
}

async fn orders_are_listed_by_account_and_plan(place: &mut Place) {
    let store = place.open().await;
    let order = |number: u64, owner: u64, of: u64| KeptOrder {
        id: OrderId::of_random(number.into()),
        account: account(owner).id,
        plan: PlanId::of_random(of.into()),
        order: Order {
            kind: OrderKind::ALL[number as usize % 7],
            at: at(number.cast_signed()),
            original: Amount::new(i64::MAX),
            amount: Amount::new(i64::MIN),
            book: u32::MAX,
        },
        detail: "20Mbps".into(),
    };
    let orders = [order(1, 1, 1), order(2, 2, 2), order(3, 1, 2)];
    commit(&store, async |write| {
        for order in &orders {
            write.add_order(order).await.expect("added");
        }
    })
    .await;
    let read = store.read().await.expect("a view");
    let listed = async |filter| read.orders(&filter, &Paging::default()).await.expect("a page").items;
    assert_eq!(listed(OrderFilter::default()).await, orders);
    let own = OrderFilter { account: Some(account(1).id), plan: None };
    assert_eq!(listed(own).await, [orders[0].clone(), orders[2].clone()]);
    let of_plan = OrderFilter { account: None, plan: Some(PlanId::of_random(2)) };
    assert_eq!(listed(of_plan).await, [orders[1].clone(), orders[2].clone()]);
    assert_eq!(read.order(&orders[1].id).await.expect("an order").as_ref(), Some(&orders[1]));
}

async fn a_history_takes_turns_and_keeps_what_is_over(place: &mut Place) {
    let store = place.open().await;
    let id = plan(1, &account(1)).id;
    let turns = [(10, Some(1)), (20, Some(2)), (20, Some(3)), (30, None), (25, None), (40, Some(4))];
    for (at_s, mbps) in turns {
        let turn = Turn { at: at(at_s), peak: mbps.map(|mbps| rate(mbps * 1_000_000)) };
        commit(&store, async |write| write.turn(&id, turn).await.expect("a turn")).await;
    }
    let segment = |from, to: Option<i64>, mbps: u64| Segment {
        from: at(from),
        to: to.map(at),
        peak: rate(mbps * 1_000_000),
    };
    let all =
        [segment(10, Some(20), 1), segment(20, Some(20), 2), segment(20, Some(30), 3), segment(40, None, 4)];
    let read = store.read().await.expect("a view");
    assert_eq!(read.segments(&id, at(0)).await.expect("segments"), all);
    assert_eq!(read.segments(&id, at(20)).await.expect("segments"), all);
    assert_eq!(read.segments(&id, at(21)).await.expect("segments"), all[2..]);
    assert_eq!(read.segments(&id, at(99)).await.expect("segments"), all[3..]);
    assert_eq!(read.segments(&plan(2, &account(1)).id, at(0)).await.expect("segments"), []);
}

async fn hours_to_bill_come_in_order(place: &mut Place) {
    let store = place.open().await;
    let next = |number: u64, owner: u64, hour| NextHour {
        plan: PlanId::of_random(number.into()),
        account: account(owner).id,
        hour: at(hour - 3),
        due_at: at(hour),
    };
    commit(&store, async |write| {
        for hour in [next(1, 1, 9), next(2, 2, 5), next(3, 1, 7), next(1, 1, 6)] {
            write.put_next_hour(&hour).await.expect("put");
        }
    })
    .await;
    let read = store.read().await.expect("a view");
    let due = async |account, last, limit| read.hours_due(account, at(last), limit).await.expect("a list");
    assert_eq!(due(None, 4, 9).await, []);
    assert_eq!(due(None, 9, 9).await, [next(2, 2, 5), next(1, 1, 6), next(3, 1, 7)]);
    assert_eq!(due(None, 9, 1).await, [next(2, 2, 5)]);
    assert_eq!(due(Some(&account(1).id), 6, 9).await, [next(1, 1, 6)]);
    commit(&store, async |write| write.remove_next_hour(&next(1, 1, 0).plan).await.expect("removed")).await;
    let read = store.read().await.expect("a view");
    assert_eq!(read.next_hour(&next(1, 1, 0).plan).await.expect("an hour"), None);
    assert_eq!(read.next_hour(&next(3, 1, 0).plan).await.expect("an hour"), Some(next(3, 1, 7)));
    let two = [next(3, 1, 0).plan, next(1, 1, 0).plan];
    assert_eq!(read.next_hours(&two).await.expect("a list"), [next(3, 1, 7)]);
}

async fn lines_are_listed_by_hour_and_come_once(place: &mut Place) {
    let store = place.open().await;
    let owner = basis(&store).await.account;
    let line = |of: u64, item, hour, revision| KeptLine {
        account: owner.id.clone(),
        plan: PlanId::of_random(of.into()),
        month: date(2026, 11, 1),
        line: Line {
            item,
            hour: at(hour),
            revision,
            quantity: i64::MAX.cast_unsigned(),
            original: Amount::new(i64::MAX),
            amount: Amount::new(-1),
            discount: Discount::NONE,
            book: 3,
            held: revision == 1,
        },
    };
    let mut lines = Vec::new();
    for hour in [0, 3600] {
        for of in [1, 2] {
            for item in LineItem::ALL {
                lines.extend([line(of, item, hour, 0), line(of, item, hour, 1)]);
            }
        }
    }
    commit(&store, async |write| {
        for line in lines.iter().rev() {
            write.add_line(line).await.expect("added");
        }
    })
    .await;
    let read = store.read().await.expect("a view");
    let filter = LineFilter { account: owner.id.clone(), month: date(2026, 11, 1), plan: None };
    for limit in [1, 3, 100] {
        let mut paging = Paging { after: None, limit };
        let mut listed = Vec::new();
        loop {
            let page = read.lines(&filter, &paging).await.expect("a page");
            listed.extend(page.items);
            let Some(next) = page.next else { break };
            paging.after = Some(next.to_string().parse().expect("a cursor"));
        }
        assert_eq!(listed, lines, "{limit} at a time");
    }
    let one = LineFilter { plan: Some(PlanId::of_random(2)), ..filter.clone() };
    assert_eq!(read.lines(&one, &Paging::default()).await.expect("a page").items.len(), 8);
    let none = LineFilter { month: date(2026, 12, 1), ..filter };
    assert_eq!(read.lines(&none, &Paging::default()).await.expect("a page").items, []);
    let write = store.write().await.expect("a transaction");
    let again = write.add_line(&lines[0]).await;
    assert_eq!(again, Err(StoreError::Conflict { constraint: Constraint::Identity }));
}

async fn a_month_has_one_statement(place: &mut Place) {
    let store = place.open().await;
    let owner = account(1);
    let statement = |month| KeptStatement {
        account: owner.id.clone(),
        month: date(2026, month, 1),
        opening: Amount::new(1),
        hours: Amount::new(2),
        round_down: Amount::new(3),
        total: Amount::new(4),
        closing: Amount::new(i64::MIN),
        issued_at: at(9),
    };
    commit(&store, async |write| {
        write.put_account(&owner).await.expect("put");
        for month in [9, 10, 11] {
            write.add_statement(&statement(month)).await.expect("added");
        }
    })
    .await;
    let read = store.read().await.expect("a view");
    let listed = read.statements(&owner.id, 2).await.expect("statements");
    assert_eq!(listed, [statement(11), statement(10)]);
    let found = read.statement(&owner.id, date(2026, 9, 1)).await.expect("a statement");
    assert_eq!(found, Some(statement(9)));
    let write = store.write().await.expect("a transaction");
    let again = write.add_statement(&statement(9)).await;
    assert_eq!(again, Err(StoreError::Conflict { constraint: Constraint::Identity }));
}
