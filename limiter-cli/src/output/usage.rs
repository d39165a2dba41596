//! What passed, as rows.

use jiff::tz::TimeZone;
use limiter_api::series::{TopInstance, UsagePoint, UsageRate};

use super::View;
use super::text::{NOTHING, about_bytes, about_rate, moment, some};

impl View for UsagePoint {
    const HEAD: &[&str] =
        &["start", "up", "up at most", "up limited", "down", "down at most", "down limited", "down bytes"];

    fn id(&self) -> &'static str {
        ""
    }

    fn cells(&self, zone: &TimeZone) -> Vec<String> {
        let about = if self.estimated { "~" } else { "" };
        vec![
            moment(self.start, zone),
            format!("{about}{}", about_rate(self.up.average_bps)),
            about_rate(self.up.max_bps),
            limited(self.up),
            format!("{about}{}", about_rate(self.down.average_bps)),
            about_rate(self.down.max_bps),
            limited(self.down),
            about_bytes(self.down.bytes),
        ]
    }
}

impl View for TopInstance {
    const HEAD: &[&str] = &["instance", "up", "down", "id"];

    fn id(&self) -> &str {
        &self.instance
    }

    fn cells(&self, _: &TimeZone) -> Vec<String> {
        vec![
            some(self.name.as_deref()),
            about_bytes(self.up_bytes),
            about_bytes(self.down_bytes),
            self.instance.clone(),
        ]
    }
}

/// How long the limit held something back, and how much it refused.
fn limited(rate: UsageRate) -> String {
    match (rate.limited_s, rate.refused_bytes) {
        (0, 0) => NOTHING.to_owned(),
        (seconds, 0) => format!("{seconds} s"),
        (seconds, refused) => format!("{seconds} s, {} refused", about_bytes(refused)),
    }
}
