//! Pure: what must change on a device so that its packets leave when their stamps say.

use std::fmt;

use super::super::qdisc::{Qdisc, QdiscStep, ROOT, Spec};
use super::{FqOptions, OUR_HANDLE};

/// What to do about fq on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FqPlan {
    /// fq is there and large enough: the device shapes.
    Already,
    /// Put fq in the place of the kernel's default.
    Install(Vec<QdiscStep>),
    /// Raise the options of an fq that is there.
    Correct(Vec<QdiscStep>),
    /// The device was never up and has no scheduler yet: ask again when it is.
    Later,
    /// Somebody else rules the device: it polices.
    Refused {
        /// What is in the way.
        reason: String,
    },
}

/// Plans fq with at least the options `wanted` for a device.
///
/// Only what the kernel put there by itself is replaced, and only fq is corrected. A multi-queue
/// device gets an fq under each queue in use: one at the root would make its queues share one lock.
/// The kernel's own `mq` has no number to hang them on, so it is replaced by one that has.
///
/// Packets queued on the device at the moment of an `Install` are lost, as the kernel empties the
/// queues; a `Correct` loses none.
pub fn plan(ifindex: u32, qdiscs: &[Qdisc], wanted: &FqOptions) -> FqPlan {
    let Some(root) = root(ifindex, qdiscs) else { return FqPlan::Later };
    let steps = match (root.kind.as_str(), root.is_default()) {
        ("fq", false) => Ok(correct(root, wanted).into_iter().collect()),
        ("mq", is_default) => under_queues(root, &queues(root, qdiscs), wanted, is_default),
        (_, true) => Ok(vec![add(OUR_HANDLE, ROOT, wanted)]),
        (_, false) => Err(format!("the root qdisc is {}, set by somebody else", name(root))),
    };
    match steps {
        Err(reason) => FqPlan::Refused { reason },
        Ok(steps) if steps.is_empty() => FqPlan::Already,
        Ok(steps) if steps.iter().any(|step| matches!(step, QdiscStep::Add(_))) => FqPlan::Install(steps),
        Ok(steps) => FqPlan::Correct(steps),
    }
}

impl FqPlan {
    /// The steps to carry out, none where nothing can or must be done.
    pub fn steps(&self) -> &[QdiscStep] {
        match self {
            Self::Install(steps) | Self::Correct(steps) => steps,
            Self::Already | Self::Later | Self::Refused { .. } => &[],
        }
    }
}

impl fmt::Display for FqPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Already => f.write_str("fq is in place"),
            Self::Install(_) => f.write_str("install fq"),
            Self::Correct(_) => f.write_str("correct fq"),
            Self::Later => f.write_str("the device was never up"),
            Self::Refused { reason } => f.write_str(reason),
        }
    }
}

/// The root qdisc of a device.
pub(super) fn root(ifindex: u32, qdiscs: &[Qdisc]) -> Option<&Qdisc> {
    qdiscs.iter().find(|qdisc| qdisc.ifindex == ifindex && qdisc.is_root())
}

/// The qdiscs under the queues of an `mq`.
pub(super) fn queues<'a>(mq: &Qdisc, qdiscs: &'a [Qdisc]) -> Vec<&'a Qdisc> {
    let belongs = |qdisc: &&Qdisc| {
        qdisc.ifindex == mq.ifindex && !qdisc.is_root() && qdisc.parent >> 16 == mq.handle >> 16
    };
    qdiscs.iter().filter(belongs).collect()
}

fn under_queues(
    mq: &Qdisc,
    queues: &[&Qdisc],
    wanted: &FqOptions,
    is_default: bool,
) -> Result<Vec<QdiscStep>, String> {
    let foreign = queues.iter().find(|queue| !queue.is_default() && queue.kind != "fq");
    if let Some(foreign) = foreign {
        return Err(format!("queue {} has {}, set by somebody else", foreign.parent & 0xffff, name(foreign)));
    }
    let mut steps = Vec::new();
    let handle = if is_default { OUR_HANDLE } else { mq.handle };
    if is_default {
        let mq = Spec { handle, parent: ROOT, kind: "mq".to_owned(), options: Vec::new() };
        steps.push(QdiscStep::Add(mq));
    }
    for queue in queues {
        if queue.is_default() {
            steps.push(add(0, handle | (queue.parent & 0xffff), wanted));
        } else {
            steps.extend(correct(queue, wanted));
        }
    }
    Ok(steps)
}

fn add(handle: u32, parent: u32, wanted: &FqOptions) -> QdiscStep {
    QdiscStep::Add(Spec { handle, parent, kind: "fq".to_owned(), options: wanted.encode() })
}

/// The step that raises an fq to `wanted`, none where it is there already.
fn correct(fq: &Qdisc, wanted: &FqOptions) -> Option<QdiscStep> {
    let raised = fq.fq().map_or(*wanted, |present| present.raised_to(wanted));
    let spec = Spec { handle: fq.handle, parent: fq.parent, kind: fq.kind.clone(), options: raised.encode() };
    (fq.fq() != Some(raised)).then_some(QdiscStep::Change(spec))
}

