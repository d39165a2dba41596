//! Price books: what is refused, which one holds when, and the ends of what can be written.

use jiff::Timestamp;
use limiter_domain::order::NewPlan;
use limiter_domain::price::{Amount, Books, NewPriceBook, Purse};
use limiter_domain::{Code, Duration};

use super::buyer::{Buyer, books, example, noon, tiers};
use crate::fixture::{at, pay_as_you_go, subscription};

fn refused(books: &Books, new: &NewPriceBook) -> (Code, Option<String>) {
    let refusal = books.next(new, noon("2026-11-23")).expect_err("a book that cannot be");
    (refusal.code, refusal.field)
}

fn invalid(field: &str) -> (Code, Option<String>) {
    (Code::InvalidParameter, Some(field.to_owned()))
}

fn changed(change: impl FnOnce(&mut NewPriceBook)) -> NewPriceBook {
    let mut new = example();
    change(&mut new);
    new
}

#[test]
fn a_book_has_every_item_once() {
    let none = Books::NONE;
    let missing = (Code::MissingParameter, Some("items.payg.traffic".to_owned()));
    assert_eq!(refused(&none, &changed(|new| drop(new.items.pop()))), missing);
    assert_eq!(refused(&none, &changed(|new| new.items.push(new.items[0].clone()))), invalid("items"));
    assert_eq!(refused(&none, &changed(|new| "sub.4y".clone_into(&mut new.items[0].0))), invalid("items"));
    let two = changed(|new| new.items[9].1 = tiers(&[(Some(5), 1), (None, 1)]));
    assert_eq!(refused(&none, &two), invalid("items.payg.traffic"));
    let hole = changed(|new| new.items[1].1 = tiers(&[(Some(5), 1)]));
    assert_eq!(refused(&none, &hole), invalid("items.sub.1m[0].up_to_bps"));
    assert_eq!(refused(&none, &changed(|new| new.currency.clear())), invalid("currency"));
    let kept = Books::NONE.next(&example(), noon("2026-11-23")).expect("a book");
    let items: Vec<_> = kept.items().into_iter().map(|(name, tiers)| (name, tiers.to_vec())).collect();
    assert_eq!(items, example().items, "what was written is read");
}

#[test]
fn books_follow_each_other_and_none_holds_backwards() {
    let first = books(&example());
    let passed = changed(|new| new.effective_from = Some(noon("2026-11-22")));
    assert_eq!(refused(&first, &passed), invalid("effective_from"));
    assert_eq!(refused(&first, &changed(|new| "USD".clone_into(&mut new.currency))), invalid("currency"));
    let later = changed(|new| new.effective_from = Some(noon("2026-12-24")));
    let second = first.next(&later, noon("2026-11-23")).expect("a later book");
    let both = Books::new(vec![second.into(), first.list()[0].clone()]);
    assert_eq!(refused(&both, &later), invalid("effective_from"));
    let holds = |at| both.at(at).version;
    assert_eq!(holds(Timestamp::UNIX_EPOCH), 1);
    assert_eq!(holds(at("2026-12-24T11:59:59Z")), 1);
    assert_eq!(holds(noon("2026-12-24")), 2);
    let free = both.at(Timestamp::MIN);
    assert_eq!((free.version, free.currency), (0, None), "nothing costs anything before the first");
}

/// The highest and lowest prices, peaks and discounts: nothing overflows, and nothing is paid back that was
/// not paid.
#[test]
fn the_ends_of_prices_are_worked_out() {
    for price in [0, 1, 10_000_000_000_000] {
        let new = changed(|new| new.items.iter_mut().for_each(|(_, list)| *list = tiers(&[(None, price)])));
        for (mbps, discount) in [(2, 1), (1000, 1), (2, 10_000), (1000, 10_000)] {
            let mut buyer = Buyer::new(&new).discounted(discount);
            buyer.purse = Purse { balance: Amount::new(4_000_000_000_000_000_000), ..buyer.purse };
            let order = NewPlan { peak_bps: mbps * 1_000_000, ..subscription(Duration::ThreeYears) };
            let paid = buyer.order(&order, noon("2026-11-23")).expect("an order");
            let exact = i128::from(price) * i128::from(mbps) * i128::from(discount) / 10_000;
            assert_eq!(i128::from(paid.micro()), exact / 10_000 * 10_000);
            let other = 1002 - mbps;
            for (peak, day) in [(other, "2026-11-24"), (mbps, "2026-11-24"), (500, "2027-02-01")] {
                buyer.resize(peak, noon(day)).expect("a resize");
            }
            buyer.renew(Duration::ThreeYears, noon("2027-02-01")).expect_err("too far ahead");
            buyer.renew(Duration::Year, noon("2027-02-01")).expect("a renewal");
            buyer.unsubscribe(noon("2027-03-01")).expect("an end");
            let (paid, back) = buyer.paid();
            assert!(paid.plus(back) >= Amount::ZERO, "{paid} {back}");
            let go = NewPlan { peak_bps: mbps * 1_000_000, ..pay_as_you_go() };
            buyer.order(&go, noon("2026-11-23")).expect("an order");
            assert_eq!(i128::from(buyer.hours(at("2026-11-23T13:00:00Z"))[0].amount.micro()), exact);
        }
    }
}

#[test]
fn without_a_book_everything_is_free() {
    let mut buyer = Buyer::new(&example());
    (buyer.books, buyer.purse) = (Books::NONE, Purse::default());
    let order = NewPlan { peak_bps: 1_000_000_000, ..subscription(Duration::Year) };
    assert_eq!(buyer.order(&order, noon("2026-11-23")), Ok(Amount::ZERO));
    assert_eq!(buyer.resize(2, noon("2026-11-24")), Ok(Amount::ZERO));
    assert_eq!(buyer.resize(900, noon("2026-11-24")), Ok(Amount::ZERO));
    assert_eq!(buyer.unsubscribe(noon("2026-11-25")), Ok(Amount::ZERO));
    assert!(buyer.orders.iter().all(|order| order.book == 0));
}
