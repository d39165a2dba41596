//! The time between two readings, cut where buckets and windows end. Pure.

use limiter_api::usage::{BUCKET_S, WINDOW_S};

/// Length of a bucket, milliseconds.
pub const BUCKET_MS: i64 = BUCKET_S * 1000;
/// Length of a window, milliseconds.
pub const WINDOW_MS: i64 = WINDOW_S * 1000;
/// Length of a clock hour, milliseconds.
pub const HOUR_MS: i64 = 3_600_000;

/// Part of the time between two readings that goes into one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins, milliseconds of the wall clock.
    pub start_ms: i64,
    /// How long a time it stands for, milliseconds.
    pub length_ms: u64,
}

impl Piece {
    fn between(start_ms: i64, end_ms: i64) -> Self {
        Self { start_ms, length_ms: end_ms.saturating_sub(start_ms).max(0).unsigned_abs() }
    }

    /// Start of the bucket that it goes into.
    pub fn bucket_ms(&self) -> i64 {
        floor(self.start_ms, BUCKET_MS)
    }
}

/// The multiple of `step_ms` at or before an instant.
pub fn floor(instant_ms: i64, step_ms: i64) -> i64 {
    instant_ms - instant_ms.rem_euclid(step_ms)
}

/// Cuts a short time at the ends of windows; gives at least one piece, in order and without holes.
pub fn by_window(from_ms: i64, until_ms: i64) -> Vec<Piece> {
    cut(from_ms, until_ms, WINDOW_MS)
}

/// Cuts a long time at the ends of buckets where that makes at most `max` pieces, else at the ends of hours, and
/// where even they are too many, at those of the last ones: what is before goes into the first of them. The bucket
/// at the end is always a piece of its own.
pub fn by_bucket(from_ms: i64, until_ms: i64, max: usize) -> Vec<Piece> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let fits = |step_ms: i64| (until_ms - from_ms) / step_ms + 2 <= max;
    if fits(BUCKET_MS) {
        return cut(from_ms, until_ms, BUCKET_MS);
    }
    let open_ms = floor(until_ms, BUCKET_MS).max(from_ms);
    let begun_ms = if fits(HOUR_MS) {
        from_ms
    } else {
        floor(open_ms, HOUR_MS).saturating_sub((max - 3).max(0).saturating_mul(HOUR_MS)).max(from_ms)
    };
    let mut pieces = if open_ms > begun_ms { cut(begun_ms, open_ms, HOUR_MS) } else { Vec::new() };
    pieces.push(Piece::between(open_ms, until_ms));
    pieces[0].length_ms += begun_ms.abs_diff(from_ms);
    pieces
}

/// What of `total` belongs to a piece of `length_ms` of a time of `whole_ms`.
pub fn share(total: u64, length_ms: u64, whole_ms: u64) -> u64 {
    let share = u128::from(total) * u128::from(length_ms.min(whole_ms)) / u128::from(whole_ms.max(1));
    u64::try_from(share).unwrap_or(total)
}

fn cut(from_ms: i64, until_ms: i64, step_ms: i64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut begun_ms = from_ms;
    loop {
        let end_ms = floor(begun_ms, step_ms) + step_ms;
        pieces.push(Piece::between(begun_ms, end_ms.min(until_ms)));
        if end_ms >= until_ms {
            return pieces;
        }
        begun_ms = end_ms;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_whole(pieces: &[Piece], from_ms: i64, until_ms: i64) -> bool {
        let length: u64 = pieces.iter().map(|piece| piece.length_ms).sum();
        length == until_ms.abs_diff(from_ms)
            && pieces.is_sorted_by_key(|piece| piece.start_ms)
            && pieces.last().is_some_and(|last| {
                last.start_ms + last.length_ms.cast_signed() == until_ms || pieces.len() == 1
            })
    }

    proptest! {
        #[test]
        fn short_times_are_cut_at_windows(from_ms in 0_i64..200_000, length_ms in 0_i64..40_000) {
            let until_ms = from_ms + length_ms;
            let pieces = by_window(from_ms, until_ms);
            prop_assert!(is_whole(&pieces, from_ms, until_ms), "{pieces:?}");
            for piece in &pieces {
                let last_ms = piece.start_ms + piece.length_ms.cast_signed() - 1;
                prop_assert!(piece.length_ms == 0 || floor(last_ms, WINDOW_MS) == floor(piece.start_ms, WINDOW_MS));
            }
        }

        #[test]
        fn long_times_are_cut_into_few_pieces_that_span_no_hour(
            from_ms in 0_i64..10_000_000_000,
            length_ms in 0_i64..40_000_000_000,
            max in 3_usize..3000,
        ) {
            let until_ms = from_ms + length_ms;
            let pieces = by_bucket(from_ms, until_ms, max);
            prop_assert!(is_whole(&pieces, from_ms, until_ms), "{pieces:?}");
            prop_assert!(pieces.len() <= max + 1, "{} of {max}", pieces.len());
            let last = pieces.last().expect("a piece");
            prop_assert!(last.length_ms <= BUCKET_MS.unsigned_abs());
            let hours = pieces.windows(2).skip(1).all(|two| {
                let last_ms = two[0].start_ms + two[0].length_ms.cast_signed() - 1;
                floor(last_ms, HOUR_MS) == floor(two[0].start_ms, HOUR_MS)
            });
            prop_assert!(hours);
        }

        #[test]
        fn shares_are_never_more_than_all(total: u64, length_ms: u64, whole_ms: u64) {
            prop_assert!(share(total, length_ms, whole_ms) <= total);
        }
    }

    #[test]
    fn a_reading_at_a_boundary_belongs_to_what_ends_there() {
        assert_eq!(by_window(59_000, 60_000), [Piece { start_ms: 59_000, length_ms: 1000 }]);
        let cut = [Piece { start_ms: 59_000, length_ms: 1000 }, Piece { start_ms: 60_000, length_ms: 5 }];
        assert_eq!(by_window(59_000, 60_005), cut);
        assert_eq!(by_window(60_000, 60_000), [Piece { start_ms: 60_000, length_ms: 0 }]);
    }
}
