//! A control plane that is killed again and again in the middle of whatever it does: afterwards every
//! operation is whole or absent, what was answered is there, and agent and database agree.

mod customer;
mod invariants;
mod money;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use customer::Customer;
use limiter_api::params::{AddressRanges, NodeChange};
use limiter_state::NodeState;
use limiter_tests::control::Control;
use limiter_tests::played::{Lost, Played};
use limiter_tests::postgres::Postgres;
use limiter_tests::random::Random;
use tokio::runtime::Runtime;

/// Customers, each with an account and a thread.
const CUSTOMERS: u8 = 4;

/// After so many kills the database is looked at before it is used again; after the others the control
/// plane itself is the first to open it.
const LOOK_AFTER: usize = 4;

#[test]
fn killed_two_hundred_times_on_sqlite() {
    // In memory: a killed process loses nothing that it wrote, and the disk's time is not in it.
    crash(&mut Control::start_in(Path::new("/dev/shm")), 200);
}

#[test]
fn killed_twenty_times_on_postgres() {
    let server = Postgres::start();
    crash(&mut Control::start_at(&server.database("crash")), 20);
}

fn crash(control: &mut Control, kills: usize) {
    let token = std::fs::read_to_string(control.node("edge", "inst*")).expect("token");
    let shares = NodeChange { shared_address: Some(Some("203.0.113.1".to_owned())), ..NodeChange::default() };
    control.must(async |client| client.update_node("edge", &shares).await);
    let pool = AddressRanges { ranges: vec!["198.18.0.0/18".to_owned()], ..AddressRanges::default() };
    control.must(async |client| client.import_addresses(&pool).await);
    control.must(async |client| client.create_price_book(&money::prices()).await);
    let stop = Arc::new(AtomicBool::new(false));
    let customers: Vec<JoinHandle<Customer>> = (0..CUSTOMERS)
        .map(|number| {
            let account = control.account(&format!("customer {number}"));
            let token = control.customer(&account);
            control.must(async |client| client.note(&account, &money::wealth()).await);
            let customer = Customer::new(control.endpoint(), &token, number);
            let stop = Arc::clone(&stop);
            thread::spawn(move || live(customer, &stop))
        })
        .collect();
    let agent = {
        let (agent, stop) = (Played::new(control.endpoint(), &token), Arc::clone(&stop));
        thread::spawn(move || follow(agent, &stop))
    };
    let mut random = Random::new(7);
    for kill in 0..kills {
        thread::sleep(Duration::from_millis(5 + random.below(150) as u64));
        control.kill();
        if kill % LOOK_AFTER == 0 {
            runtime().block_on(invariants::assert_hold(control.database()));
        }
        assert!(!agent.is_finished() && customers.iter().all(|one| !one.is_finished()), "a thread failed");
        control.launch();
    }
    stop.store(true, Ordering::SeqCst);
    let customers: Vec<Customer> =
        customers.into_iter().map(|thread| thread.join().expect("a customer")).collect();
    let agent = agent.join().expect("the agent");
    runtime().block_on(async {
        let agent = settled(agent, control, &token).await;
        for customer in &customers {
            customer.assert_all_there().await;
            customer.assert_same_answers().await;
            customer.assert_all_there().await;
        }
        invariants::assert_hold(control.database()).await;
        // Calls that were answered before changed nothing, so the agent has nothing to learn.
        drop(settled(agent, control, &token).await);
    });
    let repeated: usize = customers.iter().map(Customer::repeated).sum();
    let answered: usize = customers.iter().map(Customer::answered).sum();
    assert!(repeated >= kills, "only {repeated} of {answered} calls met a kill");
    eprintln!("{answered} calls were answered, {repeated} of them after a kill");
}

/// Does one thing after the other until told to stop.
fn live(mut customer: Customer, stop: &AtomicBool) -> Customer {
    runtime().block_on(async {
        while !stop.load(Ordering::SeqCst) {
            customer.does_something().await;
        }
        customer
    })
}

/// Takes every state and puts it in force, until told to stop.
fn follow(mut agent: Played, stop: &AtomicBool) -> Played {
    runtime().block_on(async {
        let mut random = Random::new(3);
        let mut acknowledged = true;
        while !stop.load(Ordering::SeqCst) {
            let before = agent.origin().map(|has| (has.incarnation.clone(), has.revision));
            match agent.fetch(1).await {
                Ok(true) => acknowledged = false,
                Ok(false) => {}
                Err(lost) => pardon(&lost).await,
            }
            let Some(has) = agent.origin() else { continue };
            if let Some((incarnation, revision)) = before {
                assert_eq!(has.incarnation, incarnation, "a kill makes no other database");
                assert!(has.revision >= revision, "{} after {revision}", has.revision);
            }
            if !acknowledged {
                tokio::time::sleep(Duration::from_millis(random.below(10) as u64)).await;
                match agent.acknowledge().await {
                    Ok(()) => acknowledged = true,
                    Err(lost) => pardon(&lost).await,
                }
            }
        }
        agent
    })
}

/// Waits where nobody answers.
///
/// # Panics
/// Where somebody answers, and refuses.
async fn pardon(lost: &Lost) {
    assert!(!matches!(lost, Lost::Refused(status, _) if status.is_client_error()), "{lost}");
    tokio::time::sleep(Duration::from_millis(3)).await;
}

/// Lets the agent put in force what there is, and compares what it has with what a new agent gets.
async fn settled(mut agent: Played, control: &Control, token: &str) -> Played {
    while agent.fetch(0).await.expect("a state") {
        agent.acknowledge().await.expect("acknowledged");
    }
    agent.acknowledge().await.expect("acknowledged");
    while agent.fetch(0).await.expect("a state") {
        agent.acknowledge().await.expect("acknowledged");
    }
    let mut fresh = Played::new(control.endpoint(), token);
    assert!(fresh.fetch(0).await.expect("a state"), "an agent with nothing gets a state");
    let has = |agent: &Played| agent.state().map(|state| NodeState { origin: None, ..state.clone() });
    assert_eq!(has(&agent), has(&fresh));
    agent
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
