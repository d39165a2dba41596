//! Prices that depend on the peak: each part of it costs what its tier says.

use std::sync::Arc;

use limiter_state::Rate;

use super::Amount;
use crate::{Code, Refusal};

/// Bits per second in one Mbps.
pub(crate) const MBPS_BPS: i128 = 1_000_000;

/// Highest price in millionths; with it the highest peak costs less than a fifth of what an amount holds.
const PRICE_MAX_MICRO: i64 = 10_000_000_000_000;

/// Most tiers of an item.
const TIERS_MAX: usize = 32;

/// One part of a peak, from the end of the tier before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Where it ends, bits per second; [`None`]: nowhere, it is the last.
    pub up_to_bps: Option<u64>,
    /// Its price, in millionths, for a Mbps, of traffic for 2^30 bytes: 0 to 10,000,000 of the currency.
    pub micro_per_unit: i64,
}

/// The tiers of one item: they begin at nothing, follow each other, and the last has no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiers(Arc<[Tier]>);

impl Tiers {
    /// The tiers of the item `field`. Refused with `InvalidParameter` where one is missing, ends before it
    /// begins, or has a price that is out of range.
    pub fn new(field: &str, tiers: &[Tier]) -> Result<Self, Refusal> {
        let refuse = |place: usize, name: &str, message: String| {
            Err(Refusal::new(Code::InvalidParameter, message).at(format!("{field}[{place}].{name}")))
        };
        if tiers.is_empty() || tiers.len() > TIERS_MAX {
            let message = format!("{} tiers are out of range; write 1 to {TIERS_MAX}", tiers.len());
            return Err(Refusal::new(Code::InvalidParameter, message).at(field));
        }
        let mut begin_bps = 0;
        for (place, tier) in tiers.iter().enumerate() {
            let price = tier.micro_per_unit;
            if !(0..=PRICE_MAX_MICRO).contains(&price) {
                let message =
                    format!("a price of {price} millionths is out of range; write 0 to {PRICE_MAX_MICRO}");
                return refuse(place, "micro_per_unit", message);
            }
            match (tier.up_to_bps, place + 1 == tiers.len()) {
                (None, true) => {}
                (Some(end_bps), true) => {
                    let message =
                        format!("peaks above {end_bps} bit/s have no price; leave it out of the last tier");
                    return refuse(place, "up_to_bps", message);
                }
                (None, false) => {
                    let message = "only the last tier has no end; write where this one ends".to_owned();
                    return refuse(place, "up_to_bps", message);
                }
                (Some(end_bps), false) if end_bps <= begin_bps => {
                    let message = format!(
                        "the tier ends at {end_bps} bit/s and begins at {begin_bps}; write a higher end"
                    );
                    return refuse(place, "up_to_bps", message);
                }
                (Some(end_bps), false) => begin_bps = end_bps,
            }
        }
        Ok(Self(tiers.into()))
    }

    /// One tier for all.
    pub(crate) fn flat(micro_per_unit: i64) -> Self {
        Self(Arc::new([Tier { up_to_bps: None, micro_per_unit }]))
    }

    /// As they were written.
    pub fn list(&self) -> &[Tier] {
        &self.0
    }

    /// What `peak` costs, in millionths of a millionth; at most 10^24.
    pub(crate) fn price(&self, peak: Rate) -> i128 {
        let mut begin_bps = 0;
        let mut price = 0;
        for tier in self.0.iter() {
            let end_bps = tier.up_to_bps.unwrap_or(u64::MAX).min(peak.bps());
            price += i128::from(end_bps.saturating_sub(begin_bps)) * i128::from(tier.micro_per_unit);
            begin_bps = begin_bps.max(end_bps);
        }
        price
    }

    /// The part of each tier in the price of `peak_bps`, for a reader: `5Mbps x 3.40`.
    pub(crate) fn parts(&self, peak_bps: u64) -> Vec<String> {
        let mut begin_bps = 0;
        let mut parts = Vec::new();
        for tier in self.0.iter() {
            let end_bps = tier.up_to_bps.unwrap_or(u64::MAX).min(peak_bps);
            if end_bps > begin_bps {
                let part = shown_mbps(end_bps - begin_bps);
                parts.push(format!("{part} x {}", Amount::new(tier.micro_per_unit)));
                begin_bps = end_bps;
            }
        }
        parts
    }

    /// The price of the first Mbps.
    pub(crate) fn first(&self) -> i64 {
        self.0.first().map_or(0, |tier| tier.micro_per_unit)
    }
}

/// `20Mbps`, or `1500000bps` where it is no whole number of them.
pub(crate) fn shown_mbps(bps: u64) -> String {
    if bps.is_multiple_of(1_000_000) { format!("{}Mbps", bps / 1_000_000) } else { format!("{bps}bps") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mbps(mbps: u64) -> Rate {
        Rate::new(mbps * 1_000_000).expect("a rate")
    }

    fn tier(up_to_mbps: Option<u64>, micro_per_unit: i64) -> Tier {
        Tier { up_to_bps: up_to_mbps.map(|mbps| mbps * 1_000_000), micro_per_unit }
    }

    #[test]
    fn each_part_has_the_price_of_its_tier() {
        let tiers = Tiers::new("x", &[tier(Some(5), 3_400_000), tier(None, 11_830_000)]).expect("tiers");
        assert_eq!(tiers.price(mbps(7)), 40_660_000 * MBPS_BPS);
        assert_eq!(tiers.parts(7_500_000), ["5Mbps x 3.40", "2500000bps x 11.83"]);
        assert_eq!(tiers.price(mbps(5)), 17_000_000 * MBPS_BPS);
        assert_eq!(tiers.price(mbps(2)), 6_800_000 * MBPS_BPS);
        let odd = Rate::new(5_000_001).expect("a rate");
        assert_eq!(tiers.price(odd), 17_000_000 * MBPS_BPS + 11_830_000);
    }

    #[test]
    fn holes_overlaps_and_prices_out_of_range_are_refused() {
        let field = |tiers: &[Tier]| Tiers::new("items", tiers).map_err(|refusal| refusal.field);
        let at = |text: &str| Err(Some(text.to_owned()));
        assert_eq!(field(&[]), at("items"));
        assert_eq!(field(&vec![tier(Some(1), 1); 33]), at("items"));
        assert_eq!(field(&[tier(Some(1000), 1)]), at("items[0].up_to_bps"));
        assert_eq!(field(&[tier(None, 1), tier(None, 1)]), at("items[0].up_to_bps"));
        assert_eq!(field(&[tier(Some(5), 1), tier(Some(5), 1), tier(None, 1)]), at("items[1].up_to_bps"));
        assert_eq!(field(&[tier(Some(0), 1), tier(None, 1)]), at("items[0].up_to_bps"));
        assert_eq!(field(&[tier(None, -1)]), at("items[0].micro_per_unit"));
        assert_eq!(field(&[tier(None, i64::MAX)]), at("items[0].micro_per_unit"));
    }

    #[test]
    fn the_highest_price_of_the_highest_peak_is_an_amount() {
        let tiers = Tiers::new("x", &[tier(None, PRICE_MAX_MICRO)]).expect("tiers");
        let micro = tiers.price(Rate::MAX) / MBPS_BPS;
        assert!(micro < i128::from(i64::MAX) / 5, "{micro}");
    }
}
