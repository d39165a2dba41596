//! A rate in bits per second and its one grammar: `5Mbps`, `2.5Gbps`, `800kbps`, `12000bps`.

use std::fmt;
use std::str::FromStr;

use limiter_common::cost::{RATE_MAX_BPS, RATE_MIN_BPS};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A limit in bits per second, between 8 kbps and 100 Gbps; decimal, so 1 Mbps is 1,000,000 bit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// Lowest rate, 8 kbps.
    pub const MIN: Self = Self(RATE_MIN_BPS);
    /// Highest rate, 100 Gbps.
    pub const MAX: Self = Self(RATE_MAX_BPS);

    /// The rate of `bps` bits per second, an error outside [`Rate::MIN`]..=[`Rate::MAX`].
    pub const fn new(bps: u64) -> Result<Self, RateError> {
        if bps < RATE_MIN_BPS || bps > RATE_MAX_BPS { Err(RateError::Range) } else { Ok(Self(bps)) }
    }

    /// Bits per second.
    pub const fn bps(self) -> u64 {
        self.0
    }
}

/// Why a text is no rate; reads on after `"5mbps" is`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Not a number directly followed by one of the four units.
    #[error("no rate; write bits per second as bps, kbps, Mbps or Gbps, for example 5Mbps{hint}")]
    Grammar {
        /// Empty, or a question with the likely meaning.
        hint: String,
    },
    /// More decimals than the unit has bits.
    #[error("no whole number of bits per second")]
    Fraction,
    /// Outside the range of a limit.
    #[error("out of range; a rate is between 8kbps and 100Gbps")]
    Range,
}

/// Name and power of ten of each unit, largest first.
const UNITS: [(&str, u32); 4] = [("Gbps", 9), ("Mbps", 6), ("kbps", 3), ("bps", 0)];

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (number, unit) = split_unit(text);
        let (whole, decimals) = number.split_once('.').map_or((number, None), |(w, d)| (w, Some(d)));
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let Some((_, power)) = known.filter(|_| !whole.is_empty() && decimals != Some("")) else {
            return Err(RateError::Grammar { hint: hint(number, unit) });
        };
        if decimals.is_some_and(|d| d.contains('.')) {
            return Err(RateError::Grammar { hint: String::new() });
        }
        let decimals = decimals.unwrap_or("").trim_end_matches('0');
        let places = u32::try_from(decimals.len()).unwrap_or(u32::MAX);
        let missing = power.checked_sub(places).ok_or(RateError::Fraction)?;
        let shifted = |digits: &str, places: u32| match digits.trim_start_matches('0') {
            "" => Some(0),
            digits => digits.parse::<u64>().ok()?.checked_mul(10_u64.pow(places)),
        };
        let bps = shifted(whole, *power).zip(shifted(decimals, missing)).and_then(|(w, d)| w.checked_add(d));
        bps.map_or(Err(RateError::Range), Self::new)
    }
}

/// The shortest exact form, with the larger unit where two are as short: `2.5Gbps`, `1234kbps`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = |&(name, power): &(&str, u32)| {
            let unit = 10_u64.pow(power);
            let (whole, rest) = (self.0 / unit, self.0 % unit);
            let decimals = format!("{rest:0places$}", places = power as usize);
            let point = if rest == 0 { "" } else { "." };
            (whole > 0).then(|| format!("{whole}{point}{}{name}", decimals.trim_end_matches('0')))
        };
        let shortest = UNITS.iter().filter_map(form).min_by_key(String::len);
        f.pad(&shortest.unwrap_or_default())
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate such as 5Mbps")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Rate, E> {
                text.parse().map_err(|error| E::custom(format_args!("is {error}")))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// A question with what `unit` most likely means, for texts people really write.
