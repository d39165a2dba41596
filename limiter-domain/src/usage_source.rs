//! In which order batches of a node's record count, each once.

use jiff::Timestamp;

use crate::{Code, NodeId, Refusal};

/// What is stored of one record of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSource {
    /// The node.
    pub node: NodeId,
    /// Identity of the record.
    pub record: String,
    /// Batches up to this number are stored; 0: none.
    pub through: u64,
    /// SHA-256 of the last one.
    pub digest: [u8; 32],
    /// Everything before this instant was reported.
    pub complete_until: Timestamp,
}

/// Which batch a node sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its number, from 1.
    pub sequence: u64,
    /// The oldest number that the node still has.
    pub oldest: u64,
    /// SHA-256 of its content.
    pub digest: [u8; 32],
}

/// What is to become of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is stored already.
    Again,
    /// It is to be stored.
    New {
        /// How many batches before it were never stored here, and the node no longer has: it had delivered them to
        /// a database that this one is an older copy of.
        missing: u64,
    },
}

/// Where a batch belongs, of whose record `through` batches are stored, the last one with `digest`.
///
/// Refused with `UsageConflict` where it was stored before with other content, or so long ago that this cannot be
/// told; with `UsageOutOfOrder` where the node has earlier ones to send.
pub fn place(known: Option<&UsageSource>, sent: Sent) -> Result<Placed, Refusal> {
    let through = known.map_or(0, |known| known.through);
    if sent.sequence > through {
        let missing = sent.sequence - through - 1;
        if missing > 0 && sent.oldest <= through + missing {
            let message = format!("batch {} is to come before {}", through + 1, sent.sequence);
            return Err(Refusal::new(Code::UsageOutOfOrder, message).at("sequence"));
        }
        return Ok(Placed::New { missing });
    }
    match known {
        Some(known) if sent.sequence == through && sent.digest == known.digest => Ok(Placed::Again),
        _ => {
            let message = format!(
                "batches up to {through} of this record are stored, and this {} is not the last of them; a copy of the \
                 agent's files must not run beside it: give the other node a token of its own, and remove its record",
                sent.sequence
            );
            Err(Refusal::new(Code::UsageConflict, message).at("sequence"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(through: u64, digest: u8) -> UsageSource {
        let node = "nd-aaaaaaaaaaaaaaaaa".parse().expect("an id");
        let complete_until = Timestamp::UNIX_EPOCH;
        UsageSource { node, record: "r".to_owned(), through, digest: [digest; 32], complete_until }
    }

    fn sent(sequence: u64, oldest: u64, digest: u8) -> Sent {
        Sent { sequence, oldest, digest: [digest; 32] }
    }

    #[test]
    fn the_last_batch_may_come_again_and_only_with_the_same_content() {
        let known = source(7, 1);
        assert_eq!(place(Some(&known), sent(7, 7, 1)), Ok(Placed::Again));
        let code = |sent| place(Some(&known), sent).expect_err("refused").code;
        assert_eq!(code(sent(7, 7, 2)), Code::UsageConflict);
        assert_eq!(code(sent(3, 3, 1)), Code::UsageConflict);
    }

    #[test]
    fn a_later_batch_waits_for_those_that_the_node_still_has() {
        let known = source(7, 1);
        let code = |sent| place(Some(&known), sent).expect_err("refused").code;
        assert_eq!(code(sent(10, 8, 2)), Code::UsageOutOfOrder);
        assert_eq!(code(sent(10, 9, 2)), Code::UsageOutOfOrder);
        assert_eq!(place(Some(&known), sent(10, 10, 2)), Ok(Placed::New { missing: 2 }));
        assert_eq!(place(None, sent(1, 1, 2)), Ok(Placed::New { missing: 0 }));
    }

    proptest! {
        /// Whatever is sent in whatever order, a number counts once, and with the content it came with first.
        #[test]
        fn a_number_counts_once(calls in prop::collection::vec((1_u64..8, 1_u64..8, 0_u8..3), 0..60)) {
            let (mut known, mut stored) = (None, std::collections::BTreeMap::new());
            for (sequence, oldest, digest) in calls {
                let sent = sent(sequence, oldest.min(sequence), digest);
                match place(known.as_ref(), sent) {
                    Ok(Placed::New { missing }) => {
                        prop_assert_eq!(missing, sequence - 1 - known.as_ref().map_or(0, |it: &UsageSource| it.through));
                        prop_assert_eq!(stored.insert(sequence, digest), None);
                        known = Some(source(sequence, digest));
                    }
                    Ok(Placed::Again) => prop_assert_eq!(stored.get(&sequence), Some(&digest)),
                    Err(refusal) => {
                        prop_assert!(matches!(refusal.code, Code::UsageConflict | Code::UsageOutOfOrder));
                    }
                }
            }
        }
    }
}
