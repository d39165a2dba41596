//! Prices, quotes, accounts and bills as a person and as a program read them.

use crate::run::Person;
use crate::server::Server;

const BOOK: &str = "currency: EUR\nitems:\n  sub.1m: [{up_to_bps: 5000000, micro_per_unit: 3400000}, {micro_per_unit: 11830000}]\n";

#[test]
fn a_price_book_is_looked_at_before_it_is_made() {
    let server = Server::unix();
    let person = Person::new(&server.url);
    assert!(person.run("price list").code(0).err.contains("everything is free"));
    person.file("prices.yaml", BOOK);
    let dry = person.run("price create --file prices.yaml --dry-run").code(0);
    assert!(dry.out.contains("sub.1m: 3.40 up to 5 Mbps, 11.83 above"), "{dry:?}");
    person.run("price create --file prices.yaml").code(2);
    let asked: Vec<_> = server.world.lock().books.iter().map(|book| book.dry_run).collect();
    assert_eq!(asked, [true, true], "nobody agreed");
    person.run("price create --file prices.yaml --yes").code(0);
    assert!(server.world.lock().books.iter().any(|book| !book.dry_run));
    person.file("prices.yaml", "currency: EUR\nprices: {}\n");
    let wrong = person.run("price create --file prices.yaml").code(2);
    assert!(wrong.err.contains("prices.yaml") && wrong.err.contains("prices"), "{wrong:?}");
    person.run("price show").code(1);
}

#[test]
fn quotes_say_what_it_would_cost() {
    let server = Server::unix();
    let person = Person::new(&server.url);
    server.world.lock().plans.insert("plan-1".to_owned(), crate::server::plan("plan-1"));
    server.world.lock().priced = true;
    let quote = person.run("quote plan --peak 20Mbps --duration 1m").code(0);
    assert!(
        quote.out.contains("purchase") && quote.out.contains("200.00") && quote.out.contains("EUR"),
        "{quote:?}"
    );
    let hidden = person.run("quote plan --peak 20Mbps").code(0);
    assert!(hidden.out.contains("activate") && hidden.out.contains(" -"), "{hidden:?}");
    let back = person.run("quote unsubscribe plan-1 -o json").code(0).json();
    assert_eq!(back["amount_micro"], -12_900_000);
    let up = person.run("quote resize plan-1 --peak 1.5Mbps").code(0);
    assert!(up.out.contains("1.50"), "{up:?}");
}

#[test]
fn what_an_account_gets_and_gives_is_asked_and_written_down() {
    let server = Server::unix();
    let person = Person::new(&server.url);
    let refused = person.run("account debit acme 99.95 --reason mistake").code(2);
    assert!(refused.err.contains("99.95 is taken from account acme"), "{refused:?}");
    assert!(server.world.lock().notes.is_empty());
    let done = person.run("account top-up acme 99.95 --reason transfer --yes").code(0);
    assert!(done.out.contains("99.95"), "{done:?}");
    let note = server.world.lock().notes[0].clone();
    assert_eq!(
        (note.kind.as_str(), note.amount_micro, note.reason.as_str()),
        ("top_up", 99_950_000, "transfer")
    );
    person.run("account terms acme").code(2);
    person.run("account terms acme --credit-limit 100 --pays-bp 9050").code(0);
    let balance = person.run("account balance acme").code(0);
    assert!(balance.out.contains("90.50 %"), "{balance:?}");
    let unnamed = person.run("account balance").code(2);
    assert!(unnamed.err.contains("--account"), "{unnamed:?}");
    person.run("account balance --account acme").code(0);
}

#[test]
fn a_month_has_every_entry_explained_as_table_json_and_csv() {
    let server = Server::unix();
    let person = Person::new(&server.url);
    let shown = person.run("bill show 2026-11 acme").code(0);
    assert!(shown.out.contains("0.61") && shown.out.contains("0.00996 rounding"), "{shown:?}");
    assert_eq!(shown.out.matches("15Mbps x 0.007777").count(), 3, "{shown:?}");
    let whole = person.run("bill show 2026-11 acme -o json").code(0).json();
    assert_eq!(whole["entries"].as_array().map(Vec::len), Some(3));
    assert_eq!(whole["statement"]["total_micro"], 390_000);
    let csv = person.run("bill show now acme --csv").code(0);
    assert_eq!(csv.out.lines().count(), 4, "{csv:?}");
    assert!(
        csv.out
            .lines()
            .nth(1)
            .expect("a line")
            .contains(",2026-12,line,np-1.bandwidth_hour.1.0,-0.13332,0.86668,"),
        "{csv:?}"
    );
    let lines = person.run("bill lines 2026-11 acme").code(0);
    assert!(lines.out.contains("20Mbps x 0.02 = 0.40"), "{lines:?}");
    let csv = person.run("bill lines 2026-11 acme --csv").code(0);
    assert!(
        csv.out.contains("np-1,bandwidth_hour,2026-11-23T15:00:00Z,0,20000000,0.40,0.40,10000,1,false,"),
        "{csv:?}"
    );
    let listed = person.run("bill list acme").code(0);
    assert!(listed.out.contains("2026-11") && listed.out.contains("not yet"), "{listed:?}");
    let orders = person.run("order list --account acme").code(0);
    assert!(orders.out.contains("auto renew") && orders.out.contains("90.00"), "{orders:?}");
    assert_eq!(person.run("account ledger acme --csv").code(0).out.lines().count(), 4);
}

#[test]
fn what_costs_money_is_said_first_and_goes_along() {
    let server = Server::unix();
    let person = Person::new(&server.url);
    {
        let mut world = server.world.lock();
        world.priced = true;
        world.plans.insert("plan-1".to_owned(), crate::server::plan("plan-1"));
    }
    let asked = person.run("plan create --peak 20Mbps --duration 1m").code(2);
    assert!(asked.err.contains("The plan costs 200.00 EUR."), "{asked:?}");
    assert!(!server.world.called("POST /v1/plans"));
    person.run("plan create --peak 20Mbps --duration 1m --no-wait --yes");
    assert!(server.world.called("POST /v1/plans"));
    let asked = person.run("plan resize plan-1 --peak 50Mbps --no-wait").code(2);
    assert!(asked.err.contains("The new peak costs 50.00 EUR."), "{asked:?}");
    person.run("plan resize plan-1 --peak 50Mbps --no-wait --yes").code(0);
    assert_eq!(server.world.lock().expected, [Some(200_000_000), Some(50_000_000)]);
    let asked = person.run("plan unsubscribe plan-1").code(2);
    assert!(asked.err.contains("12.90 EUR is paid back."), "{asked:?}");
    server.world.lock().priced = false;
    person.run("plan resize plan-1 --peak 60Mbps --no-wait").code(0);
}
