//! Packet schedulers: list them, and carry out steps on a device's tree.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Netlink;
use super::error::NetlinkError;
use super::fq::FqOptions;
use super::socket::{CHANGE, CREATE, LIST};
use super::wire::{Request, attribute, attributes, text, u32_at, u64_at};

pub(super) const TCA_KIND: u16 = 1;
pub(super) const TCA_OPTIONS: u16 = 2;
const TCA_STATS2: u16 = 7;
const TCA_STATS_QUEUE: u16 = 3;
const TCA_STATS_APP: u16 = 4;

/// Parent of a device's root qdisc.
pub(super) const ROOT: u32 = 0xffff_ffff;
/// Bytes of `struct tcmsg`.
pub(super) const HEADER_BYTES: usize = 20;

/// A packet scheduler on a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qdisc {
    /// The device.
    pub ifindex: u32,
    /// Its number, major in the upper half; 0 for one that the kernel put there by itself.
    pub handle: u32,
    /// The class or root it hangs on.
    pub parent: u32,
    /// fq, mq, noqueue, htb, ..
    pub kind: String,
    /// Its options as the kernel shows them, and takes them back.
    pub options: Vec<u8>,
    /// What it counted.
    #[serde(skip)]
    pub statistics: Statistics,
}

/// Counters of a qdisc since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets waiting in it now.
    pub queued_packets: u32,
    /// Bytes waiting in it now.
    pub queued_bytes: u32,
    /// Packets it refused, for all reasons; begins anew at 2^32.
    pub dropped_packets: u32,
    /// fq: refused because their flow held too many.
    pub flow_limit_packets: u64,
    /// fq: refused because they were to leave too late.
    pub horizon_packets: u64,
    /// fq: flows it could not allocate; their packets leave at once.
    pub allocation_errors: u64,
}

impl Qdisc {
    /// True where it is the root of the device's transmit side.
    pub fn is_root(&self) -> bool {
        self.parent == ROOT
    }

    /// True for a scheduler that nobody asked for: the kernel's choice for the device.
    pub fn is_default(&self) -> bool {
        self.handle == 0
    }

    /// Its options, where it is fq.
    pub fn fq(&self) -> Option<FqOptions> {
        (self.kind == "fq").then(|| FqOptions::parse(&self.options))?
    }
}

/// One change to a device's tree of qdiscs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QdiscStep {
    /// Puts a qdisc where there is none or a default one.
    Add(Spec),
    /// Sets options of the qdisc that is there; its packets and counters stay.
    Change(Spec),
    /// Takes the root away with all under it: the default comes back.
    DeleteRoot,
    /// Sets `txqueuelen`, packets.
    TxQueueLength(u32),
}

/// Place, kind and options of a qdisc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its number; 0 lets the kernel choose.
    pub handle: u32,
    /// The class or root it hangs on.
    pub parent: u32,
    /// fq or mq.
    pub kind: String,
    /// Its options, none where empty.
    pub options: Vec<u8>,
}

impl Netlink {
    /// The qdiscs of all devices. One listing: the kernel has no way to ask for one device.
    ///
    /// A device that was never up shows none.
    pub async fn qdiscs(&mut self) -> Result<Vec<Qdisc>, NetlinkError> {
        let request = Request::new(libc::RTM_GETQDISC, LIST, &[0; HEADER_BYTES]);
        self.socket.list("list the qdiscs", request, parse).await
    }

    /// True where the kernel has the scheduler fq; loads its module where there is one.
    pub async fn has_fq(&mut self) -> Result<bool, NetlinkError> {
        /// `lo` in every namespace.
        const LOOPBACK: u32 = 1;
        let spec = Spec {
            handle: 0,
            parent: ROOT,
            kind: "fq".to_owned(),
            options: FqOptions::REFUSED_BY_EVERY_KERNEL.encode(),
        };
        match self.qdisc_step(LOOPBACK, &QdiscStep::Add(spec)).await {
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(false),
            Err(error) if error.errno() == Some(libc::EINVAL) => Ok(true),
            other => other.map(|()| true),
        }
    }

