//! What the store promises, shown on SQLite and on PostgreSQL with the same bodies.

mod changes;
mod lists;
mod plans;
mod round_trip;
mod things;
mod transactions;
mod uniqueness;
mod world;
