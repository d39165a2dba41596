//! The clsact hook and its bpf filters, for kernels without TCX.
//!
//! A program is attached "direct action": its return value is the verdict, and -1 goes on to the next
//! filter. Ours is the first at ingress (lowest free priority from 1) and the last at egress
//! (highest from 65535), so that what is counted is what came from and what reaches the instance.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use limiter_common::meter::Direction;

use super::Netlink;
use super::error::NetlinkError;
use super::qdisc::{HEADER_BYTES, Qdisc, TCA_KIND, TCA_OPTIONS, header, terminated};
use super::socket::{CHANGE, CREATE, LIST};
use super::wire::{Request, attribute, attributes, put, text, u32_at};

const TCA_CHAIN: u16 = 11;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_ID: u16 = 11;
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;

/// Place and number of clsact and of the older `ingress`.
const CLSACT_PARENT: u32 = 0xffff_fff1;
const CLSACT_HANDLE: u32 = 0xffff_0000;
/// All frames, in network order as filters have it.
const ETH_P_ALL: u16 = (libc::ETH_P_ALL as u16).to_be();
/// Number of our filter within its priority, where filters of others may be too.
const OUR_HANDLE: u32 = 0x6c6d;

/// A filter on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Its classifier: bpf, flower, u32, ..
    pub kind: String,
    /// bpf: the name it was given.
    pub name: Option<String>,
    /// bpf: id of the program.
    pub program_id: Option<u32>,
    /// Chain it is in; 0 is where packets begin.
    pub chain: u32,
    /// Lower ones see a packet first.
    pub priority: u16,
    /// Protocol it looks at, as an `EtherType` in network order.
    pub protocol: u16,
    /// Its number within chain and priority, 0 for the priority itself.
    pub handle: u32,
}

impl Netlink {
    /// Makes sure that a device has clsact; true where it had none. Remember that: it goes with us then.
    ///
    /// [`NetlinkError::IngressTaken`] where somebody's `ingress` qdisc is in its place.
    pub async fn ensure_clsact(&mut self, ifindex: u32) -> Result<bool, NetlinkError> {
        let body = header(ifindex, CLSACT_HANDLE, CLSACT_PARENT, 0);
        let request = Request::new(libc::RTM_NEWQDISC, CREATE, &body).with(TCA_KIND, &terminated("clsact"));
        match self.socket.change(&format!("interface {ifindex}: add clsact"), request).await {
            Err(error) if error.errno() == Some(libc::EEXIST) => {}
            result => return result.map(|()| true),
        }
        let qdiscs = self.qdiscs().await?;
        let is_clsact = |qdisc: &Qdisc| qdisc.ifindex == ifindex && qdisc.kind == "clsact";
        if qdiscs.iter().any(is_clsact) { Ok(false) } else { Err(NetlinkError::IngressTaken { ifindex }) }
    }

    /// Deletes clsact where it has no filter left; call it only where [`Self::ensure_clsact`] made it.
    pub async fn remove_empty_clsact(&mut self, ifindex: u32) -> Result<bool, NetlinkError> {
        for direction in Direction::ALL {
            if !self.filters(ifindex, direction).await?.is_empty() {
                return Ok(false);
            }
        }
        let body = header(ifindex, CLSACT_HANDLE, CLSACT_PARENT, 0);
        let request = Request::new(libc::RTM_DELQDISC, CHANGE, &body);
        self.socket.change(&format!("interface {ifindex}: delete clsact"), request).await?;
        Ok(true)
    }

    /// The filters of a direction, those of others too, in the order they see packets; none where there is no clsact.
    pub async fn filters(&mut self, ifindex: u32, direction: Direction) -> Result<Vec<Filter>, NetlinkError> {
        let request = Request::new(libc::RTM_GETTFILTER, LIST, &header(ifindex, 0, parent(direction), 0));
        self.socket.list(&format!("interface {ifindex}: list the filters"), request, parse).await
    }

    /// Attaches a program under `name`, which must be ours alone; needs clsact.
    ///
    /// Where a filter of that name is attached its program is exchanged in one step: every packet is
    /// seen by the one or the other.
    pub async fn attach_filter(
        &mut self,
        ifindex: u32,
        direction: Direction,
        program: BorrowedFd<'_>,
        name: &str,
    ) -> Result<(), NetlinkError> {
        let filters = self.filters(ifindex, direction).await?;
        let ours = filters.iter().find(|filter| filter.is_named(name));
        let (flags, priority, handle) = if let Some(ours) = ours {
            (CHANGE | libc::NLM_F_CREATE as u16, ours.priority, ours.handle)
        } else {
            let priority = free_priority(direction, &filters).ok_or(NetlinkError::NoPriority { ifindex })?;
            (CREATE, priority, OUR_HANDLE)
        };
        let mut options = Vec::new();
        put(&mut options, TCA_BPF_FD, &program.as_raw_fd().to_ne_bytes());
        put(&mut options, TCA_BPF_NAME, &terminated(name));
        put(&mut options, TCA_BPF_FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes());
        let body = header(ifindex, handle, parent(direction), info(priority));
        let request = Request::new(libc::RTM_NEWTFILTER, flags, &body)
            .with(TCA_KIND, &terminated("bpf"))
            .with(TCA_OPTIONS, &options);
        self.socket
            .change(&format!("interface {ifindex}: attach the {direction:?} filter {name}"), request)
            .await
    }