    /// Carries out `steps` on a device, in order, up to the first that fails.
    ///
    /// [`NetlinkError::FqMissing`] before anything is changed, where they need fq and there is none.
    pub async fn apply(&mut self, ifindex: u32, steps: &[QdiscStep]) -> Result<(), NetlinkError> {
        let adds_fq = steps.iter().any(|step| matches!(step, QdiscStep::Add(spec) if spec.kind == "fq"));
        if adds_fq && !self.has_fq().await? {
            return Err(NetlinkError::FqMissing);
        }
        for step in steps {
            self.qdisc_step(ifindex, step).await?;
        }
        Ok(())
    }

    async fn qdisc_step(&mut self, ifindex: u32, step: &QdiscStep) -> Result<(), NetlinkError> {
        let request = match step {
            QdiscStep::Add(spec) => spec.request(ifindex, CREATE),
            QdiscStep::Change(spec) => spec.request(ifindex, CHANGE),
            QdiscStep::DeleteRoot => Request::new(libc::RTM_DELQDISC, CHANGE, &header(ifindex, 0, ROOT, 0)),
            QdiscStep::TxQueueLength(packets) => return self.set_tx_queue_packets(ifindex, *packets).await,
        };
        self.socket.change(&format!("interface {ifindex}: {step}"), request).await
    }
}

impl Spec {
    fn request(&self, ifindex: u32, flags: u16) -> Request {
        let request = Request::new(libc::RTM_NEWQDISC, flags, &header(ifindex, self.handle, self.parent, 0))
            .with(TCA_KIND, &terminated(&self.kind));
        if self.options.is_empty() { request } else { request.with(TCA_OPTIONS, &self.options) }
    }
}

impl fmt::Display for QdiscStep {
    /// The words that follow `tc qdisc`, without the device.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(spec) => write!(f, "add {spec}"),
            Self::Change(spec) => write!(f, "change {spec}"),
            Self::DeleteRoot => f.write_str("del root"),
            Self::TxQueueLength(packets) => write!(f, "set txqueuelen {packets}"),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parent == ROOT {
            f.write_str("root")?;
        } else {
            write!(f, "parent {:x}:{:x}", self.parent >> 16, self.parent & 0xffff)?;
        }
        if self.handle != 0 {
            write!(f, " handle {:x}:", self.handle >> 16)?;
        }
        write!(f, " {}", self.kind)?;
        match FqOptions::parse(&self.options) {
            Some(options) if self.kind == "fq" => write!(f, " {options}"),
            _ => Ok(()),
        }
    }
}

