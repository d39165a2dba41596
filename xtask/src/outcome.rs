//! Counts of passed and failed tests, read from what the test runners print.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

/// How many tests passed and how many did not.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// One failure: of something that gave no outcome.
    pub(crate) const BROKEN: Self = Self { passed: 0, failed: 1 };

    /// True when something ran and nothing failed.
    pub(crate) const fn is_good(self) -> bool {
        self.passed > 0 && self.failed == 0
    }

    /// The tally of a runner that ended with `success`: a bad end without a failed test is a failure too.
    pub(crate) fn ended(self, success: bool) -> Self {
        if success || self.failed > 0 { self } else { self + Self::BROKEN }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// The tally in libtest's last line, `test result: ok. 3 passed; 0 failed; …`; nothing for other lines.
pub(crate) fn of_libtest(line: &str) -> Option<Tally> {
    let (_, counts) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
    let mut tally = Tally::default();
    for count in counts.split(';').filter_map(counted) {
        match count {
            (number, "passed") => tally.passed = number,
            (number, "failed") => tally.failed = number,
            _ => {}
        }
    }
    Some(tally)
}

/// The tally in nextest's `Summary [ 1.2s] 4 tests run: 3 passed (1 slow), 1 failed, 2 skipped`; nothing for others.
pub(crate) fn of_nextest(line: &str) -> Option<Tally> {
    let (_, counts) = line.trim().strip_prefix("Summary [")?.split_once(" run:")?;
    let mut tally = Tally::default();
    for count in counts.split([',', '(', ')']).filter_map(counted) {
        match count {
            (number, "passed") => tally.passed += number,
            (number, "failed" | "exec failed" | "timed out") => tally.failed += number,
            _ => {}
        }
    }
    Some(tally)
}

fn counted(text: &str) -> Option<(u64, &str)> {
    let (number, what) = text.trim().split_once(' ')?;
    Some((number.parse().ok()?, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_lines_are_read() {
        let good =
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.00s";
        assert_eq!(of_libtest(good), Some(Tally { passed: 3, failed: 0 }));
        let bad = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 9.1s";
        assert_eq!(of_libtest(bad), Some(Tally { passed: 1, failed: 2 }));
        assert_eq!(of_libtest("test gcra::passes ... ok"), None);
    }

    #[test]
    fn nextest_lines_are_read() {
        let plain = "     Summary [   0.012s] 3 tests run: 3 passed, 0 skipped";
        assert_eq!(of_nextest(plain), Some(Tally { passed: 3, failed: 0 }));
        let one = "     Summary [   0.012s] 1 test run: 1 passed, 7 skipped";
        assert_eq!(of_nextest(one), Some(Tally { passed: 1, failed: 0 }));
        let bad = "     Summary [ 12.1s] 9/11 tests run: 4 passed (1 slow, 1 leaky), 2 failed, 1 timed out, 2 exec failed, 0 skipped";
        assert_eq!(of_nextest(bad), Some(Tally { passed: 4, failed: 5 }));
        assert_eq!(of_nextest("        PASS [   0.004s] xtask outcome::tests::x"), None);
    }

    #[test]
    fn a_bad_end_is_never_a_pass() {
        let all_passed = Tally { passed: 5, failed: 0 };
        assert!(all_passed.is_good() && all_passed.ended(true).is_good());
        assert_eq!(all_passed.ended(false), Tally { passed: 5, failed: 1 });
        assert_eq!(Tally { passed: 0, failed: 2 }.ended(false), Tally { passed: 0, failed: 2 });
        assert!(!Tally::default().is_good(), "nothing ran");
    }
}
