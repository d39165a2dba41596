//! Wakes up when devices, addresses, schedulers, filters or default routes change.

use std::fmt;
use std::io;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};

use super::error::NetlinkError;
use super::wire::{Message, next_message};

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

/// Notifications of the network namespace in which it was opened.
///
/// It tells that something changed, never what: the listener reads everything again. Open it before
/// the first reading, then no change is missed. Changes that the listener makes wake it too, once.
pub struct Watch {
    socket: TokioSocket,
    /// Something changed and nobody was told yet.
    is_pending: bool,
    datagram: Vec<u8>,
}

impl Watch {
    /// Opens it in the calling thread's network namespace; needs a tokio runtime.
    pub fn open() -> Result<Self, NetlinkError> {
        let socket = subscribe().map_err(NetlinkError::Open)?;
        Ok(Self { socket, is_pending: false, datagram: Vec::with_capacity(DATAGRAM_BYTES) })
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
        match self.socket.recv_from(&mut self.datagram).await {
            Ok(_) => Ok(matters(&self.datagram)),
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

fn subscribe() -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    let options = socket.socket_mut();
    options.set_rx_buf_sz(BUFFER_BYTES)?;
    options.bind(&SocketAddr::new(0, GROUPS as u32))?;
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

#[cfg(test)]
mod tests {
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
