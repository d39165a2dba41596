//! How long to wait before the next try.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LAST: Duration = Duration::from_secs(10);

/// Waits that double from one failure to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// After a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure: half of it is chance, so that agents do not come back together.
    pub(super) fn next(&mut self, chance: u64) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(10)).min(LAST);
        self.failures = self.failures.saturating_add(1);
        whole / 2 + (whole / 2).mul_f64(chance as f64 / u64::MAX as f64)
    }
}

/// Chance enough to spread agents.
pub(super) fn chance() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_grow_to_ten_seconds_and_begin_anew(chances in prop::collection::vec(any::<u64>(), 1..40)) {
            let mut backoff = Backoff::default();
            let mut whole = FIRST;
            for chance in chances {
                let wait = backoff.next(chance);
                prop_assert!(whole / 2 <= wait && wait <= whole, "{wait:?} of {whole:?}");
                whole = (whole * 2).min(LAST);
            }
            backoff.reset();
            prop_assert!(backoff.next(u64::MAX) <= FIRST);
        }
    }

    #[test]
    fn agents_spread() {
        assert_ne!(chance(), chance());
    }
}
