//! Values as text for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use limiter_state::Rate;

/// What stands where there is nothing.
pub(crate) const NOTHING: &str = "-";

/// A rate such as `20 Mbps`.
pub(crate) fn rate(bps: u64) -> String {
    let Ok(rate) = Rate::new(bps) else { return format!("{bps} bps") };
    let short = rate.to_string();
    let unit = short.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(short.len());
    let (number, unit) = short.split_at(unit);
    format!("{number} {unit}")
}

/// A rate, where there is one.
pub(crate) fn some_rate(bps: Option<u64>) -> String {
    bps.map_or_else(|| NOTHING.to_owned(), rate)
}

/// A measured rate, to three digits: `20.1 Mbps`.
pub(crate) fn about_rate(bps: u64) -> String {
    about(bps, 1000, &["bps", "kbps", "Mbps", "Gbps", "Tbps"])
}

/// A number of bytes, to three digits: `1.50 GiB`.
pub(crate) fn about_bytes(bytes: u64) -> String {
    about(bytes, 1024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

fn about(value: u64, step: u64, units: &[&str]) -> String {
    // Hundredths of the unit, rounded down; what would show as 1000 takes the next unit.
    let (mut unit, mut size) = (0, 1_u128);
    while unit + 1 < units.len() && u128::from(value) >= size * 1000 {
        unit += 1;
        size *= u128::from(step);
    }
    let name = units[unit];
    let hundredths = u128::from(value) * 100 / size;
    match (unit, hundredths) {
        (0, _) => format!("{value} {name}"),
        (_, 0..1_000) => format!("{}.{:02} {name}", hundredths / 100, hundredths % 100),
        (_, 1_000..10_000) => format!("{}.{} {name}", hundredths / 100, hundredths / 10 % 10),
        _ => format!("{} {name}", hundredths / 100),
    }
}

/// A moment in the reader's zone: `2026-03-31 14:05:09 CEST`.
pub(crate) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A moment, where there is one.
pub(crate) fn some_moment(at: Option<Timestamp>, zone: &TimeZone) -> String {
    at.map_or_else(|| NOTHING.to_owned(), |at| moment(at, zone))
}

/// A text, where there is one.
pub(crate) fn some(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or(NOTHING).to_owned()
}

/// An amount in millionths with at least two decimals: `99.95`, `-0.013797`.
pub(crate) fn micro(micro: i64) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    let (units, rest) = (micro.unsigned_abs() / 1_000_000, micro.unsigned_abs() % 1_000_000);
    let decimals = format!("{rest:06}");
    let short = decimals.trim_end_matches('0');
    format!("{sign}{units}.{short:0<2}")
}

/// An amount, where there is one.
pub(crate) fn some_micro(amount: Option<i64>) -> String {
    amount.map_or_else(|| NOTHING.to_owned(), micro)
}

/// Yes or no.
pub(crate) fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

/// A word of the interface as words: `pay_as_you_go` is `pay as you go`.
pub(crate) fn words(word: &str) -> String {
    word.replace('_', " ")
}

/// A list on one line.
pub(crate) fn list(items: &[String]) -> String {
    if items.is_empty() { NOTHING.to_owned() } else { items.join(" ") }
}

/// `3 rules`, `1 rule`, `no rule`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    match number {
        0 => format!("no {thing}"),
        1 => format!("1 {thing}"),
        _ if thing.ends_with('s') => format!("{number} {thing}es"),
        _ => format!("{number} {thing}s"),
    }
}

/// The same text without anything that could steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut all, c| {
        if steers(c) {
            all.extend(c.escape_default());
        } else {
            all.push(c);
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_are_read_easily() {
        for (bps, text) in [
            (20_000_000, "20 Mbps"),
            (2_500_000_000, "2.5 Gbps"),
            (800_000, "800 kbps"),
            (12_345, "12345 bps"),
            (0, "0 bps"),
            (u64::MAX, "18446744073709551615 bps"),
        ] {
            assert_eq!(rate(bps), text);
        }
        assert_eq!(some_rate(None), "-");
    }

    #[test]
    fn measured_numbers_have_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "0.97 KiB"),
            (1536, "1.50 KiB"),
            (150_000_000, "143 MiB"),
            (u64::MAX, "16383 PiB"),
        ] {
            assert_eq!(about_bytes(bytes), text);
        }
        for (bps, text) in [(999, "999 bps"), (20_149_999, "20.1 Mbps"), (1_000_000_000, "1.00 Gbps")] {
            assert_eq!(about_rate(bps), text);
        }
    }

    #[test]
    fn moments_are_local_and_name_their_zone() {
        let at: Timestamp = "2026-03-31T12:05:09Z".parse().expect("a moment");
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        assert_eq!(moment(at, &zone), "2026-03-31 14:05:09 CEST");
        assert_eq!(moment(at, &TimeZone::UTC), "2026-03-31 12:05:09 UTC");
    }

    #[test]
    fn amounts_have_two_decimals_or_more() {
        let texts = [99_950_000, -13_797, 0, 5_000_000, 100, i64::MIN].map(micro);
        assert_eq!(texts, ["99.95", "-0.013797", "0.00", "5.00", "0.0001", "-9223372036854.775808"]);
        assert_eq!(some_micro(None), "-");
    }

    #[test]
    fn numbers_of_things() {
        assert_eq!(
            [0, 1, 2].map(|number| count(number, "rule")),
            ["no rule", "1 rule", "2 rules"].map(str::to_owned)
        );
        assert_eq!(count(2, "address"), "2 addresses");
    }

    proptest! {
        #[test]
        fn plain_text_has_no_control_character(text in "\\PC*|[\\x00-\\x1f\\x7f-\\u{a0}a-z]{0,40}") {
            let plain = plain(&text);
            prop_assert!(!plain.chars().any(char::is_control));
        }
    }
}
