//! The API as a caller sees it: over HTTP's own types, on a real database, with a clock of the test.

mod addresses;
mod codes;
mod delta;
mod hours;
mod input;
mod life;
mod lists;
mod matrix;
mod moves;
mod prices;
mod rights;
mod setup_changes;
mod setups;
mod traffic;
mod usage;
mod world;
