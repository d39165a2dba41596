//! Rounding and range of the time that bytes cost, against 128-bit arithmetic.

use limiter_common::cost::{
    COST_SHIFT, PACKET_MAX_BYTES, RATE_MAX_BPS, RATE_MIN_BPS, TICKS_PER_NS, of_bytes, per_byte,
};
use proptest::prelude::*;

/// Ticks of one byte at one bit per second.
const TICKS_BIT_PER_S: u128 = 8 * 1_000_000_000 * TICKS_PER_NS as u128;

/// Rates spread evenly over the orders of magnitude, so that low ones are as likely as high ones.
fn rates() -> impl Strategy<Value = u64> {
    let span = (RATE_MAX_BPS as f64 / RATE_MIN_BPS as f64).ln();
    let spread = (0.0..=1.0).prop_map(move |place: f64| (RATE_MIN_BPS as f64 * (place * span).exp()) as u64);
    prop_oneof![20 => spread, 1 => Just(RATE_MIN_BPS), 1 => Just(RATE_MAX_BPS)]
        .prop_map(|rate| rate.clamp(RATE_MIN_BPS, RATE_MAX_BPS))
}

/// Asserts that a packet costs at least its exact time, and less than 0.1 % more.
fn check_rounding(rate_bps: u64, bytes: u64) {
    let charged = of_bytes(bytes, per_byte(rate_bps)) as u128 * rate_bps as u128;
    let exact = bytes as u128 * TICKS_BIT_PER_S;
    assert!(charged >= exact, "{bytes} B at {rate_bps} bit/s cost less than they take");
    assert!(charged * 1000 < exact * 1001, "{bytes} B at {rate_bps} bit/s cost {charged} instead of {exact}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn rounding_is_below_a_thousandth_from_64_bytes_to_10_gbps(rate in rates(), bytes in 64_u64..=1500) {
        check_rounding(rate.min(10_000_000_000), bytes);
    }

    #[test]
    fn rounding_is_below_a_thousandth_from_512_bytes_to_100_gbps(rate in rates(), bytes in 512..=PACKET_MAX_BYTES) {
        check_rounding(rate, bytes);
    }

    #[test]
    fn no_step_leaves_64_bits(rate in any::<u64>(), bytes in any::<u64>()) {
        let clamped = rate.clamp(RATE_MIN_BPS, RATE_MAX_BPS) as u128;
        let byte = (TICKS_BIT_PER_S << COST_SHIFT).div_ceil(clamped);
        let packet = (bytes.min(PACKET_MAX_BYTES) as u128 * byte).div_ceil(1 << COST_SHIFT);
        prop_assert_eq!(per_byte(rate) as u128, byte);
        prop_assert_eq!(of_bytes(bytes, per_byte(rate)) as u128, packet);
    }

    #[test]
    fn a_higher_rate_never_costs_more(one in rates(), other in rates(), bytes in 0..=PACKET_MAX_BYTES) {
        let (low, high) = (one.min(other), one.max(other));
        prop_assert!(of_bytes(bytes, per_byte(high)) <= of_bytes(bytes, per_byte(low)));
    }
}

#[test]
fn every_size_is_exact_enough_at_the_rates_people_buy() {
    for mbps in [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_500, 5_000, 10_000] {
        (64..=1500).for_each(|bytes| check_rounding(mbps * 1_000_000, bytes));
    }
    for gbps in [25, 40, 50, 100] {
        (512..=1500).for_each(|bytes| check_rounding(gbps * 1_000_000_000, bytes));
    }
}

#[test]
fn no_limit_costs_nothing() {
    assert_eq!(of_bytes(PACKET_MAX_BYTES, 0), 0);
}