fn name(qdisc: &Qdisc) -> String {
    format!("{} {:x}:", qdisc.kind, qdisc.handle >> 16)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::qdisc::Statistics;
    use super::*;

    pub(in super::super) const WANTED: FqOptions = FqOptions {
        limit_packets: 50_000,
        flow_limit_packets: 50_000,
        buckets_log: 16,
        orphan_mask: 0x7fff_ffff,
        horizon_us: 10_000_000,
    };
    pub(in super::super) const SMALL: FqOptions = FqOptions {
        limit_packets: 100_000,
        flow_limit_packets: 100,
        buckets_log: 10,
        orphan_mask: 1023,
        horizon_us: 10_000_000,
    };

    pub(in super::super) fn qdisc(kind: &str, handle: u32, parent: u32) -> Qdisc {
        let (kind, options) = (kind.to_owned(), Vec::new());
        Qdisc { ifindex: 7, handle, parent, kind, options, statistics: Statistics::default() }
    }

    pub(in super::super) fn fq(handle: u32, parent: u32, options: FqOptions) -> Qdisc {
        Qdisc { options: options.encode(), ..qdisc("fq", handle, parent) }
    }

    fn words(plan: &FqPlan) -> Vec<String> {
        plan.steps().iter().map(ToString::to_string).collect()
    }

    const OPTIONS: &str =
        "limit 50000 flow_limit 50000 buckets 65536 orphan_mask 2147483647 horizon 10000000us";

    #[test]
    fn a_default_root_is_replaced() {
        for kind in ["noqueue", "pfifo_fast", "fq_codel", "fq"] {
            let plan = plan(7, &[qdisc(kind, 0, ROOT)], &WANTED);
            assert!(matches!(plan, FqPlan::Install(_)), "{kind}");
            assert_eq!(words(&plan), [format!("add root handle 6c6d: fq {OPTIONS}")]);
        }
    }

    #[test]
    fn each_queue_in_use_gets_its_own() {
        let default = [qdisc("mq", 0, ROOT), qdisc("fq_codel", 0, 1), qdisc("fq_codel", 0, 2)];
        let plan = plan(7, &default, &WANTED);
        assert!(matches!(plan, FqPlan::Install(_)));
        let expected = [
            "add root handle 6c6d: mq".to_owned(),
            format!("add parent 6c6d:1 fq {OPTIONS}"),
            format!("add parent 6c6d:2 fq {OPTIONS}"),
        ];
        assert_eq!(words(&plan), expected);
    }

    #[test]
    fn what_an_earlier_round_left_undone_is_done() {
        let half = [
            qdisc("mq", OUR_HANDLE, ROOT),
            fq(0x8001 << 16, OUR_HANDLE | 1, WANTED),
            qdisc("fq_codel", 0, OUR_HANDLE | 2),
        ];
        assert_eq!(words(&plan(7, &half, &WANTED)), [format!("add parent 6c6d:2 fq {OPTIONS}")]);
    }

    #[test]
    fn an_fq_is_raised_and_never_lowered() {
        let plan = plan(7, &[fq(0x8001 << 16, ROOT, SMALL)], &WANTED);
        assert!(matches!(plan, FqPlan::Correct(_)));
        let raised = OPTIONS.replace("limit 50000 flow", "limit 100000 flow");
        assert_eq!(words(&plan), [format!("change root handle 8001: fq {raised}")]);
    }

    #[test]
    fn a_second_plan_is_empty() {
        let single = [fq(OUR_HANDLE, ROOT, WANTED)];
        assert_eq!(plan(7, &single, &WANTED), FqPlan::Already);
        let queues = [qdisc("mq", OUR_HANDLE, ROOT), fq(0x8001 << 16, OUR_HANDLE | 1, WANTED)];
        assert_eq!(plan(7, &queues, &WANTED), FqPlan::Already);
        let corrected = [fq(0x8001 << 16, ROOT, SMALL.raised_to(&WANTED))];
        assert_eq!(plan(7, &corrected, &WANTED), FqPlan::Already);
    }

    #[test]
    fn what_somebody_set_is_refused_by_name() {
        let refused = |qdiscs: &[Qdisc]| match plan(7, qdiscs, &WANTED) {
            FqPlan::Refused { reason } => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&[qdisc("htb", 1 << 16, ROOT)]), "the root qdisc is htb 1:, set by somebody else");
        assert_eq!(
            refused(&[qdisc("fq_codel", 0x8001 << 16, ROOT)]),
            "the root qdisc is fq_codel 8001:, set by somebody else"
        );
        let mq = [qdisc("mq", 0x1f << 16, ROOT), qdisc("tbf", 0x8002 << 16, (0x1f << 16) | 3)];
        assert_eq!(refused(&mq), "queue 3 has tbf 8002:, set by somebody else");
    }

    #[test]
    fn other_devices_and_clsact_do_not_count() {
        let clsact = qdisc("clsact", 0xffff_0000, 0xffff_fff1);
        assert_eq!(plan(7, std::slice::from_ref(&clsact), &WANTED), FqPlan::Later);
        let other = Qdisc { ifindex: 8, ..qdisc("htb", 1 << 16, ROOT) };
        assert!(matches!(plan(7, &[clsact, other, qdisc("noqueue", 0, ROOT)], &WANTED), FqPlan::Install(_)));
    }
}
