//! Money: prices, values, hours, accounts and statements.

mod account;
mod book;
mod buyer;
mod hours;
mod life;
mod percentile;
mod subscription;
