//! Values of arguments as types.

use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned, civil};
use limiter_api::views::NodeInterface;
use limiter_state::{Rate, address};

/// A rate such as `20Mbps`.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    text.parse().map_err(|error| format!("`{text}` is {error}"))
}

/// A time to wait, such as `60s` or `2m`.
pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    let parsed = text.parse::<SignedDuration>().ok().filter(SignedDuration::is_positive);
    parsed.ok_or_else(|| format!("`{text}` is no time to wait; write for example 60s or 2m"))
}

/// A time that is over, such as `6h` or `7d`.
pub(super) fn last(text: &str) -> Result<SignedDuration, String> {
    let now = Zoned::now();
    let is_span =
        text.strip_suffix(char::is_alphabetic).is_some_and(|it| it.bytes().all(|b| b.is_ascii_digit()));
    let start = moment_at(text, &now, -1).ok().filter(|_| is_span);
    let passed = start.map(|start| now.timestamp().duration_since(start)).filter(SignedDuration::is_positive);
    passed.ok_or_else(|| format!("`{text}` is no time that is over; write for example 6h or 7d"))
}

/// Seconds of a point: `1m`, `15m` or `1h`.
pub(super) fn period(text: &str) -> Result<u16, String> {
    match text {
        "1m" | "60s" => Ok(60),
        "15m" | "900s" => Ok(900),
        "1h" | "60m" | "3600s" => Ok(3600),
        _ => Err(format!("`{text}` is no length of a point; write 1m, 15m or 1h")),
    }
}

/// An amount of money in whole cents, as millionths: `100`, `99.95`.
pub(super) fn cents(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no amount; write for example 100 or 99.95");
    let (units, cents) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(units) || !digits(cents) || cents.len() > 2 {
        return Err(wrong());
    }
    let cents = format!("{cents:0<2}");
    let micro = |text: &str, scale: i64| text.parse::<i64>().ok()?.checked_mul(scale);
    let sum = micro(units, 1_000_000).zip(micro(&cents, 10_000));
    sum.and_then(|(units, cents)| units.checked_add(cents)).ok_or_else(wrong)
}

/// A month: `2026-11`, or `now`.
pub(super) fn month(text: &str) -> Result<String, String> {
    let is_month = text.len() == 7 && format!("{text}-01").parse::<civil::Date>().is_ok();
    if is_month || text == "now" {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is no month; write one as 2026-11, or `now`"))
}

/// A prefix of a network.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    address::network_prefix(text).map(|net| net.to_string()).map_err(|error| format!("`{text}` {error}"))
}

/// An address or prefix of an instance.
pub(super) fn address(text: &str) -> Result<String, String> {
    address::instance_address(text).map(address::show).map_err(|error| format!("`{text}` {error}"))
}

/// An address for packets to leave through.
pub(super) fn egress_address(text: &str) -> Result<String, String> {
    address::egress_address(text)
        .map(|address| address.to_string())
        .map_err(|error| format!("`{text}` {error}"))
}

/// An IPv4 address.
pub(super) fn ipv4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| format!("`{text}` is no IPv4 address; write for example 198.51.100.7"))
}

/// A moment: RFC 3339, a local date and time, a local date, or how long ago (`2h`, `3d`).
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    moment_at(text, &Zoned::now(), -1)
}

/// The end of something: as [`moment`], and `90d` is in 90 days.
pub(super) fn expiry(text: &str) -> Result<Timestamp, String> {
    moment_at(text, &Zoned::now(), 1)
}

/// `direction` says whether a span lies behind (-1) or ahead (1).
fn moment_at(text: &str, now: &Zoned, direction: i64) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let local = || text.parse::<civil::DateTime>().ok()?.to_zoned(now.time_zone().clone()).ok();
    if let Some(moment) = local() {
        return Ok(moment.timestamp());
    }
    let away = || {
        let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let count: i64 = count.parse().ok().filter(|count| (0..100_000).contains(count))?;
        let span = match unit {
            "s" => count.seconds(),
            "m" => count.minutes(),
            "h" => count.hours(),
            "d" => count.days(),
            "w" => count.weeks(),
            _ => return None,
        };
        now.checked_add(span * direction).ok()
    };
    away().map(|moment| moment.timestamp()).ok_or_else(|| {
        format!("`{text}` is no moment; write 2026-03-31T12:00:00Z, 2026-03-31 (local), or 2h or 3d from now")
    })
}

