//! Fractions without loss: one rounding, at the end, down.

use std::collections::BTreeMap;

/// The whole part of the sum of `numerator / denominator`, exactly. Numerators are not negative,
/// denominators positive.
///
/// Rests are brought to one denominator. For the lengths that periods have, their least common multiple
/// stays below 2^105; where others would pass what a number holds, less than one of the result is lost.
pub(crate) fn floor_sum(terms: impl IntoIterator<Item = (i128, i128)>) -> i128 {
    let mut whole: i128 = 0;
    let mut rests: BTreeMap<i128, i128> = BTreeMap::new();
    for (numerator, denominator) in terms {
        whole = whole.saturating_add(numerator / denominator);
        *rests.entry(denominator).or_default() += numerator % denominator;
    }
    let (mut top, mut bottom) = (0, 1);
    for (denominator, rest) in rests {
        whole += rest / denominator;
        let Some(sum) = sum((top, bottom), (rest % denominator, denominator)) else { continue };
        whole += sum.0 / sum.1;
        (top, bottom) = (sum.0 % sum.1, sum.1);
    }
    whole
}

/// `value * numerator / denominator`, down, where the fraction is not above one; nothing for one without a
/// denominator. The product may be larger than any number.
pub(crate) fn part(value: i64, numerator: i128, denominator: i128) -> i64 {
    if value <= 0 || denominator <= 0 {
        return 0;
    }
    let numerator = numerator.clamp(0, denominator);
    let (mut quotient, mut rest) = (0_i64, 0_i128);
    for bit in (0..i64::BITS - 1).rev() {
        quotient *= 2;
        rest *= 2;
        if value >> bit & 1 == 1 {
            rest += numerator;
        }
        while rest >= denominator {
            rest -= denominator;
            quotient += 1;
        }
    }
    quotient
}

fn sum(left: (i128, i128), right: (i128, i128)) -> Option<(i128, i128)> {
    let shared = gcd(left.1, right.1);
    let bottom = (left.1 / shared).checked_mul(right.1)?;
    let left = left.0.checked_mul(bottom / left.1)?;
    let right = right.0.checked_mul(bottom / right.1)?;
    Some((left.checked_add(right)?, bottom))
}

fn gcd(left: i128, right: i128) -> i128 {
    let (mut left, mut right) = (left, right);
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thirds_make_a_whole() {
        assert_eq!(floor_sum([(1, 3), (1, 3), (1, 3)]), 1);
        assert_eq!(floor_sum([(1, 2), (1, 3), (1, 6)]), 1);
        assert_eq!(floor_sum([(1, 2), (1, 3), (1, 7)]), 0);
    }

    /// Weeks, and months up to three years, with the day that is a gift.
    #[test]
    fn all_lengths_of_periods_have_one_denominator() {
        let lengths = [7..=8, 28..=32, 59..=63, 89..=93, 181..=185, 365..=367, 730..=732, 1095..=1098];
        let terms = lengths.into_iter().flatten().map(|days| (days - 1, days));
        let (mut top, mut bottom) = (0, 1);
        for term in terms {
            let sum = sum((top, bottom), term).expect("a denominator for all");
            (top, bottom) = (sum.0 % sum.1, sum.1);
        }
        assert!(bottom < 1 << 105, "{bottom}");
    }

    proptest! {
        #[test]
        fn a_part_is_the_quotient(value in 0..i64::MAX / 2, numerator in 0..1_i128 << 60, more in 1..1_i128 << 60) {
            let denominator = numerator + more;
            prop_assert_eq!(i128::from(part(value, numerator, denominator)), i128::from(value) * numerator / denominator);
        }

        #[test]
        fn a_sum_is_exact(terms in prop::collection::vec((0..1_i128 << 90, prop::sample::select(vec![7, 28, 31, 61, 92, 365])), 0..40)) {
            let common: i128 = 7 * 4 * 31 * 61 * 23 * 5 * 73;
            let exact: i128 = terms.iter().map(|(top, bottom)| top % bottom * (common / bottom)).sum();
            let whole: i128 = terms.iter().map(|(top, bottom)| top / bottom).sum();
            prop_assert_eq!(floor_sum(terms), whole + exact / common);
        }
    }
}
