//! A copy of the database that is made while it is in use, and what nodes do when it takes the place of the
//! database.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use limiter_api::client::Client;
use limiter_api::params::{NetworkQuery, NewInstance};
use limiter_tests::control::Control;
use limiter_tests::played::{Lost, Played};
use tokio::runtime::Runtime;

#[test]
fn a_restored_database_is_another_one_and_nodes_fetch_it_whole() {
    let mut control = Control::start();
    let account = control.account("acme");
    let token = fs::read_to_string(control.node("edge", "inst*")).expect("token");
    let network = control.network(&account, "office", "10.1.0.0/16");
    let mut agent = Played::new(control.endpoint(), &token);
    assert!(runtime().block_on(agent.fetch(0)).expect("a state"));
    runtime().block_on(agent.acknowledge()).expect("acknowledged");

    let copy = control.folder().join("copy.db");
    let made = written_meanwhile(&control, &network.id, || {
        let output = control.command(&["backup", &copy.display().to_string()]).output().expect("a backup");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    assert!(made > 0, "nothing was written while it was copied");
    let again = control.command(&["backup", &copy.display().to_string()]).output().expect("a backup");
    assert!(!again.status.success(), "a copy is overwritten");

    // After the copy: gone with the database.
    control.instance(&network.id, "after", "10.1.255.1");
    assert!(runtime().block_on(agent.fetch(0)).expect("a state"));
    runtime().block_on(agent.acknowledge()).expect("acknowledged");
    let before = agent.origin().expect("a state").clone();
    assert!(
        agent.state().expect("a state").networks[0].instances.iter().any(|instance| instance.name == "after")
    );

    control.kill();
    let database = control.database_path();
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", database.display()));
    }
    fs::copy(&copy, &database).expect("the copy takes its place");
    let restored = control.command(&["restored"]).output().expect("restored");
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    control.launch();

    let status = control.must(async |client| client.status().await);
    assert_ne!(status.incarnation, before.incarnation);
    let node = control.must(async |client| client.node("edge").await);
    assert_eq!(node.acked_revision, 0, "what was acknowledged to the other database does not count");
    let found = control.must(async |client| client.networks(&NetworkQuery::default()).await).items.remove(0);
    assert!(found.instances > 0 && found.instances <= made as u64, "{} of {made}", found.instances);

    let stale = runtime().block_on(agent.acknowledge()).expect_err("a state of the other database");
    assert!(
        matches!(&stale, Lost::Refused(status, text) if *status == 409 && text.contains("VersionConflict")),
        "{stale}"
    );
    assert!(runtime().block_on(agent.fetch(0)).expect("a state"), "its whole state");
    let has = agent.origin().expect("a state");
    assert_eq!(has.incarnation, status.incarnation);
    assert!(has.revision < before.revision, "{} was {}", has.revision, before.revision);
    let instances = &agent.state().expect("a state").networks[0].instances;
    assert_eq!(instances.len() as u64, found.instances);
    assert!(instances.iter().all(|instance| instance.name != "after"));
    runtime().block_on(agent.acknowledge()).expect("acknowledged");

    // Its life goes on.
    control.instance(&network.id, "new", "10.1.255.2");
    assert!(runtime().block_on(agent.fetch(5)).expect("a state"));
}

#[test]
fn a_copy_that_was_not_announced_is_told_from_its_revision() {
    let mut control = Control::start();
    let account = control.account("acme");
    let token = fs::read_to_string(control.node("edge", "inst*")).expect("token");
    let network = control.network(&account, "office", "10.1.0.0/16");
    let mut agent = Played::new(control.endpoint(), &token);
    control.kill();
    let (database, copy) = (control.database_path(), control.folder().join("copy.db"));
    fs::copy(&database, &copy).expect("a copy");
    let log = format!("{}-wal", database.display());
    let kept = fs::read(&log).unwrap_or_default();
    control.launch();
    control.instance(&network.id, "after", "10.1.0.1");
    control.instance(&network.id, "later", "10.1.0.2");
    assert!(runtime().block_on(agent.fetch(0)).expect("a state"));
    control.kill();
    fs::copy(&copy, &database).expect("the copy takes its place");
    fs::write(&log, kept).expect("its log");
    let _ = fs::remove_file(format!("{}-shm", database.display()));
    control.launch();
    assert!(runtime().block_on(agent.fetch(0)).expect("a state"), "a state that never was is replaced");
    assert!(agent.state().expect("a state").networks[0].instances.is_empty());
}

/// Makes instances while `work` goes on; gives how many.
fn written_meanwhile(control: &Control, network: &str, work: impl FnOnce()) -> usize {
    let (endpoint, stop) = (control.endpoint(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            runtime().block_on(async {
                let client = Client::new(endpoint, None).expect("a client");
                for number in 0.. {
                    if number > 0 && stop.load(Ordering::SeqCst) {
                        return number;
                    }
                    let new = NewInstance {
                        network: network.to_owned(),
                        name: format!("i{number}"),
                        addresses: vec![format!("10.1.{}.{}", number / 250, number % 250 + 1)],
                        ..NewInstance::default()
                    };
                    client.create_instance(&new).await.expect("an instance");
                }
                0
            })
        });
        while control.must(async |client| client.network(network).await).instances == 0 {
            assert!(!writer.is_finished(), "the writer ended");
        }
        work();
        stop.store(true, Ordering::SeqCst);
        writer.join().expect("the writer")
    })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
