//! Peaks without their highest few: the 95th percentile of a month, and the enhanced one of its days.

use crate::price::Amount;

/// The rates of five minutes, bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// From the Internet.
    pub in_bps: u64,
    /// To the Internet.
    pub out_bps: u64,
}

/// What an enhanced percentile is charged with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The highest rate that was set, bits per second.
    pub cap_bps: u64,
    /// What of it is paid at least, percent.
    pub floor_percent: u8,
    /// The price of a Mbps for a month, millionths.
    pub micro_per_mbps: u32,
    /// Days of the month: 28 to 31.
    pub days_in_month: u8,
    /// Days of the month that there was something to charge.
    pub days_alive: u8,
}

/// A day counts where more than this passed, bits per second.
const VALID_BPS: u64 = 1000;

/// Which of a day's samples, from the highest, is its peak.
const PEAK_OF_DAY: usize = 5;

/// How many of a month's days make its peak.
const DAYS_OF_PEAK: usize = 5;

/// The rate that 95 of 100 samples do not pass: the highest after 5 % of them, rounded down, are left out.
/// [`None`]: there is no sample.
pub fn monthly_bps(samples: &[Sample]) -> Option<u64> {
    let mut rates: Vec<u64> = samples.iter().map(Sample::higher).collect();
    rates.sort_unstable_by(|left, right| right.cmp(left));
    rates.get(rates.len() / 20).copied()
}

/// The peak of a day of five-minute samples: the fifth highest. [`None`]: nothing passed that counts.
pub fn day_peak_bps(samples: &[Sample]) -> Option<u64> {
    let mut rates: Vec<u64> = samples.iter().map(Sample::higher).collect();
    rates.sort_unstable_by(|left, right| right.cmp(left));
    rates.first().filter(|highest| **highest > VALID_BPS)?;
    Some(rates.get(PEAK_OF_DAY - 1).copied().unwrap_or(0))
}

/// What a month costs by the enhanced percentile. `day_peaks_bps`: the peak of each day that counts.
///
/// The peak of the month is the mean of its five highest days. It is paid for the days that count, and the
/// floor for all days, whichever is more; down to a millionth.
pub fn enhanced(day_peaks_bps: &[u64], terms: Terms) -> Amount {
    let mut peaks: Vec<u64> = day_peaks_bps.iter().take(31).copied().collect();
    let valid_days = peaks.len() as i128;
    peaks.sort_unstable_by(|left, right| right.cmp(left));
    peaks.truncate(DAYS_OF_PEAK);
    let used = i128::try_from(peaks.len()).unwrap_or(0).max(1);
    let highest: i128 = peaks.iter().map(|peak| i128::from(*peak)).sum();
    // Both sides times the number of days in the mean, and a hundred.
    let by_peak = highest * valid_days * 100;
    let floor = i128::from(terms.cap_bps) * i128::from(terms.floor_percent) * i128::from(terms.days_alive);
    let bps_days = by_peak.max(floor * used);
    let divisor = used * 100 * i128::from(terms.days_in_month.max(1)) * crate::price::MBPS_BPS;
    Amount::saturated(bps_days * i128::from(terms.micro_per_mbps) / divisor)
}

impl Sample {
    /// The larger of both directions.
    fn higher(&self) -> u64 {
        self.in_bps.max(self.out_bps)
    }
}
