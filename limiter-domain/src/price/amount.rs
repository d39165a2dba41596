//! Money.

use std::fmt;
use std::iter::Sum;

/// Millionths in a cent.
const CENT_MICRO: i64 = 10_000;

/// An amount of money in millionths of the deployment's currency. Sums stop at the ends of an `i64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `micro` millionths.
    pub const fn new(micro: i64) -> Self {
        Self(micro)
    }

    /// Millionths.
    pub const fn micro(self) -> i64 {
        self.0
    }

    /// This and `other`.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This without `other`.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// What the other side of a payment sees.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// The whole cents of it, down.
    #[must_use]
    pub const fn floor_cent(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(CENT_MICRO)))
    }

    /// True for whole cents.
    pub const fn is_cents(self) -> bool {
        self.0 % CENT_MICRO == 0
    }

    /// `micro` millionths, or as many as there can be.
    pub(crate) fn saturated(micro: i128) -> Self {
        Self(micro.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Amount {
    /// At least two decimals: `40.66`, `0.013797`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micro = self.0.unsigned_abs();
        let (units, rest) = (micro / 1_000_000, micro % 1_000_000);
        if rest.is_multiple_of(CENT_MICRO.unsigned_abs()) {
            return f.pad(&format!("{sign}{units}.{:02}", rest / CENT_MICRO.unsigned_abs()));
        }
        f.pad(&format!("{sign}{units}.{rest:06}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_floored_on_both_sides_of_nothing() {
        for (micro, cents) in [(19_999, 10_000), (10_000, 10_000), (-1, -10_000), (-10_000, -10_000), (0, 0)]
        {
            assert_eq!(Amount::new(micro).floor_cent(), Amount::new(cents), "{micro}");
        }
    }

    #[test]
    fn amounts_read_as_money() {
        for (micro, text) in [(40_660_000, "40.66"), (13_797, "0.013797"), (-1, "-0.000001"), (0, "0.00")] {
            assert_eq!(Amount::new(micro).to_string(), text);
        }
    }

    #[test]
    fn nothing_overflows() {
        let most = Amount::new(i64::MAX);
        assert_eq!(most.plus(most), most);
        assert_eq!(Amount::new(i64::MIN).negated(), most);
        assert_eq!(Amount::new(i64::MIN).floor_cent(), Amount::new(i64::MIN));
        assert_eq!(Amount::saturated(i128::MAX), most);
        assert!(Amount::new(i64::MIN).to_string().starts_with("-9223372036854.775808"));
    }
}
