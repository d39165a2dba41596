//! Gratuitous ARP: neighbours learn at once that an address is here.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

/// A socket that sends frames and receives none. It is opened with `CAP_NET_RAW` and needs nothing later.
#[derive(Debug)]
pub(super) struct Announcer {
    socket: OwnedFd,
}

const MAC_BYTES: usize = 6;

impl Announcer {
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Self { socket })
    }

    /// Sends one announcement for each address.
    pub(super) fn announce(&self, ifindex: u32, addresses: &[Ipv4Addr]) -> io::Result<()> {
        let Some(device) = device(ifindex)? else { return Ok(()) };
        let Some(mac) = device.addr().filter(|mac| *mac != [0; MAC_BYTES]) else { return Ok(()) };
        for address in addresses {
            match sendto(self.socket.as_raw_fd(), &frame(mac, *address), &device, MsgFlags::empty()) {
                Ok(_) | Err(nix::Error::ENETDOWN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The link-layer address of a device.
fn device(ifindex: u32) -> io::Result<Option<LinkAddr>> {
    let addresses = getifaddrs()?.filter_map(|entry| entry.address?.as_link_addr().copied());
    let mut links = addresses.filter(|link| link.ifindex() == ifindex as usize);
    Ok(links.next())
}

/// An Ethernet frame with an ARP request for the sender's own address (RFC 5227 3).
fn frame(mac: [u8; MAC_BYTES], address: Ipv4Addr) -> Vec<u8> {
    const ARP: [u8; 2] = [0x08, 0x06];
    const REQUEST_OF_IPV4_OVER_ETHERNET: [u8; 8] = [0, 1, 0x08, 0, 6, 4, 0, 1];
    let [sender, target] = [mac, [0; MAC_BYTES]];
    let ip = address.octets();
    let head = [&[0xff; MAC_BYTES][..], &mac, &ARP, &REQUEST_OF_IPV4_OVER_ETHERNET].concat();
    [&head[..], &sender, &ip, &target, &ip].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_who_has_the_address() {
        let frame = frame([2, 0, 0, 0, 0, 7], Ipv4Addr::new(198, 51, 100, 7));
        assert_eq!(frame.len(), 14 + 28);
        assert_eq!(frame[..6], [0xff; 6]);
        assert_eq!(frame[22..32], [2, 0, 0, 0, 0, 7, 198, 51, 100, 7]);
        assert_eq!(frame[38..], [198, 51, 100, 7]);
    }
}
