//! Pure: what a device had before us, and the way back to it.

use serde::{Deserialize, Serialize};

use super::super::link::Link;
use super::super::qdisc::{Qdisc, QdiscStep, Spec};
use super::OUR_HANDLE;
use super::plan::{queues, root};

/// What a device had before its first plan was carried out; keep the first, later ones saw our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The device; a recreated one has another number, and this does not concern it.
    pub ifindex: u32,
    /// `txqueuelen`, packets.
    pub tx_queue_packets: u32,
    /// Root and queues that somebody had set, root first; empty where the kernel's default ruled.
    pub qdiscs: Vec<Qdisc>,
}

/// What must be known to undo a plan on `link`.
pub fn save(link: &Link, qdiscs: &[Qdisc]) -> Saved {
    let set_by_others =
        root(link.ifindex, qdiscs).filter(|root| !root.is_default() && root.handle != OUR_HANDLE);
    let tree = set_by_others.map(|root| {
        let queues = queues(root, qdiscs).into_iter().filter(|queue| !queue.is_default());
        std::iter::once(root).chain(queues).cloned().collect()
    });
    Saved { ifindex: link.ifindex, tx_queue_packets: link.tx_queue_packets, qdiscs: tree.unwrap_or_default() }
}

/// The steps that give a device back what it had; none where somebody else changed it since.
///
/// Our own root is known by its number, so it goes even where `saved` was lost.
pub fn restore(ifindex: u32, saved: Option<&Saved>, qdiscs: &[Qdisc]) -> Vec<QdiscStep> {
    let saved = saved.filter(|saved| saved.ifindex == ifindex);
    let Some(present) = root(ifindex, qdiscs) else { return Vec::new() };
    if present.handle == OUR_HANDLE {
        let length = saved.filter(|saved| saved.tx_queue_packets == 0).map(|_| QdiscStep::TxQueueLength(0));
        return std::iter::once(QdiscStep::DeleteRoot).chain(length).collect();
    }
    let Some([before, queues_before @ ..]) = saved.map(|saved| saved.qdiscs.as_slice()) else {
        return Vec::new();
    };
    if (&before.kind, before.handle) != (&present.kind, present.handle) {
        return Vec::new();
    }
    let queues = queues(present, qdiscs);
    let ours = |queue: &&Qdisc| {
        queue.kind == "fq"
            && !queue.is_default()
            && !queues_before.iter().any(|old| old.parent == queue.parent)
    };
    let all_fq = queues.iter().all(|queue| queue.is_default() || queue.kind == "fq");
    if all_fq && queues.iter().any(ours) {
        // A queue whose qdisc is deleted gets no default back and drops all: the tree is made anew.
        let again = std::iter::once(before).chain(queues_before).map(|old| QdiscStep::Add(spec(old)));
        return std::iter::once(QdiscStep::DeleteRoot).chain(again).collect();
    }
    let tree = std::iter::once(present).chain(queues);
    tree.filter_map(|now| {
        let same = |old: &&Qdisc| (old.parent, old.handle, &old.kind) == (now.parent, now.handle, &now.kind);
        let old = std::iter::once(before).chain(queues_before).find(same)?;
        (old.options != now.options && now.kind == "fq").then(|| QdiscStep::Change(spec(old)))
    })
    .collect()
}

fn spec(qdisc: &Qdisc) -> Spec {
    let Qdisc { handle, parent, kind, options, .. } = qdisc.clone();
    Spec { handle, parent, kind, options }
}

#[cfg(test)]
mod tests {
    use super::super::super::qdisc::ROOT;
    use super::super::plan::tests::{SMALL, WANTED, fq, qdisc};
    use super::*;

    fn link(tx_queue_packets: u32) -> Link {
        Link {
            ifindex: 7,
            name: "eth0".to_owned(),
            kind: None,
            master_ifindex: None,
            parent_ifindex: None,
            has_mac: true,
            up: true,
            mtu_bytes: 1500,
            tx_queues: 1,
            tx_queue_packets,
        }
    }

