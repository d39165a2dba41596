//! Two schedulers over one database for a month: every hour, order and statement once, as with one alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use limiter_api::money::{LedgerEntry, LedgerQuery, NewNote, NewPriceBook, PriceTier};
use limiter_api::params::{NewAccount, NewPlan};
use limiter_control::app::{App, Call, Caller, Clock};
use limiter_control::store::Store;
use limiter_domain::{Duration, Settings};
use limiter_tests::postgres::Postgres;
use limiter_tests::random::Random;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// When every test begins, a minute before the hour.
const START: &str = "2026-01-30T10:59:00Z";

/// Plans that are paid by the hour.
const PLANS: u64 = 3;

/// How long the clock goes on.
const DAYS: i64 = 36;

#[test]
fn two_schedulers_bill_what_one_bills_on_sqlite() {
    let alone = sqlite(async |url| month(url, 1).await);
    let both = sqlite(async |url| month(url, 2).await);
    assert_same(&alone, &both);
}

#[test]
fn two_schedulers_bill_what_one_bills_on_postgres() {
    let alone = sqlite(async |url| month(url, 1).await);
    let both = postgres(async |url| month(url, 2).await);
    assert_same(&alone, &both);
}

/// The ledger after the month, with what differs from run to run left out.
async fn month(url: &str, workers: usize) -> Vec<String> {
    let now_us = Arc::new(AtomicI64::new(at(START).as_microsecond()));
    let mut apps = Vec::new();
    for _ in 0..2 {
        let now_us = Arc::clone(&now_us);
        let read = move || Timestamp::from_microsecond(now_us.load(Ordering::SeqCst)).expect("an instant");
        let store = Store::open(url, at(START)).await.expect("a store");
        apps.push(App::new(store, Settings::default(), Clock::of(read)));
    }
    let names = setup(&apps[0]).await;
    // Rounds of minutes, hours and days, the same in each run.
    let mut random = Random::new(5);
    let end = at(START) + SignedDuration::from_hours(DAYS * 24);
    while apps[0].now() < end {
        let minutes = [1, 5, 61, 240, 2_000][random.below(5)];
        let step = SignedDuration::from_mins(minutes);
        now_us.fetch_add(i64::try_from(step.as_micros()).expect("a time"), Ordering::SeqCst);
        let work = |app: App| tokio::spawn(async move { app.work_due().await });
        let tasks: Vec<_> = apps[..workers].iter().cloned().map(work).collect();
        for task in tasks {
            let undone = task.await.expect("a task");
            assert!(undone.is_empty(), "{undone:?}");
        }
    }
    let entries = ledger(&apps[0]).await;
    let mut balance = 0;
    let mut lines = Vec::new();
    for (number, entry) in (1..).zip(&entries) {
        balance += entry.amount_micro;
        assert_eq!((entry.number, entry.balance_micro), (number, balance), "{entry:?}");
        lines.push(told(entry, &names));
    }
    lines.sort();
    lines
}

async fn setup(app: &App) -> BTreeMap<String, String> {
    let account = NewAccount { name: "acme".to_owned() };
    app.create_account(&operator("account"), account).await.expect("an account");
    app.create_price_book(&operator("prices"), prices()).await.expect("a price book");
    let note = NewNote { kind: "top_up".into(), amount_micro: 9_000_000_000, reason: "transfer".into() };
    app.note(&operator("note"), "acme", note).await.expect("a top-up");
    let mut names = BTreeMap::new();
    for number in 0..=PLANS {
        let bought = number == PLANS;
        let new = NewPlan {
            account: Some("acme".to_owned()),
            external_id: None,
            region: None,
            pay: if bought { "subscription" } else { "pay_as_you_go" }.to_owned(),
            charge: None,
            peak_bps: 2_000_000 * (number + 1),
            network: None,
            duration: bought.then(|| "1m".to_owned()),
            auto_renew: Some(bought),
            expected_amount_micro: None,
            agreement_version: None,
        };
        let plan = app.create_plan(&operator("order"), new).await.expect("a plan");
        names.insert(plan.id, format!("plan {number}"));
    }
    names
}

/// Prices of odd parts, so that hours are no whole cents.
fn prices() -> NewPriceBook {
    let flat = |micro_per_unit| vec![PriceTier { up_to_bps: None, micro_per_unit }];
    let mut items: BTreeMap<_, _> =
        Duration::ALL.iter().map(|duration| (format!("sub.{duration}"), flat(10_000_001))).collect();
    items.insert("payg.bandwidth".to_owned(), flat(13_337));
    items.insert("payg.traffic".to_owned(), flat(0));
    NewPriceBook { effective_from: None, currency: "EUR".to_owned(), items, dry_run: false }
}

async fn ledger(app: &App) -> Vec<LedgerEntry> {
    let mut query = LedgerQuery::default();
    let mut entries = Vec::new();
    loop {
        let page = app.ledger(&operator("ledger").caller, "acme", &query).await.expect("a page");
        entries.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            return entries;
        }
    }
}

fn told(entry: &LedgerEntry, names: &BTreeMap<String, String>) -> String {
    let plan = names.iter().find(|(id, _)| entry.detail.contains(id.as_str()));
    let plan = plan.map_or("", |(_, name)| name);
    let LedgerEntry { at, kind, amount_micro, month, .. } = entry;
    format!("{at} {kind} {amount_micro} {month} {plan}")
}

fn assert_same(alone: &[String], both: &[String]) {
    let count = |kind: &str| alone.iter().filter(|line| line.contains(kind)).count();
    // An order and its renewal; the rests of two months; of each plan the first minute's hour and each after it.
    assert_eq!((count(" order "), count(" rounding "), count(" top_up ")), (2, 2, 1));
    let closed = alone.iter().filter(|line| line.contains(" line ") && line.contains("plan 0")).count();
    assert!(closed > 24 * 35, "{closed}");
    assert_eq!(count(" line "), closed * usize::try_from(PLANS).expect("few"));
    let mut once = alone.to_vec();
    once.dedup();
    assert_eq!(once, alone, "one scheduler does nothing twice");
    assert_eq!(alone, both);
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn operator(operation: &str) -> Call {
    Call::plain(Caller::system("test", "test".into()), operation)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// On an embedded database in memory, so that the disk's time is not in it.
fn sqlite<T>(test: impl AsyncFnOnce(&str) -> T) -> T {
    let folder = TempDir::new_in("/dev/shm").expect("a folder for the test");
    let url = format!("sqlite:{}", folder.path().join("limiter.db").display());
    runtime().block_on(test(&url))
}

fn postgres<T>(test: impl AsyncFnOnce(&str) -> T) -> T {
    let server = Postgres::start();
    let url = server.database("money");
    runtime().block_on(test(&url))
}
