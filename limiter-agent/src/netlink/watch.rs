//! Wakes up when devices, addresses, schedulers, filters, default routes or our table of nftables change.

use std::fmt;
use std::io;
use std::time::Duration;

use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};

use super::error::NetlinkError;
use super::wire::{Message, attribute, next_message, text};
use crate::egress::table::NAME;

/// Changes that come within this time of the first wake up once.
const GATHER: Duration = Duration::from_millis(20);
/// Above the largest notification; a longer one is cut and wakes all the same.
const DATAGRAM_BYTES: usize = 64 << 10;
/// Asked for; the kernel gives what its limit allows. Beyond it changes are lost, we are told, and wake.
const BUFFER_BYTES: u32 = 1 << 20;
const GROUPS: i32 = libc::RTMGRP_LINK
    | libc::RTMGRP_TC
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_ROUTE;
/// `NFNLGRP_NFTABLES`, as a bit.
const NFTABLES_GROUP: i32 = 1 << (7 - 1);
/// `NFNL_SUBSYS_NFTABLES` in the upper byte of a type; the first attribute of nearly every message is a table's name.
const NFTABLES: u16 = 10;
const TABLE_NAME: u16 = 1;

/// Notifications of the network namespace in which it was opened.
///
/// It tells that something changed, never what: the listener reads everything again. Open it before
/// the first reading, then no change is missed. Changes that the listener makes wake it too, once.
pub struct Watch {
    socket: TokioSocket,
    /// None where the kernel has no nftables.
    rules: Option<TokioSocket>,
    rules_datagram: Vec<u8>,
    /// Something changed and nobody was told yet.
    is_pending: bool,
    datagram: Vec<u8>,
}

impl Watch {
    /// Opens it in the calling thread's network namespace; needs a tokio runtime.
    pub fn open() -> Result<Self, NetlinkError> {
        let socket = subscribe(NETLINK_ROUTE, GROUPS).map_err(NetlinkError::Open)?;
        let rules = subscribe(NETLINK_NETFILTER, NFTABLES_GROUP).ok();
        let rules_datagram = Vec::with_capacity(DATAGRAM_BYTES);
        Ok(Self {
            socket,
            rules,
            rules_datagram,
            is_pending: false,
            datagram: Vec::with_capacity(DATAGRAM_BYTES),
        })
    }

    /// Waits for a change, then 20 ms longer for those that follow it. Dropped half-way it forgets nothing.
    pub async fn changed(&mut self) -> Result<(), NetlinkError> {
        while !self.is_pending {
            self.is_pending = self.receive().await?;
        }
        tokio::time::sleep(GATHER).await;
        while let Ok(received) = tokio::time::timeout(Duration::ZERO, self.receive()).await {
            received?;
        }
        self.is_pending = false;
        Ok(())
    }

