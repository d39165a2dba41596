//! Peaks without their highest few.

use limiter_domain::percentile::{Sample, Terms, day_peak_bps, enhanced, monthly_bps};
use limiter_domain::price::Amount;
use proptest::prelude::*;

const MBPS: u64 = 1_000_000;

fn terms() -> Terms {
    Terms {
        cap_bps: 500 * MBPS,
        floor_percent: 20,
        micro_per_mbps: 108_000_000,
        days_in_month: 30,
        days_alive: 12,
    }
}

/// The check that Tencent publishes: a peak of 80 on 6 valid days of 12, of a cap of 500 with a floor of
/// 20 %, at 108: max(80 x 6 / 30, 100 x 12 / 30) x 108.
#[test]
fn the_published_check_is_met() {
    let peaks = [60, 70, 80, 90, 100, 1].map(|mbps| mbps * MBPS);
    assert_eq!(enhanced(&peaks, terms()), Amount::new(4_320_000_000));
    assert_eq!(enhanced(&[], terms()), Amount::new(4_320_000_000), "the floor is paid for idle days");
    let busy = Terms { floor_percent: 0, ..terms() };
    assert_eq!(enhanced(&peaks, busy), Amount::new(1_728_000_000), "16 x 108");
    assert_eq!(enhanced(&[], busy), Amount::ZERO);
}

#[test]
fn a_day_has_the_peak_that_twenty_minutes_pass() {
    let mut day = vec![Sample { in_bps: 10, out_bps: 2_000 }; 288];
    for (place, high) in [9, 8, 7, 6].into_iter().enumerate() {
        day[place * 60] = Sample { in_bps: high * MBPS, out_bps: 0 };
    }
    assert_eq!(day_peak_bps(&day), Some(2_000));
    day[7].out_bps = 5 * MBPS;
    assert_eq!(day_peak_bps(&day), Some(5 * MBPS), "the larger direction counts");
    assert_eq!(day_peak_bps(&[Sample { in_bps: 1_000, out_bps: 0 }; 288]), None, "an idle day");
    assert_eq!(day_peak_bps(&[]), None);
}

#[test]
fn the_largest_numbers_are_worked_out() {
    let all = Terms { cap_bps: u64::MAX, floor_percent: u8::MAX, micro_per_mbps: u32::MAX, ..terms() };
    assert_eq!(enhanced(&[u64::MAX; 40], Terms { days_in_month: 0, ..all }), Amount::new(i64::MAX));
}

proptest! {
    /// At most 5 of 100 samples are higher, and with one less left out there would be fewer.
    #[test]
    fn the_percentile_is_a_sample_that_few_pass(rates in prop::collection::vec(0..1000_u64, 1..600)) {
        let samples: Vec<_> = rates.iter().map(|bps| Sample { in_bps: *bps, out_bps: bps / 2 }).collect();
        let peak = monthly_bps(&samples).expect("a peak");
        prop_assert!(rates.contains(&peak));
        prop_assert!(rates.iter().filter(|bps| **bps > peak).count() <= rates.len() * 5 / 100);
        prop_assert!(rates.iter().filter(|bps| **bps >= peak).count() > rates.len() * 5 / 100);
    }
}