    fn words(steps: &[QdiscStep]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    const MQ: u32 = 0x1f << 16;

    #[test]
    fn our_root_goes_and_the_default_comes_back() {
        let saved = save(&link(1000), &[qdisc("noqueue", 0, ROOT)]);
        assert_eq!(saved.qdiscs, []);
        let now = [fq(OUR_HANDLE, ROOT, WANTED)];
        assert_eq!(words(&restore(7, Some(&saved), &now)), ["del root"]);
        assert_eq!(words(&restore(7, None, &now)), ["del root"], "the state was lost");
        assert_eq!(save(&link(1000), &now).qdiscs, [], "ours is nothing to come back to");
    }

    #[test]
    fn a_queue_length_of_zero_comes_back() {
        let saved = save(&link(0), &[qdisc("noqueue", 0, ROOT)]);
        let steps = restore(7, Some(&saved), &[fq(OUR_HANDLE, ROOT, WANTED)]);
        assert_eq!(words(&steps), ["del root", "set txqueuelen 0"]);
    }

    #[test]
    fn a_corrected_fq_gets_its_options_back() {
        let before = [fq(0x8001 << 16, ROOT, SMALL)];
        let saved = save(&link(1000), &before);
        let now = [fq(0x8001 << 16, ROOT, SMALL.raised_to(&WANTED))];
        let steps = restore(7, Some(&saved), &now);
        assert_eq!(words(&steps), [format!("change root handle 8001: fq {SMALL}")]);
        assert_eq!(restore(7, Some(&saved), &before), []);
    }

    #[test]
    fn a_queue_that_had_the_default_makes_the_tree_anew() {
        let before = [qdisc("mq", MQ, ROOT), fq(0x8001 << 16, MQ | 1, SMALL), qdisc("fq_codel", 0, MQ | 2)];
        let saved = save(&link(1000), &before);
        let now = [qdisc("mq", MQ, ROOT), fq(0x8001 << 16, MQ | 1, WANTED), fq(0x8002 << 16, MQ | 2, WANTED)];
        let expected = [
            "del root".to_owned(),
            "add root handle 1f: mq".to_owned(),
            format!("add parent 1f:1 handle 8001: fq {SMALL}"),
        ];
        assert_eq!(words(&restore(7, Some(&saved), &now)), expected);
        assert_eq!(restore(7, Some(&saved), &before), []);
    }

    #[test]
    fn queues_that_all_had_fq_are_only_changed() {
        let before = [qdisc("mq", MQ, ROOT), fq(0x8001 << 16, MQ | 1, SMALL)];
        let saved = save(&link(1000), &before);
        let now = [qdisc("mq", MQ, ROOT), fq(0x8001 << 16, MQ | 1, WANTED)];
        let steps = restore(7, Some(&saved), &now);
        assert_eq!(words(&steps), [format!("change parent 1f:1 handle 8001: fq {SMALL}")]);
    }

    #[test]
    fn what_others_changed_since_is_left_alone() {
        let saved = save(&link(1000), &[fq(0x8001 << 16, ROOT, SMALL)]);
        assert_eq!(restore(7, Some(&saved), &[qdisc("htb", 1 << 16, ROOT)]), []);
        assert_eq!(restore(7, Some(&saved), &[fq(0x8002 << 16, ROOT, SMALL)]), []);
        assert_eq!(restore(8, Some(&saved), &[]), []);
        let elsewhere = Qdisc { ifindex: 8, ..fq(0x8001 << 16, ROOT, WANTED) };
        assert_eq!(restore(8, Some(&saved), &[elsewhere]), [], "a recreated device");
    }

    #[test]
    fn the_saved_state_survives_a_file() {
        let saved = save(&link(0), &[fq(0x8001 << 16, ROOT, SMALL)]);
        let text = serde_json::to_string(&saved).expect("to text");
        assert_eq!(serde_json::from_str::<Saved>(&text).expect("from text"), saved);
    }
}
