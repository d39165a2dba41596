//! What the kernel tracks: connections with the address they leave through, and the generation of the rules.

use std::net::Ipv4Addr;

use netlink_sys::protocols::NETLINK_NETFILTER;

use super::error::NetlinkError;
use super::socket::{CHANGE, LIST, REQUEST, Socket};
use super::wire::{Request, attribute, put};

/// `NFNL_SUBSYS_CTNETLINK`, with `IPCTNL_MSG_CT_GET` and `IPCTNL_MSG_CT_DELETE`.
const CONNECTION_GET: u16 = 1 << 8 | 1;
const CONNECTION_DELETE: u16 = 1 << 8 | 2;
/// `NFNL_SUBSYS_NFTABLES` with `NFT_MSG_GETGEN`.
const GENERATION_GET: u16 = 10 << 8 | 16;
/// `NFTA_GEN_ID`.
const GENERATION: u16 = 1;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_FILTER: u16 = 25;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
/// `CTA_FILTER_F_CTA_IP_DST`.
const BY_DESTINATION: u32 = 1 << 1;
const CTA_TUPLE_IP: u16 = 1;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const NESTED: u16 = libc::NLA_F_NESTED as u16;

/// `struct nfgenmsg` for IPv4.
const HEADER: [u8; 4] = [libc::AF_INET as u8, 0, 0, 0];

/// A socket to what filters and tracks packets in the network namespace in which it was opened.
#[derive(Debug)]
pub struct Netfilter {
    socket: Socket,
}

/// A tracked IPv4 connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Who began it.
    pub source: Ipv4Addr,
    /// Whom it was begun with.
    pub destination: Ipv4Addr,
    /// Where answers go: the address it leaves through, the source's own where none is in its place.
    pub leaves_through: Ipv4Addr,
    /// What names it to the kernel.
    name: Vec<u8>,
}

impl Netfilter {
    /// Opens a socket in the calling thread's network namespace; needs a tokio runtime.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self { socket: Socket::open(NETLINK_NETFILTER)? })
    }

    /// Changes with every change of any rule, set or table of nftables, by one.
    pub async fn generation(&mut self) -> Result<u32, NetlinkError> {
        let request = Request::new(GENERATION_GET, REQUEST | libc::NLM_F_ACK as u16, &[0; 4]);
        let read =
            |body: &[u8]| Some(u32::from_be_bytes(attribute(body.get(4..)?, GENERATION)?.try_into().ok()?));
        let what = "ask for the generation of nftables";
        let found = self.socket.list(what, request, read).await?;
        found.first().copied().ok_or_else(|| NetlinkError::Malformed { request: what.to_owned() })
    }

    /// Sends a batch, which is carried out as a whole or not at all.
    pub(super) async fn transaction(&mut self, what: &str, batch: Vec<Request>) -> Result<(), NetlinkError> {
        self.socket.transaction(what, batch).await
    }

    /// The IPv4 connections for which `is_meant` says so; only those that leave through `address` are looked at,
    /// where there is one.
    pub async fn connections(
        &mut self,
        address: Option<Ipv4Addr>,
        is_meant: impl Fn(&Connection) -> bool,
    ) -> Result<Vec<Connection>, NetlinkError> {
        let request = Request::new(CONNECTION_GET, LIST, &HEADER);
        let request = match address {
            None => request,
            Some(address) => {
                let ip = nested(CTA_IP_V4_DST, &address.octets());
                let flags = nested(CTA_FILTER_REPLY_FLAGS, &BY_DESTINATION.to_ne_bytes());
                request
                    .with(CTA_TUPLE_REPLY | NESTED, &nested(CTA_TUPLE_IP | NESTED, &ip))
                    .with(CTA_FILTER | NESTED, &flags)
            }
        };
        let read = |body: &[u8]| parse(body).filter(|connection| is_meant(connection));
        self.socket.list("list the connections", request, read).await
    }

    /// Ends the tracking of connections; their next packet begins another one. Those that are gone are no error.
    pub async fn forget(&mut self, connections: &[Connection]) -> Result<(), NetlinkError> {
        let requests = connections.iter().map(|connection| {
            let body = [&HEADER[..], &connection.name].concat();
            Request::new(CONNECTION_DELETE, CHANGE, &body)
        });
        self.socket.changes("forget connections", requests, libc::ENOENT).await
    }
}

fn nested(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, kind, value);
    bytes
}

fn parse(body: &[u8]) -> Option<Connection> {
    let attributes = body.get(HEADER.len()..)?;
    let [original, reply] = [CTA_TUPLE_ORIG, CTA_TUPLE_REPLY].map(|tuple| attribute(attributes, tuple));
    let address = |tuple: &[u8], kind| {
        let octets: [u8; 4] = attribute(attribute(tuple, CTA_TUPLE_IP)?, kind)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets))
    };
    let original = original?;
    let mut name = nested(CTA_TUPLE_ORIG | NESTED, original);
    for kind in [CTA_ID, CTA_ZONE] {
        if let Some(value) = attribute(attributes, kind) {
            put(&mut name, kind, value);
        }
    }
    Some(Connection {
        source: address(original, CTA_IP_V4_SRC)?,
        destination: address(original, CTA_IP_V4_DST)?,
        leaves_through: address(reply?, CTA_IP_V4_DST)?,
        name,
    })
}
