//! The rate algorithm against an exact one, and the bounds that it promises.

use std::cell::Cell;

use limiter_common::cost::{self, PACKET_MAX_BYTES, RATE_MAX_BPS, RATE_MIN_BPS, TICKS_PER_NS};
use limiter_common::gcra::{self, HORIZON_TICKS, NextFree};
use limiter_common::meter::Control;
use proptest::collection::vec;
use proptest::prelude::*;

/// Nanoseconds that one byte takes at one bit per second.
const NS_BIT_PER_S: u128 = 8 * 1_000_000_000;

/// GCRA without rounding: how far the meter is ahead, in units of 1/rate nanoseconds.
struct Exact {
    rate_bps: u64,
    lead: u128,
}

impl Exact {
    fn wait(&mut self, ns: u64) {
        self.lead = self.lead.saturating_sub(ns as u128 * self.rate_bps as u128);
    }

    fn admits(&self, bound_ns: u64) -> bool {
        self.lead <= bound_ns as u128 * self.rate_bps as u128
    }

    fn charge(&mut self, bytes: u64) {
        self.lead += bytes as u128 * NS_BIT_PER_S;
    }

    /// The debt is time, so it stays as it is; this loses less than a unit.
    fn set_rate(&mut self, rate_bps: u64) {
        self.lead = self.lead * rate_bps as u128 / self.rate_bps as u128;
        self.rate_bps = rate_bps;
    }

    /// The lead in ticks, rounded down.
    fn ticks(&self) -> u64 {
        (self.lead * TICKS_PER_NS as u128 / self.rate_bps as u128) as u64
    }
}

/// The meter under test, with what the kernel program does to it.
struct Meter {
    next_free: Cell<u64>,
    now_ns: u64,
    rate_bps: u64,
    bound_ns: u64,
    /// Most that the word may be ahead of `now`: the largest bound and packet since it was idle.
    beyond_ticks: u64,
}

impl NextFree for Meter {
    fn load(&self) -> u64 {
        self.next_free.get()
    }
    fn replace(&self, seen: u64, new: u64) -> bool {
        assert_eq!(self.next_free.replace(new), seen, "one CPU only");
        true
    }
    fn add(&self, ticks: u64) -> u64 {
        self.next_free.replace(self.next_free.get().wrapping_add(ticks))
    }
}

impl Meter {
    fn now(&self) -> u64 {
        self.now_ns.wrapping_mul(TICKS_PER_NS)
    }

    fn bound_ticks(&self) -> u64 {
        Control::new(self.bound_ns, 0).bound_ticks()
    }

    fn lead(&self) -> u64 {
        gcra::lead(self.load(), self.now())
    }

    fn cost(&self, bytes: u64) -> u64 {
        cost::of_bytes(bytes, cost::per_byte(self.rate_bps))
    }

    /// Offers a packet; the ticks until it departs, or none where it is refused.
    fn offer(&mut self, bytes: u64) -> Option<u64> {
        if !gcra::admits(self.lead(), self.bound_ticks()) {
            return None;
        }
        let idle = self.lead() == 0;
        let wait = gcra::charge(self, self.now(), self.cost(bytes));
        let beyond = self.bound_ticks() + self.cost(bytes);
        self.beyond_ticks = if idle { beyond } else { beyond.max(self.beyond_ticks) };
        self.assert_valid();
        Some(wait)
    }

