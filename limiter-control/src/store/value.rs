//! Values of the domain as columns hold them, and back.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use limiter_domain::Revision;
use limiter_state::Rate;
use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr, SimpleExpr};

use super::code::Code;
use super::error::StoreError;

/// Microseconds since 1970; what is finer is cut off.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn micros_of(at: Option<Timestamp>) -> Option<i64> {
    at.map(micros)
}

pub(super) fn text(value: Option<&Arc<str>>) -> Option<String> {
    value.map(ToString::to_string)
}

/// Values separated by spaces, which none of them contains.
pub(super) fn list<T: Display>(values: &[T]) -> String {
    let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
    texts.join(" ")
}

/// Counters grow by one and stay far below the end of `i64`.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn bps(rate: Rate) -> i64 {
    number(rate.bps())
}

pub(super) fn revision(value: i64) -> Result<Revision, StoreError> {
    Revision::try_from(value).map_err(|_| StoreError::corrupt("installation", "1", "revision"))
}

/// One more than the column holds.
pub(super) fn raised<C: ColumnTrait>(column: C) -> SimpleExpr {
    Expr::col(column).add(1)
}

/// Rows whose text has `part` in it; ASCII letters count in either case.
pub(super) fn contains<C: ColumnTrait>(column: C, part: &str) -> SimpleExpr {
    let mut pattern = String::from("%");
    for c in part.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c.to_ascii_lowercase());
    }
    pattern.push('%');
    Expr::expr(Func::lower(Expr::col((column.entity_name(), column))))
        .like(LikeExpr::new(pattern).escape('\\'))
}

/// Reads the columns of one row; an error names the row.
pub(super) struct Reader<'a> {
    table: &'static str,
    id: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(table: &'static str, id: &'a str) -> Self {
        Self { table, id }
    }

    pub(super) fn bad(&self, column: &str) -> StoreError {
        StoreError::corrupt(self.table, self.id, column)
    }

    pub(super) fn parsed<T: FromStr>(&self, column: &str, value: &str) -> Result<T, StoreError> {
        value.parse().map_err(|_| self.bad(column))
    }

    pub(super) fn parsed_if<T: FromStr>(
        &self,
        column: &str,
        value: Option<&String>,
    ) -> Result<Option<T>, StoreError> {
        value.map(|value| self.parsed(column, value)).transpose()
    }

    pub(super) fn code<T: Code>(&self, column: &str, value: &str) -> Result<T, StoreError> {
        T::of_code(value).ok_or_else(|| self.bad(column))
    }

    pub(super) fn time(&self, column: &str, micros: i64) -> Result<Timestamp, StoreError> {
        Timestamp::from_microsecond(micros).map_err(|_| self.bad(column))
    }

    pub(super) fn time_if(&self, column: &str, micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
        micros.map(|micros| self.time(column, micros)).transpose()
    }

    pub(super) fn number(&self, column: &str, value: i64) -> Result<u64, StoreError> {
        u64::try_from(value).map_err(|_| self.bad(column))
    }

    pub(super) fn rate(&self, column: &str, bps: i64) -> Result<Rate, StoreError> {
        self.number(column, bps).and_then(|bps| Rate::new(bps).map_err(|_| self.bad(column)))
    }

    pub(super) fn list<T: FromStr>(&self, column: &str, value: &str) -> Result<Vec<T>, StoreError> {
        value.split_ascii_whitespace().map(|value| self.parsed(column, value)).collect()
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
        value: &str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(value).map_err(|_| self.bad(column))
    }
}

/// As JSON; the types given here always are.
pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
