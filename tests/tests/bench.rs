//! The benches measure what they say: their quick runs end well and give whole figures. No time is asserted.

use std::process::Command;

use serde_json::Value;

/// The JSON that a quick run prints. The bench itself fails where a packet is lost, or takes another way.
fn quick(bench: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_bench")).args([bench, "--quick", "--json"]).output();
    let output = output.expect("the bench's program");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "bench {bench}: {errors}");
    serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
}

/// The quartiles of a figure, in order and not below `least`.
fn assert_whole(row: &Value, figure: &str, least: f64) {
    let of = |name: &str| row[figure][name].as_f64().unwrap_or_else(|| panic!("no {figure}.{name} in {row}"));
    let (low, median, high) = (of("low"), of("median"), of("high"));
    assert!(least <= low && low <= median && median <= high && high.is_finite(), "{figure} of {row}");
}

fn rows<'a>(report: &'a Value, name: &str) -> &'a [Value] {
    report[name].as_array().unwrap_or_else(|| panic!("no rows {name}"))
}

#[test]
fn packet_measures_every_way() {
    let report = quick("packet");
    let rows = rows(&report, "packet");
    for row in rows {
        assert_whole(row, "ns", 1.0);
        assert_whole(row, "per_empty", 0.0);
        assert_whole(row, "per_floor", 0.0);
    }
    for program in ["shared", "bound", "floor"] {
        for packet in ["up IPv4", "down IPv4", "up IPv6", "down IPv6"] {
            let found = rows.iter().any(|row| row["program"] == program && row["packet"] == packet);
            assert!(found, "{program} {packet}");
        }
    }
    assert!(rows.iter().any(|row| row["access"] == "spread" && row["instances"] == 1_000));
}

#[test]
fn egress_puts_every_address_in_force() {
    let report = quick("egress");
    for row in rows(&report, "egress") {
        for figure in ["read_ms", "set_up_ms", "unchanged_ms", "in_force_ms", "settled_ms"] {
            assert_whole(row, figure, 0.0);
        }
    }
    for row in rows(&report, "switch") {
        assert_whole(row, "ms", 0.0);
    }
    for row in rows(&report, "translate") {
        assert_whole(row, "open_ns", 1.0);
        assert_whole(row, "new_ns", 1.0);
    }
}

#[test]
fn forward_carries_every_packet_through_every_limit() {
    let report = quick("forward");
    let rows = rows(&report, "forward");
    for row in rows {
        assert_whole(row, "ns", 1.0);
    }
    for limits in ["limiter", "HTB, hashed u32", "TBF", "nftables limit"] {
        assert!(rows.iter().any(|row| row["limits"] == limits), "{limits}");
    }
}

#[test]
fn control_delivers_every_change() {
    let report = quick("control");
    let rows = rows(&report, "control");
    for what in [
        "start to ready, ms",
        "resident, MB",
        "state fetch, KiB",
        "then acknowledged, ms",
        "apply that changes every rule, seconds",
        "and acknowledged by all, seconds",
    ] {
        assert!(rows.iter().any(|row| row["what"] == what), "{what}");
    }
}

#[test]
fn usage_stores_every_row_on_both_engines() {
    let report = quick("usage");
    let rows = rows(&report, "usage");
    assert_eq!(
        rows.iter().filter_map(|row| row["engine"].as_str()).collect::<Vec<_>>(),
        ["SQLite", "PostgreSQL"]
    );
    for row in rows {
        assert_eq!(row["rows"], 220, "{row}");
        assert!(row["bytes_per_instance_and_day"].as_f64().is_some_and(|bytes| bytes > 0.0), "{row}");
        assert_whole(row, "batch_ms", 0.0);
        assert_whole(row, "graph_ms", 0.0);
    }
}