/// Interfaces of a node: `PATTERN[,zone=ZONE][,mode=MODE][,observe][,foreign-sources=drop|pass]`.
pub(super) fn interface(text: &str) -> Result<NodeInterface, String> {
    let mut parts = text.split(',');
    let mut interface = NodeInterface {
        pattern: parts.next().unwrap_or_default().to_owned(),
        zone: "default".to_owned(),
        mode: "auto".to_owned(),
        observe: false,
        foreign_sources: "drop".to_owned(),
    };
    if interface.pattern.is_empty() {
        return Err("an interface begins with its name or pattern, for example veth-*".to_owned());
    }
    for part in parts {
        match part.split_once('=') {
            Some(("zone", zone)) if !zone.is_empty() => zone.clone_into(&mut interface.zone),
            Some(("mode", mode @ ("auto" | "shape" | "police"))) => mode.clone_into(&mut interface.mode),
            Some(("foreign-sources", policy @ ("drop" | "pass"))) => {
                policy.clone_into(&mut interface.foreign_sources);
            }
            None if part == "observe" => interface.observe = true,
            _ => {
                return Err(format!(
                    "`{part}` is no setting of an interface; write zone=ZONE, mode=auto|shape|police, \
                     observe or foreign-sources=drop|pass"
                ));
            }
        }
    }
    Ok(interface)
}

/// The words of a line, with single quotes around those that hold spaces.
#[cfg(test)]
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().expect("a word").push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_cents() {
        for (text, micro) in
            [("100", 100_000_000), ("99.95", 99_950_000), ("0.1", 100_000), ("007", 7_000_000)]
        {
            assert_eq!(cents(text), Ok(micro));
        }
        for wrong in ["", ".", "1.", ".5", "1.005", "-1", "+1", "1e3", "1,5", "9223372036855", "x"] {
            assert!(cents(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn months_are_written_in_digits() {
        assert!(month("2026-11").is_ok() && month("now").is_ok());
        for wrong in ["2026-13", "2026-1", "11-2026", "november", "2026-11-01", "2026-1x"] {
            assert!(month(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments() {
        let now: Zoned = "2026-03-31T12:00:00+02:00[Europe/Berlin]".parse().expect("a moment");
        for (text, expected) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-03-31", "2026-03-30T22:00:00Z"),
            ("2026-03-31T08:30", "2026-03-31T06:30:00Z"),
            ("2h", "2026-03-31T08:00:00Z"),
            // The day before the clocks changed has another offset.
            ("3d", "2026-03-28T11:00:00Z"),
        ] {
            assert_eq!(moment_at(text, &now, -1).map(|at| at.to_string()), Ok(expected.to_owned()), "{text}");
        }
        assert_eq!(moment_at("2d", &now, 1).map(|at| at.to_string()), Ok("2026-04-02T10:00:00Z".to_owned()));
        for text in ["", "h", "yesterday", "-2h", "2x", "\u{e9}"] {
            assert!(moment_at(text, &now, -1).is_err(), "{text}");
        }
    }

    #[test]
    fn interfaces() {
        let full =
            interface("veth-*,zone=blue,mode=shape,observe,foreign-sources=pass").expect("an interface");
        assert_eq!(
            full,
            NodeInterface {
                pattern: "veth-*".into(),
                zone: "blue".into(),
                mode: "shape".into(),
                observe: true,
                foreign_sources: "pass".into()
            }
        );
        assert_eq!(interface("tap?").expect("an interface").zone, "default");
        for text in ["", ",zone=a", "a,zone=", "a,mode=fast", "a,b", "a,foreign-sources=count"] {
            assert!(interface(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_that_are_over_and_lengths_of_points() {
        assert_eq!(last("6h"), Ok(SignedDuration::from_hours(6)));
        for text in ["0h", "6", "2026-03-31", "2026-03-31T12:00:00Z", "soon", ""] {
            assert!(last(text).is_err(), "{text}");
        }
        assert_eq!([period("1m"), period("15m"), period("1h")], [Ok(60), Ok(900), Ok(3600)]);
        assert!(period("5m").is_err());
    }

    #[test]
    fn waiting_times() {
        assert_eq!(duration("60s"), Ok(SignedDuration::from_secs(60)));
        assert_eq!(duration("2m"), Ok(SignedDuration::from_mins(2)));
        for text in ["0s", "-5s", "60", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