fn hint(number: &str, unit: &str) -> String {
    let plain_number = number.starts_with(|c: char| c.is_ascii_digit());
    let unit = unit.trim_start();
    let rest = unit.strip_prefix(['k', 'K', 'm', 'M', 'g', 'G']);
    let name = match unit.chars().next() {
        Some('k' | 'K') => "kbps",
        Some('m' | 'M') => "Mbps",
        Some('g' | 'G') => "Gbps",
        _ => "bps",
    };
    let bytes = rest.unwrap_or(unit).starts_with('B');
    let tail = rest.unwrap_or(unit).to_ascii_lowercase();
    let bits = ["bps", "b/s", "b", "bit", "bits", "bit/s", "bits/s"].contains(&tail.as_str());
    let prefix_only = rest == Some("");
    if !plain_number || number.len() > 12 || !(bits || prefix_only) {
        return String::new();
    }
    let number = number.trim_end_matches('.');
    match number.parse::<u64>() {
        Ok(count) if bytes => format!("; did you mean {number}{name} (bits) or {}{name} (bytes)?", count * 8),
        _ if bytes => String::new(),
        _ => format!("; did you mean {number}{name}?"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn grammar() {
        for (text, bps) in [
            ("5Mbps", 5_000_000),
            ("2.5Gbps", 2_500_000_000),
            ("800kbps", 800_000),
            ("12000bps", 12_000),
            ("0.5Mbps", 500_000),
            ("8kbps", 8_000),
            ("100Gbps", 100_000_000_000),
            ("1.000001Mbps", 1_000_001),
            ("8000.0bps", 8_000),
            ("005.50Mbps", 5_500_000),
            ("0000000000000000000000000000005Mbps", 5_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Rate(bps)), "{text}");
        }
    }

    #[test]
    fn refusals() {
        for text in [
            "",
            "Mbps",
            "5",
            "5.",
            ".5Mbps",
            "5.Mbps",
            "5..5Mbps",
            "1.2.3Mbps",
            "-5Mbps",
            "+5Mbps",
            "5 Mbps",
            " 5Mbps",
            "5Mbps ",
            "5mbps",
            "5MBps",
            "5Mbit",
            "5M",
            "5KBps",
            "5Kbps",
            "5Mb/s",
            "5Mibps",
            "5Tbps",
            "5e6bps",
            "5_000kbps",
            "5,5Mbps",
            "\u{665}Mbps",
            "unlimited",
            "5Mbps5Mbps",
        ] {
            assert!(matches!(text.parse::<Rate>(), Err(RateError::Grammar { .. })), "{text}");
        }
        for text in ["8000.5bps", "1.0001kbps", "1.0000000001Gbps"] {
            assert_eq!(text.parse::<Rate>(), Err(RateError::Fraction), "{text}");
        }
        for text in ["0bps", "7999bps", "7.999kbps", "100.000000001Gbps", "99999999999999999999999Gbps"] {
            assert_eq!(text.parse::<Rate>(), Err(RateError::Range), "{text}");
        }
    }

    #[test]
    fn hints() {
        for (text, hint) in [
            ("5mbps", "; did you mean 5Mbps?"),
            ("5 Mbps", "; did you mean 5Mbps?"),
            ("5M", "; did you mean 5Mbps?"),
            ("5.Mbps", "; did you mean 5Mbps?"),
            ("2.5gbit/s", "; did you mean 2.5Gbps?"),
            ("800Kbps", "; did you mean 800kbps?"),
            ("5MBps", "; did you mean 5Mbps (bits) or 40Mbps (bytes)?"),
            ("5", ""),
            ("5Mibps", ""),
            ("fast", ""),
        ] {
            assert_eq!(text.parse::<Rate>(), Err(RateError::Grammar { hint: hint.into() }), "{text}");
        }
    }

    #[test]
    fn shortest_form() {
        for (bps, text) in [
            (8_000, "8kbps"),
            (12_345, "12345bps"),
            (800_000, "800kbps"),
            (1_250_000, "1.25Mbps"),
            (1_234_000, "1234kbps"),
            (2_500_000_000, "2.5Gbps"),
            (100_000_000_000, "100Gbps"),
        ] {
            assert_eq!(Rate(bps).to_string(), text);
        }
        assert_eq!(format!("{:>8}", Rate(8_000)), "   8kbps");
    }

    proptest! {
        #[test]
        fn text_round_trip(bps in RATE_MIN_BPS..=RATE_MAX_BPS) {
            prop_assert_eq!(Rate(bps).to_string().parse(), Ok(Rate(bps)));
        }

        #[test]
        fn round_figures_too(count in 1_u64..1000, power in 0_u32..9) {
            if let Ok(rate) = Rate::new(count * 10_u64.pow(power)) {
                prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            }
        }

        #[test]
        fn any_text_is_a_rate_in_range_or_an_error(text in "\\PC*|[0-9.]{0,40}[kMGbps/ ]{0,5}") {
            if let Ok(rate) = text.parse::<Rate>() {
                prop_assert!((Rate::MIN..=Rate::MAX).contains(&rate));
            }
        }
    }
}
