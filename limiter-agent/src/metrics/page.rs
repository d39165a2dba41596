//! The text that Prometheus reads (exposition format 0.0.4).

use std::fmt::Write as _;

use super::list::Metric;

/// A page in the making.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Adds a metric with the values of its labels, in the order of its declaration.
    pub(super) fn add<'a, const N: usize>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([&'a str; N], u64)>,
    ) {
        let Metric { name, kind, labels, help } = metric;
        debug_assert_eq!(labels.len(), N, "{name}");
        _ = writeln!(self.text, "# HELP {name} {}", help.replace('\\', "\\\\"));
        _ = writeln!(self.text, "# TYPE {name} {}", kind.name());
        for (values, value) in samples {
            self.text.push_str(name);
            for (place, (label, value)) in labels.iter().zip(values).enumerate() {
                let open = if place == 0 { '{' } else { ',' };
                _ = write!(self.text, "{open}{label}=\"{}\"", escaped(value));
            }
            let close = if N == 0 { "" } else { "}" };
            _ = writeln!(self.text, "{close} {value}");
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::list::{BYPASS, NETWORK_INSTANCES, NETWORK_PASSED_BYTES};

    #[test]
    fn text_as_prometheus_reads_it() {
        let mut page = Page::default();
        page.add(&BYPASS, [([], 1)]);
        page.add(&NETWORK_PASSED_BYTES, [(["office", "up"], 7), (["a\"b\\c\nd", "down"], u64::MAX)]);
        page.add::<1>(&NETWORK_INSTANCES, []);
        let expected = r#"# HELP limiter_bypass 1 while everything passes unmetered: an alarm.
# TYPE limiter_bypass gauge
limiter_bypass 1
# HELP limiter_network_passed_bytes_total IP bytes of a network's instances that went on.
# TYPE limiter_network_passed_bytes_total counter
limiter_network_passed_bytes_total{network="office",direction="up"} 7
limiter_network_passed_bytes_total{network="a\"b\\c\nd",direction="down"} 18446744073709551615
# HELP limiter_network_instances Instances of a network.
# TYPE limiter_network_instances gauge
"#;
        assert_eq!(page.into_text(), expected);
    }
}