    fn assert_valid(&self) {
        assert!(gcra::is_valid(self.load(), self.now(), 0, self.beyond_ticks));
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Time passes, nanoseconds.
    Wait(u64),
    /// A packet of so many bytes comes.
    Packet(u64),
    /// The limit changes: rate in bits per second, bound in nanoseconds.
    Limit(u64, u64),
}

/// The longest idleness after which a meter is told from one in debt.
const IDLE_MAX_NS: u64 = (u64::MAX - HORIZON_TICKS) / TICKS_PER_NS;

/// Values spread evenly over the orders of magnitude.
fn spread(low: u64, high: u64) -> impl Strategy<Value = u64> {
    (0.0..=1.0).prop_map(move |place: f64| {
        let value = (low as f64).max(1.0) * ((high as f64) / (low as f64).max(1.0)).powf(place);
        (value as u64).clamp(low, high)
    })
}

fn rates() -> impl Strategy<Value = u64> {
    spread(RATE_MIN_BPS, RATE_MAX_BPS)
}

fn bounds() -> impl Strategy<Value = u64> {
    prop_oneof![8 => spread(0, 10_000_000_000), 1 => Just(0), 1 => Just(Control::BOUND_MAX_NS)]
}

fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 20_u64..=1500, 3 => 1500_u64..=65_535, 1 => Just(PACKET_MAX_BYTES)]
}

fn waits() -> impl Strategy<Value = u64> {
    prop_oneof![6 => spread(0, 100_000_000), 2 => spread(0, 1 << 45), 1 => spread(1 << 50, IDLE_MAX_NS / 2)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => sizes().prop_map(Step::Packet),
        6 => waits().prop_map(Step::Wait),
        1 => (rates(), bounds()).prop_map(|(rate, bound)| Step::Limit(rate, bound)),
    ];
    vec(step, 1..200)
}