/// `struct tcmsg`.
pub(super) fn header(ifindex: u32, handle: u32, parent: u32, info: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    for (index, word) in [ifindex, handle, parent, info].into_iter().enumerate() {
        bytes[4 + index * 4..][..4].copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// A text attribute's value.
pub(super) fn terminated(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn parse(body: &[u8]) -> Option<Qdisc> {
    let mut qdisc = Qdisc {
        ifindex: u32_at(body, 4)?,
        handle: u32_at(body, 8)?,
        parent: u32_at(body, 12)?,
        kind: String::new(),
        options: Vec::new(),
        statistics: Statistics::default(),
    };
    let mut counters: &[u8] = &[];
    for (kind, value) in attributes(body.get(HEADER_BYTES..)?) {
        match kind {
            TCA_KIND => qdisc.kind = text(value),
            TCA_OPTIONS => qdisc.options = value.to_vec(),
            TCA_STATS2 => counters = value,
            _ => {}
        }
    }
    qdisc.statistics = statistics(counters, qdisc.kind == "fq");
    Some(qdisc)
}

fn statistics(counters: &[u8], is_fq: bool) -> Statistics {
    // `struct gnet_stats_queue` and `struct tc_fq_qd_stats`, whose end grew with the kernel.
    let queue = attribute(counters, TCA_STATS_QUEUE).unwrap_or_default();
    let fq = attribute(counters, TCA_STATS_APP).filter(|_| is_fq).unwrap_or_default();
    let word = |offset| u32_at(queue, offset).unwrap_or_default();
    let long = |offset| u64_at(fq, offset).unwrap_or_default();
    Statistics {
        queued_packets: word(0),
        queued_bytes: word(4),
        dropped_packets: word(8),
        flow_limit_packets: long(32),
        allocation_errors: long(48),
        horizon_packets: long(88),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Namespace;
    use super::*;

    #[test]
    fn qdiscs_are_listed_with_their_place() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        space.ip("link set one up");
        space.tc("qdisc add dev two root handle 5: htb default 1");
        space.tc("qdisc add dev two clsact");
        space.ip("link add never type veth peer name used");
        let qdiscs = space.run(async |netlink| netlink.qdiscs().await.expect("qdiscs"));
        let of = |device: &str| {
            let ifindex = space.ifindex(device);
            qdiscs.iter().filter(|qdisc| qdisc.ifindex == ifindex).collect::<Vec<_>>()
        };
        assert_eq!(of("never"), Vec::<&Qdisc>::new());
        let [one] = of("one")[..] else { panic!("one qdisc: {qdiscs:?}") };
        assert_eq!((one.kind.as_str(), one.is_root(), one.is_default()), ("noqueue", true, true));
        let [htb, clsact] = of("two")[..] else { panic!("two qdiscs: {qdiscs:?}") };
        assert_eq!((htb.kind.as_str(), htb.handle, htb.is_root()), ("htb", 5 << 16, true));
        assert!(!htb.options.is_empty() && !htb.is_default());
        assert_eq!((clsact.kind.as_str(), clsact.is_root()), ("clsact", false));
    }

    #[test]
    fn drops_are_counted() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        space.ip("link set one up");
        space.ip("link set two up");
        space.tc("qdisc add dev one root tbf rate 8kbit burst 2000 limit 2000");
        space.ip("address add 192.0.2.1/24 dev one");
        space.ip("neighbour add 192.0.2.2 lladdr 02:00:00:00:00:01 dev one");
        let (statistics, sent) = space.run(async |netlink| {
            let socket = std::net::UdpSocket::bind("192.0.2.1:0").expect("a socket");
            let sent = (0..20).filter(|_| socket.send_to(&[0; 1000], "192.0.2.2:9").is_ok()).count();
            let qdiscs = netlink.qdiscs().await.expect("qdiscs");
            (qdiscs.iter().find(|qdisc| qdisc.kind == "tbf").expect("tbf").statistics, sent)
        });
        assert!(sent > 10, "{sent} packets were sent");
        assert!(statistics.dropped_packets >= 10, "{statistics:?}");
        assert!(statistics.queued_packets >= 1 && statistics.queued_bytes >= 1000, "{statistics:?}");
    }

    #[test]
    fn the_kernels_words_are_in_the_error() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        let spec = Spec { handle: 0, parent: ROOT, kind: "nonesuch".to_owned(), options: Vec::new() };
        let error = space.run(async |netlink| {
            let ifindex = space.ifindex("one");
            netlink.apply(ifindex, &[QdiscStep::Add(spec)]).await.expect_err("no such kind")
        });
        assert_eq!(error.errno(), Some(libc::ENOENT));
        assert!(error.to_string().ends_with("add root nonesuch: Specified qdisc kind is unknown"), "{error}");
    }

    #[test]
    fn a_kernel_without_fq_is_told_apart_and_nothing_is_changed() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        space.ip("link set one up");
        let before = space.tc("qdisc show");
        let (has_fq, result) = space.run(async |netlink| {
            let has_fq = netlink.has_fq().await.expect("an answer");
            let ifindex = space.ifindex("one");
            let fq = Spec { handle: 0, parent: ROOT, kind: "fq".to_owned(), options: Vec::new() };
            let steps = [QdiscStep::Add(fq), QdiscStep::DeleteRoot];
            (has_fq, netlink.apply(ifindex, &steps).await)
        });
        match result {
            Ok(()) => assert!(has_fq),
            Err(NetlinkError::FqMissing) => assert!(!has_fq),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(space.tc("qdisc show"), before);
    }
}
