//! What each scene measured, and whether that is what was promised.

use std::io::{IsTerminal as _, stdout};

/// Least share of its limit that UDP gets, which is offered beyond it.
const OF_UDP: f64 = 0.99;
/// Least share that TCP gets as payload where the limit polices; 0.965 is all there can be.
const OF_TCP: f64 = 0.80;
/// Most of it: what waited for a lost packet is counted when that is there, in another second.
const OF_TCP_AT_MOST: f64 = 1.03;

/// One line of the last table.
pub(crate) struct Outcome {
    /// What was measured.
    pub(crate) scene: &'static str,
    pub(crate) measured_bps: f64,
    pub(crate) limit_bps: f64,
    /// Lowest and highest share of the limit that count as held.
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// Connections that broke.
    pub(crate) broken: usize,
}

impl Outcome {
    /// Of datagrams, which know no connection.
    pub(crate) fn udp(scene: &'static str, measured_bps: f64, limit_bps: f64) -> Self {
        Self { scene, measured_bps, limit_bps, least: OF_UDP, most: 1.01, broken: 0 }
    }

    /// Of datagrams while processes start, which take the CPU from those who send: what was not sent then may
    /// follow as the burst of 100 ms, in a time of `seconds`.
    pub(crate) fn disturbed(scene: &'static str, measured_bps: f64, limit_bps: f64, seconds: f64) -> Self {
        let share = 0.1 / seconds;
        Self { least: 1.0 - share, most: 1.01 + share, ..Self::udp(scene, measured_bps, limit_bps) }
    }

    /// Of TCP flows, of which some may have broken.
    pub(crate) fn tcp(scene: &'static str, measured_bps: f64, limit_bps: f64, broken: usize) -> Self {
        Self { least: OF_TCP, most: OF_TCP_AT_MOST, broken, ..Self::udp(scene, measured_bps, limit_bps) }
    }

    /// Within the tolerance of its scene; one that is not makes the demo fail.
    pub(crate) fn is_held(&self) -> bool {
        (self.least..=self.most).contains(&(self.measured_bps / self.limit_bps)) && self.broken == 0
    }

    fn row(&self) -> String {
        let ratio = self.measured_bps / self.limit_bps;
        let (measured, limit) = (self.measured_bps / 1e6, self.limit_bps / 1e6);
        let verdict = match (self.is_held(), self.broken) {
            (true, _) => painted("held", "32"),
            (false, 0) => painted("NOT HELD", "31"),
            (false, broken) => painted(&format!("NOT HELD, {broken} connections broke"), "31"),
        };
        format!("{:<62} {measured:>8.2} {limit:>8.2} {ratio:>6.3}  {verdict}", self.scene)
    }
}

/// Prints the table; true where every scene is held.
pub(crate) fn table(outcomes: &[Outcome]) -> bool {
    let head = format!("{:<62} {:>8} {:>8} {:>6}", "SCENE", "MEASURED", "LIMIT", "RATIO");
    println!("\n{}", bold(&head));
    for outcome in outcomes {
        println!("{}", outcome.row());
    }
    println!("Mbps, counted where they arrive: IP bytes of UDP, payload of TCP (of a limit, 0.965 at most).");
    outcomes.iter().all(Outcome::is_held)
}

/// A heading.
pub(crate) fn bold(text: &str) -> String {
    painted(text, "1")
}

/// A command that is done.
pub(crate) fn command(line: &str) -> String {
    painted(&format!("$ {line}"), "36")
}

fn painted(text: &str, code: &str) -> String {
    if stdout().is_terminal() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_outside_its_tolerance_is_not_held() {
        let outcome = |measured_bps, broken| Outcome { broken, ..Outcome::udp("", measured_bps, 1e6) };
        assert!(outcome(0.99e6, 0).is_held() && outcome(1.01e6, 0).is_held());
        assert!(!outcome(0.98e6, 0).is_held(), "too little arrived");
        assert!(!outcome(1.02e6, 0).is_held(), "too much arrived");
        assert!(!outcome(1e6, 1).is_held(), "a connection broke");
        assert!(!outcome(f64::NAN, 0).is_held(), "nothing was measured");
        assert!(Outcome::tcp("", 0.8e6, 1e6, 0).is_held() && !Outcome::tcp("", 0.79e6, 1e6, 0).is_held());
        assert!(!Outcome::tcp("", 1e6, 1e6, 1).is_held(), "a connection broke");
        assert!(Outcome::disturbed("", 1.02e6, 1e6, 5.0).is_held());
        assert!(!Outcome::disturbed("", 1.04e6, 1e6, 5.0).is_held(), "more than the burst");
    }
}
