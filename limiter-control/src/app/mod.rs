//! What can be done: one file a resource. An operation asks the caller, loads, lets the domain decide,
//! stores, and notes events, in one transaction.

mod account;
mod address;
mod agent;
mod billing;
mod caller;
mod change;
mod egress;
mod error;
mod event;
mod instance;
mod ledger;
mod money;
mod name;
mod network;
mod news;
mod node;
mod plan;
mod plan_end;
mod plan_step;
mod price_book;
mod purse;
mod quote;
mod read;
mod rule;
mod series;
mod setup;
mod sign_in;
mod status;
mod token;
mod usage;
mod user;
mod view;

use std::sync::Arc;

use jiff::Timestamp;
use limiter_domain::Settings;
use tokio::sync::Semaphore;

pub use caller::{Caller, Reach, role_code, role_of};
pub use change::Call;
pub use error::AppError;
pub use plan_step::Undone;

use crate::store::Store;

/// Region of what names none.
const DEFAULT_REGION: &str = "default";

/// Zone of what names none.
const DEFAULT_ZONE: &str = "default";

/// The control plane without its ways in.
#[derive(Clone)]
pub struct App {
    store: Store,
    settings: Arc<Settings>,
    clock: Clock,
    seen: Arc<agent::Asked>,
    news: Arc<news::Looked>,
    /// Turns at working out states.
    turns: Arc<Semaphore>,
    settling: Arc<plan_step::Settling>,
    told: Arc<usage::Told>,
}

/// Where the time comes from: the system, or a test.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's wall clock.
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// The time that `now` says.
    pub fn of(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
}

impl App {
    /// The application over a store.
    pub fn new(store: Store, settings: Settings, clock: Clock) -> Self {
        Self {
            store,
            settings: Arc::new(settings),
            clock,
            seen: Arc::default(),
            news: Arc::default(),
            turns: Arc::new(Semaphore::new(agent::TURNS)),
            settling: Arc::default(),
            told: Arc::default(),
        }
    }

    /// The store, for backup and waiting.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The time, to the microsecond that the store keeps.
    pub fn now(&self) -> Timestamp {
        let now = (self.clock.0)();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}
