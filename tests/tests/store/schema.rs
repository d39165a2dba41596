//! The steps of the schema add up to the files in `limiter-control/schema`. `BLESS=1 cargo test -p limiter-tests
//! --test store schema` writes these files anew; a step that was released is never edited.

use std::fs;
use std::path::Path;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::task::JoinSet;

use crate::things::{account, commit};
use crate::world::{Place, on_both, run};

on_both!(opening_again_changes_nothing, programs_that_start_together_make_one_database);

#[test]
fn the_steps_add_up_on_sqlite() {
    run(Place::sqlite(), async |place| {
        place.open().await;
        let query = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name";
        let statement = Statement::from_string(DbBackend::Sqlite, query);
        let rows = place.raw().await.query_all_raw(statement).await.expect("the schema");
        let texts = rows.iter().map(|row| row.try_get_by_index::<String>(0).expect("a statement"));
        let schema: String = texts.map(|text| spread(&text) + ";\n").collect();
        compare("sqlite.sql", &schema);
    });
}

#[test]
fn the_steps_add_up_on_postgresql() {
    run(Place::postgres(), async |place| {
        place.open().await;
        compare("postgres.sql", &place.server.as_ref().expect("a server").schema("limiter"));
    });
}

/// A table's statement with one column a line, so that a difference is seen.
fn spread(statement: &str) -> String {
    let mut depth = 0;
    let mut lines = String::new();
    for c in statement.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        lines.push(c);
        if statement.starts_with("CREATE TABLE") && depth == 1 && matches!(c, '(' | ',') {
            lines.push_str("\n   ");
        }
    }
    lines
}

fn compare(file: &str, schema: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../limiter-control/schema").join(file);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, schema).expect("the file is written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(schema, expected, "{file} is another schema; BLESS=1 writes it anew");
}

async fn opening_again_changes_nothing(place: &mut Place) {
    let store = place.open().await;
    let incarnation = store.incarnation().to_owned();
    let revision = commit(&store, async |write| write.put_account(&account(1)).await.expect("put")).await;
    let again = place.open().await;
    assert_eq!((again.incarnation(), *again.changes().borrow()), (&*incarnation, revision));
    assert_eq!(
        again.read().await.expect("a view").account(&account(1).id).await.expect("get"),
        Some(account(1))
    );
}

async fn programs_that_start_together_make_one_database(place: &mut Place) {
    let mut opening = JoinSet::new();
    for _ in 0..6 {
        let url = place.url.clone();
        opening.spawn(async move {
            let store = limiter_control::store::Store::open(&url, crate::things::at(0)).await;
            store.expect("the database opens").incarnation().to_owned()
        });
    }
    let incarnations = opening.join_all().await;
    assert!(incarnations.iter().all(|one| *one == incarnations[0]), "{incarnations:?}");
}