    /// Takes the filter of that name away; false where there was none.
    pub async fn detach_filter(
        &mut self,
        ifindex: u32,
        direction: Direction,
        name: &str,
    ) -> Result<bool, NetlinkError> {
        let filters = self.filters(ifindex, direction).await?;
        let Some(ours) = filters.iter().find(|filter| filter.is_named(name)) else { return Ok(false) };
        let body = header(ifindex, ours.handle, parent(direction), info(ours.priority));
        let request = Request::new(libc::RTM_DELTFILTER, CHANGE, &body).with(TCA_KIND, &terminated("bpf"));
        let what = format!("interface {ifindex}: detach the {direction:?} filter {name}");
        self.socket.change(&what, request).await.map(|()| true)
    }
}

impl Filter {
    /// True for the bpf filter of that name on the chain where packets begin.
    pub fn is_named(&self, name: &str) -> bool {
        self.chain == 0 && self.kind == "bpf" && self.name.as_deref() == Some(name)
    }
}

/// The foremost priority at ingress, the hindmost at egress, that takes one more bpf filter.
///
/// A priority holds filters of one kind and one protocol only.
fn free_priority(direction: Direction, filters: &[Filter]) -> Option<u16> {
    let takes_ours = |priority: &u16| {
        let mut there = filters.iter().filter(|filter| (filter.chain, filter.priority) == (0, *priority));
        there.all(|other| other.kind == "bpf" && other.protocol == ETH_P_ALL && other.handle != OUR_HANDLE)
    };
    match direction {
        Direction::Up => (1..=u16::MAX).find(takes_ours),
        Direction::Down => (1..=u16::MAX).rev().find(takes_ours),
    }
}

/// The hook of a direction as seen from the instance: what it sends comes in.
const fn parent(direction: Direction) -> u32 {
    match direction {
        Direction::Up => 0xffff_fff2,
        Direction::Down => 0xffff_fff3,
    }
}

fn info(priority: u16) -> u32 {
    u32::from(priority) << 16 | u32::from(ETH_P_ALL)
}

fn parse(body: &[u8]) -> Option<Filter> {
    let info = u32_at(body, 16)?;
    let rest = body.get(HEADER_BYTES..)?;
    let kind = attribute(rest, TCA_KIND).map(text)?;
    let options = attribute(rest, TCA_OPTIONS).filter(|_| kind == "bpf").unwrap_or_default();
    let mut filter = Filter {
        name: None,
        program_id: None,
        chain: attribute(rest, TCA_CHAIN).and_then(|value| u32_at(value, 0)).unwrap_or_default(),
        priority: (info >> 16) as u16,
        protocol: info as u16,
        handle: u32_at(body, 8)?,
        kind,
    };
    for (option, value) in attributes(options) {
        match option {
            TCA_BPF_NAME => filter.name = Some(text(value)),
            TCA_BPF_ID => filter.program_id = u32_at(value, 0),
            _ => {}
        }
    }
    Some(filter)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Namespace;
    use super::*;

    fn filter(kind: &str, priority: u16, handle: u32) -> Filter {
        Filter {
            kind: kind.to_owned(),
            name: None,
            program_id: None,
            chain: 0,
            priority,
            protocol: ETH_P_ALL,
            handle,
        }
    }

    #[test]
    fn first_at_ingress_and_last_at_egress() {
        assert_eq!(free_priority(Direction::Up, &[]), Some(1));
        assert_eq!(free_priority(Direction::Down, &[]), Some(u16::MAX));
        let others = [filter("bpf", 1, 1), filter("bpf", u16::MAX, 1)];
        assert_eq!(free_priority(Direction::Up, &others), Some(1), "a bpf filter shares its priority");
        assert_eq!(free_priority(Direction::Down, &others), Some(u16::MAX));
        let others = [filter("flower", 1, 1), filter("bpf", 2, OUR_HANDLE), filter("u32", u16::MAX, 0)];
        assert_eq!(free_priority(Direction::Up, &others), Some(3));
        assert_eq!(free_priority(Direction::Down, &others), Some(u16::MAX - 1));
        let elsewhere = Filter { chain: 5, ..filter("flower", 1, 1) };
        assert_eq!(free_priority(Direction::Up, &[elsewhere]), Some(1), "another chain");
    }

    #[test]
    fn clsact_is_made_once_and_goes_only_when_empty() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        let before = space.tc("qdisc show");
        let ifindex = space.ifindex("one");
        space.run(async |netlink| {
            assert_eq!(netlink.filters(ifindex, Direction::Up).await.expect("filters"), []);
            assert!(netlink.ensure_clsact(ifindex).await.expect("made"));
            assert!(!netlink.ensure_clsact(ifindex).await.expect("there"));
            space.tc("filter add dev one egress prio 7 protocol ip u32 match u8 0 0 flowid 1:1");
            let filters = netlink.filters(ifindex, Direction::Down).await.expect("filters");
            assert!(filters.iter().all(|other| other.kind == "u32" && other.priority == 7), "{filters:?}");
            assert!(!filters.is_empty());
            assert!(!netlink.detach_filter(ifindex, Direction::Down, "limiter").await.expect("none of ours"));
            assert!(!netlink.remove_empty_clsact(ifindex).await.expect("kept"), "somebody uses it");
            space.tc("filter del dev one egress prio 7");
            assert!(netlink.remove_empty_clsact(ifindex).await.expect("deleted"));
        });
        assert_eq!(space.tc("qdisc show"), before);
    }

    #[test]
    fn somebodys_ingress_qdisc_is_left_alone() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        space.tc("qdisc add dev one ingress");
        let ifindex = space.ifindex("one");
        let error = space.run(async |netlink| netlink.ensure_clsact(ifindex).await.expect_err("taken"));
        assert!(matches!(error, NetlinkError::IngressTaken { .. }), "{error}");
    }

    #[test]
    fn a_device_that_is_gone_is_an_error_of_the_kernel() {
        let space = Namespace::new();
        let error = space.run(async |netlink| netlink.ensure_clsact(99).await.expect_err("no device"));
        assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
    }
}