/// Start of the clock: any uptime, or shortly before the tick counter wraps.
fn starts() -> impl Strategy<Value = u64> {
    const WRAP_NS: u64 = 1 << 58;
    prop_oneof![spread(0, 4 * WRAP_NS), (0_u64..1_000_000_000).prop_map(|before| WRAP_NS - before)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The meter is never behind the exact one, and never ahead by more than the rounding of the
    /// packets since it was idle. So it admits nothing that the exact one refuses.
    #[test]
    fn agrees_with_the_exact_algorithm(
        start in starts(), rate in rates(), bound in bounds(), steps in steps(),
    ) {
        let mut exact = Exact { rate_bps: rate, lead: 0 };
        let next_free = Cell::new(start.wrapping_mul(TICKS_PER_NS));
        let mut meter = Meter { next_free, now_ns: start, rate_bps: rate, bound_ns: bound, beyond_ticks: 0 };
        let mut rounding_ticks = 0;
        let mut idle_ns = 0;
        for step in steps {
            match step {
                Step::Wait(ns) => {
                    let ns = ns.min(IDLE_MAX_NS - idle_ns);
                    idle_ns += ns;
                    meter.now_ns = meter.now_ns.wrapping_add(ns);
                    exact.wait(ns);
                }
                Step::Limit(rate, bound) => {
                    (meter.rate_bps, meter.bound_ns) = (rate, bound);
                    exact.set_rate(rate);
                    rounding_ticks += 1;
                }
                Step::Packet(bytes) => {
                    let (before, allowed) = (meter.lead(), exact.admits(meter.bound_ns));
                    match meter.offer(bytes) {
                        Some(wait) => {
                            prop_assert!(allowed, "admits what the exact algorithm refuses");
                            prop_assert_eq!(wait, before, "a packet departs when the meter is free");
                            prop_assert!(wait <= meter.bound_ticks());
                            exact.charge(bytes);
                            idle_ns = 0;
                            // A tick for each of two roundings, and 1/65536 tick for each byte.
                            rounding_ticks += 2 + bytes / 65_536;
                        }
                        None => prop_assert!(
                            exact.ticks() + rounding_ticks + 1 > meter.bound_ticks(),
                            "refuses more than its rounding explains"
                        ),
                    }
                }
            }
            meter.assert_valid();
            prop_assert!(exact.ticks() <= meter.lead(), "behind the exact algorithm");
            prop_assert!(meter.lead() <= exact.ticks() + 1 + rounding_ticks, "ahead by more than the rounding");
            if meter.lead() == 0 {
                rounding_ticks = 0;
            }
        }
    }

    /// In every interval: admitted <= rate x time + bound + one packet; delivered, as spaced by the
    /// departures, <= rate x time + one packet.
    #[test]
    fn no_interval_gets_more_than_promised(
        start in starts(), rate in rates(), bound in bounds(),
        arrivals in vec((prop_oneof![Just(0), waits()], sizes()), 1..150),
    ) {
        let next_free = Cell::new(start.wrapping_mul(TICKS_PER_NS));
        let mut meter = Meter { next_free, now_ns: start, rate_bps: rate, bound_ns: bound, beyond_ticks: 0 };
        let mut elapsed_ns = 0_u128;
        let mut admitted = Vec::new();
        for (gap_ns, bytes) in arrivals {
            elapsed_ns += gap_ns as u128;
            meter.now_ns = meter.now_ns.wrapping_add(gap_ns);
            if let Some(wait) = meter.offer(bytes) {
                admitted.push((elapsed_ns, elapsed_ns + wait.div_ceil(TICKS_PER_NS) as u128, bytes));
            }
        }
        let rate = rate as u128;
        for (first, &(arrival, departure, _)) in admitted.iter().enumerate() {
            let mut bytes_before = 0_u128;
            for &(last_arrival, last_departure, bytes) in &admitted[first..] {
                prop_assert!(bytes_before * NS_BIT_PER_S <= rate * (last_arrival - arrival + bound as u128));
                // Departures are whole nanoseconds, rounded up.
                prop_assert!(
                    bytes_before == 0 || bytes_before * NS_BIT_PER_S <= rate * (last_departure - departure + 1)
                );
                bytes_before += bytes as u128;
            }
        }
    }

    /// What the meter admits over a long time is its rate, not only no more than it.
    #[test]
    fn a_greedy_sender_gets_the_rate(rate in spread(1_000_000, RATE_MAX_BPS), bytes in 512_u64..=1500) {
        const PACKETS: u64 = 200;
        let mut meter = Meter { next_free: Cell::new(0), now_ns: 1, rate_bps: rate, bound_ns: 0, beyond_ticks: 0 };
        for _ in 0..PACKETS {
            meter.now_ns += meter.lead().div_ceil(TICKS_PER_NS);
            prop_assert_eq!(meter.offer(bytes), Some(0));
        }
        // The sender's clock has nanoseconds: each packet comes up to one late.
        let exact_ns = PACKETS as u128 * bytes as u128 * NS_BIT_PER_S / rate as u128;
        let took_ns = (meter.now_ns + meter.lead() / TICKS_PER_NS) as u128;
        prop_assert!(took_ns >= exact_ns);
        prop_assert!(took_ns <= exact_ns + exact_ns / 1000 + PACKETS as u128 + 2);
    }

    #[test]
    fn a_meter_idle_for_years_is_idle(start in any::<u64>(), idle_ns in 0..=IDLE_MAX_NS) {
        prop_assert_eq!(gcra::lead(start, start.wrapping_add(idle_ns * TICKS_PER_NS)), 0);
    }

    #[test]
    fn a_debt_is_seen_whole(now in any::<u64>(), debt in 0..HORIZON_TICKS) {
        prop_assert_eq!(gcra::lead(now.wrapping_add(debt), now), debt);
    }
}

#[test]
fn idleness_of_nine_years_is_no_debt() {
    const YEAR_NS: u64 = 31_557_600_000_000_000;
    assert_eq!(IDLE_MAX_NS / YEAR_NS, 9);
    // What a bound allows, and a thousand CPUs beyond it, stays below the horizon.
    let packet = cost::of_bytes(PACKET_MAX_BYTES, cost::per_byte(RATE_MIN_BPS));
    assert!(Control(Control::BOUND_MAX_NS).bound_ticks() + 900 * packet < HORIZON_TICKS);
}
