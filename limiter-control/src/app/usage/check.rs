//! What no agent sends.

use jiff::{SignedDuration, Timestamp};
use limiter_api::usage::{BATCH_ROWS_MAX, BUCKET_S, Measured, UsageBatch};
use limiter_domain::{Code, Refusal};

use crate::app::AppError;
use crate::app::error::refuse_field;

/// How far a node's clock may be ahead.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Most bytes of a bucket, a hundred times what the fastest limit passes in it: sums of an hour stay far from the end
/// of a number.
const BYTES_MAX: u64 = 1 << 50;

/// Digits of a record's identity.
const RECORD_DIGITS: usize = 32;

/// Refuses a batch that no agent sends.
pub(super) fn check(batch: &UsageBatch, now: Timestamp) -> Result<(), AppError> {
    let invalid = |field: &str, message: String| Err(refuse_field(Code::InvalidParameter, field, message));
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if batch.record.len() != RECORD_DIGITS || !batch.record.chars().all(is_digit) {
        return invalid("record", format!("write {RECORD_DIGITS} hexadecimal digits"));
    }
    if batch.sequence == 0 || batch.sequence > i64::MAX.unsigned_abs() {
        return invalid("sequence", "numbers begin at 1".to_owned());
    }
    if batch.oldest == 0 || batch.oldest > batch.sequence {
        return invalid("oldest", format!("write 1 to {}, the number of this batch", batch.sequence));
    }
    let rows = batch.networks.len() + batch.instances.len();
    if rows > BATCH_ROWS_MAX {
        return invalid(
            "instances",
            format!("{rows} rows are more than {BATCH_ROWS_MAX}; send them in parts"),
        );
    }
    let latest = now.saturating_add(AHEAD_MAX).unwrap_or(Timestamp::MAX);
    if batch.complete_until > latest {
        return invalid("complete_until", ahead(batch.complete_until, now));
    }
    for (place, row) in batch.networks.iter().enumerate() {
        check_row(&format!("networks[{place}]"), row.start, [&row.up, &row.down], now, latest)?;
    }
    for (place, row) in batch.instances.iter().enumerate() {
        check_row(&format!("instances[{place}]"), row.start, [&row.up, &row.down], now, latest)?;
    }
    Ok(())
}

fn check_row(
    at: &str,
    start: Timestamp,
    flows: [&Measured; 2],
    now: Timestamp,
    latest: Timestamp,
) -> Result<(), AppError> {
    let refusal = |field: &str, message: String| {
        Err(Refusal::new(Code::InvalidParameter, message).at(format!("{at}.{field}")).into())
    };
    if start.subsec_nanosecond() != 0 || start.as_second().rem_euclid(BUCKET_S) != 0 {
        return refusal("start", format!("{start} is no start of a bucket of {BUCKET_S} s"));
    }
    if start > latest {
        return refusal("start", ahead(start, now));
    }
    for (name, flow) in ["up", "down"].into_iter().zip(flows) {
        if flow.bytes.max(flow.refused_bytes) > BYTES_MAX {
            return refusal(name, format!("more than {BYTES_MAX} bytes in {BUCKET_S} s"));
        }
        if flow.window_bytes_max > flow.bytes || flow.limited_s > BUCKET_S.unsigned_abs() {
            return refusal(name, "a part of it is more than all of it".to_owned());
        }
    }
    Ok(())
}

fn ahead(at: Timestamp, now: Timestamp) -> String {
    format!("{at} is in the future, here it is {now}; set the clock of the node, it is sent again")
}
