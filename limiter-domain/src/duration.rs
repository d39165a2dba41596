//! The eight durations of a subscription.

use std::fmt;

/// How long a subscription runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duration {
    /// Seven days; renewed by hand only.
    Week,
    /// One calendar month.
    Month,
    /// Two calendar months.
    TwoMonths,
    /// Three calendar months.
    ThreeMonths,
    /// Six calendar months.
    SixMonths,
    /// Twelve calendar months.
    Year,
    /// Twenty-four calendar months.
    TwoYears,
    /// Thirty-six calendar months.
    ThreeYears,
}

impl Duration {
    /// All, shortest first.
    pub const ALL: [Self; 8] = [
        Self::Week,
        Self::Month,
        Self::TwoMonths,
        Self::ThreeMonths,
        Self::SixMonths,
        Self::Year,
        Self::TwoYears,
        Self::ThreeYears,
    ];

    /// As written everywhere: `1w`, `1m`, `2m`, `3m`, `6m`, `1y`, `2y`, `3y`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Week => "1w",
            Self::Month => "1m",
            Self::TwoMonths => "2m",
            Self::ThreeMonths => "3m",
            Self::SixMonths => "6m",
            Self::Year => "1y",
            Self::TwoYears => "2y",
            Self::ThreeYears => "3y",
        }
    }

    /// The duration with this [code](Self::code).
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|duration| duration.code() == code)
    }

    /// Calendar months; [`None`] for a week.
    pub const fn months(self) -> Option<i32> {
        match self {
            Self::Week => None,
            Self::Month => Some(1),
            Self::TwoMonths => Some(2),
            Self::ThreeMonths => Some(3),
            Self::SixMonths => Some(6),
            Self::Year => Some(12),
            Self::TwoYears => Some(24),
            Self::ThreeYears => Some(36),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}