    /// Receives one notification; true where it matters.
    async fn receive(&mut self) -> Result<bool, NetlinkError> {
        self.datagram.clear();
        self.rules_datagram.clear();
        let received = tokio::select! {
            received = self.socket.recv_from(&mut self.datagram) => received.map(|_| matters(&self.datagram)),
            received = receive_some(self.rules.as_mut(), &mut self.rules_datagram) => {
                received.map(|()| is_of_our_table(&self.rules_datagram))
            }
        };
        match received {
            Ok(matters) => Ok(matters),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(true),
            Err(source) => Err(NetlinkError::Socket { request: "watch the devices".to_owned(), source }),
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// Waits for ever where there is no socket.
async fn receive_some(socket: Option<&mut TokioSocket>, datagram: &mut Vec<u8>) -> io::Result<()> {
    match socket {
        Some(socket) => socket.recv_from(datagram).await.map(drop),
        None => std::future::pending().await,
    }
}

fn subscribe(protocol: isize, groups: i32) -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(protocol)?;
    let options = socket.socket_mut();
    options.set_rx_buf_sz(BUFFER_BYTES)?;
    options.bind(&SocketAddr::new(0, groups as u32))?;
    Ok(socket)
}

/// False only where all it tells is of routes that are no default route: a router learns thousands.
fn matters(mut datagram: &[u8]) -> bool {
    let mut matters = false;
    while let Some(Message { kind, body, .. }) = next_message(&mut datagram) {
        let is_route = matches!(kind, libc::RTM_NEWROUTE | libc::RTM_DELROUTE);
        matters |= !is_route || body.get(1).is_none_or(|&destination_bits| destination_bits == 0);
    }
    matters || !datagram.is_empty()
}

/// True where one of the changes of nftables is of our table; others may change theirs all day.
fn is_of_our_table(mut datagram: &[u8]) -> bool {
    const FAMILY_BYTES: usize = 4;
    let mut is_ours = false;
    while let Some(Message { kind, body, .. }) = next_message(&mut datagram) {
        let name = body.get(FAMILY_BYTES..).and_then(|rest| attribute(rest, TABLE_NAME)).map(text);
        is_ours |= kind >> 8 == NFTABLES && name.as_deref() == Some(NAME);
    }
    is_ours
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::super::testing::Namespace;
    use super::*;

    /// True where the watch wakes within a time that no wake-up needs.
    async fn wakes(watch: &mut Watch) -> bool {
        let patience = Duration::from_millis(500);
        tokio::time::timeout(patience, watch.changed()).await.is_ok_and(|changed| changed.is_ok())
    }

    #[test]
    fn every_kind_of_change_wakes_once() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        space.run(async |_| {
            let mut watch = Watch::open().expect("a watch");
            space.ip("link set one up");
            space.ip("link set two up");
            while wakes(&mut watch).await {}
            for change in [
                "address add 192.0.2.1/24 dev one",
                "address add 2001:db8::1/64 dev one nodad",
                "route add default via 192.0.2.2",
                "link add three type veth peer name four",
                "link delete three",
            ] {
                space.ip(change);
                assert!(wakes(&mut watch).await, "{change}");
                while wakes(&mut watch).await {}
            }
            for change in
                ["qdisc add dev one clsact", "filter add dev one ingress u32 match u8 0 0 flowid 1:1"]
            {
                space.tc(change);
                assert!(wakes(&mut watch).await, "{change}");
                assert!(!wakes(&mut watch).await, "once for {change}");
            }
            space.ip("route add 198.51.100.0/24 via 192.0.2.2");
            assert!(!wakes(&mut watch).await, "a route that is no default route");
        });
    }

    #[test]
    fn a_change_of_our_table_wakes_and_one_of_others_does_not() {
        let space = Namespace::new();
        let nft = |words: &str| {
            let status = Command::new("nft").args(words.split(' ')).status().expect("nft: install nftables");
            assert!(status.success(), "{words}");
        };
        space.run(async |_| {
            let mut watch = Watch::open().expect("a watch");
            while wakes(&mut watch).await {}
            for (words, is_ours) in [
                ("add table inet other", false),
                ("add chain inet other limiter", false),
                ("add table inet limiter", true),
                ("add chain inet limiter one", true),
                ("add rule inet limiter one drop", true),
                ("add set inet limiter some { type ipv4_addr; }", true),
                ("add element inet limiter some { 192.0.2.1 }", true),
                ("delete element inet limiter some { 192.0.2.1 }", true),
                ("delete table inet other", false),
                ("flush ruleset", true),
            ] {
                nft(words);
                assert_eq!(wakes(&mut watch).await, is_ours, "{words}");
                while wakes(&mut watch).await {}
            }
        });
    }

    #[test]
    fn a_new_device_wakes_at_once() {
        let space = Namespace::new();
        space.run(async |_| {
            let mut watch = Watch::open().expect("a watch");
            space.ip("link add one type veth peer name two");
            let start = Instant::now();
            assert!(wakes(&mut watch).await);
            assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
        });
    }

    #[test]
    fn a_change_survives_a_wait_that_was_dropped() {
        let space = Namespace::new();
        space.run(async |_| {
            let mut watch = Watch::open().expect("a watch");
            space.ip("link add one type veth peer name two");
            assert!(tokio::time::timeout(GATHER / 2, watch.changed()).await.is_err(), "still gathering");
            assert!(wakes(&mut watch).await);
        });
    }

    #[test]
    fn an_overrun_wakes_and_the_watch_goes_on() {
        let space = Namespace::new();
        space.ip("link add one type veth peer name two");
        space.run(async |_| {
            let mut watch = Watch::open().expect("a watch");
            watch.socket.socket_mut().set_rx_buf_sz(1_u32).expect("the smallest buffer");
            for mtu in 1000..1020 {
                space.ip(&format!("link set one mtu {mtu}"));
            }
            let mut overruns = 0;
            while let Ok(received) = tokio::time::timeout(
                Duration::ZERO,
                watch.socket.recv_from(&mut Vec::with_capacity(DATAGRAM_BYTES)),
            )
            .await
            {
                overruns +=
                    usize::from(received.is_err_and(|error| error.raw_os_error() == Some(libc::ENOBUFS)));
            }
            assert!(overruns > 0, "the buffer was to run over");
            for mtu in 1020..1040 {
                space.ip(&format!("link set one mtu {mtu}"));
            }
            assert!(wakes(&mut watch).await, "after an overrun");
            space.ip("link set one mtu 1400");
            assert!(wakes(&mut watch).await, "a change after it");
        });
    }
}
