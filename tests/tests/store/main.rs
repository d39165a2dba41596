//! What the store promises, shown on SQLite and on PostgreSQL with the same bodies.

mod addresses;
mod changes;
mod crash;
mod lists;
mod money;
mod plans;
mod refusals;
mod round_trip;
mod schema;
mod things;
mod transactions;
mod uniqueness;
mod usage;
mod world;
