//! Elements of sets and maps of nftables, changed in one transaction. The program `nft` makes tables and rules; for a
//! few elements it would take a hundred times as long.

use std::net::Ipv4Addr;

use super::connections::Netfilter;
use super::error::NetlinkError;
use super::socket::REQUEST;
use super::wire::{Request, put};

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// `NFNL_SUBSYS_NFTABLES`, with `NFT_MSG_NEWSETELEM` and `NFT_MSG_DELSETELEM`.
const NFTABLES: u16 = 10;
const ELEMENTS_ADD: u16 = (NFTABLES << 8) + 12;
const ELEMENTS_DELETE: u16 = (NFTABLES << 8) + 14;
/// `NFTA_SET_ELEM_LIST_TABLE`, `_SET` and `_ELEMENTS`.
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3 | NESTED;
/// `NFTA_LIST_ELEM`.
const ELEMENT: u16 = 1 | NESTED;
/// `NFTA_SET_ELEM_KEY` and `_DATA`, each with an `NFTA_DATA_VALUE`.
const KEY: u16 = 1 | NESTED;
const DATA: u16 = 2 | NESTED;
const VALUE: u16 = 1;
const NESTED: u16 = libc::NLA_F_NESTED as u16;
/// Elements that one call changes at most: a list must stay below 64 KiB, and all of them within one datagram.
pub const ELEMENTS_MAX: usize = 1_000;

/// What is done to the elements of one set or map.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    /// The set or map.
    pub set: &'a str,
    /// They are taken away, not added.
    pub are_removed: bool,
    /// Keys, with data in a map.
    pub elements: Vec<(Key, Option<Ipv4Addr>)>,
}

/// A key of a set or map.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// A mark.
    Mark(u32),
    /// An address.
    Address(Ipv4Addr),
}

impl Key {
    fn bytes(self) -> [u8; 4] {
        match self {
            Self::Mark(mark) => mark.to_ne_bytes(),
            Self::Address(address) => address.octets(),
        }
    }
}

impl Netfilter {
    /// Carries out all of `changes` on the table `inet` `table`, or none; [`ELEMENTS_MAX`] elements at most.
    ///
    /// # Errors
    /// Also where one that is to be removed is not there, or one that is to be added has other data.
    pub async fn change_elements(
        &mut self,
        table: &str,
        changes: &[Elements<'_>],
    ) -> Result<(), NetlinkError> {
        let mut begin = [0; 4];
        begin[2..].copy_from_slice(&NFTABLES.to_be_bytes());
        let changes = changes.iter().filter(|change| !change.elements.is_empty());
        let messages = changes.map(|change| message(table, change));
        let requests = [Request::new(BATCH_BEGIN, REQUEST, &begin)]
            .into_iter()
            .chain(messages)
            .chain([Request::new(BATCH_END, REQUEST, &begin)]);
        self.transaction("change elements of nftables", requests.collect()).await
    }
}

fn message(table: &str, change: &Elements<'_>) -> Request {
    let nested = |kind: u16, value: &[u8]| {
        let mut bytes = Vec::new();
        put(&mut bytes, kind, value);
        bytes
    };
    let mut list = Vec::new();
    for (key, data) in &change.elements {
        let mut element = nested(KEY, &nested(VALUE, &key.bytes()));
        if let Some(data) = data {
            put(&mut element, DATA, &nested(VALUE, &data.octets()));
        }
        put(&mut list, ELEMENT, &element);
    }
    let (kind, create) =
        if change.are_removed { (ELEMENTS_DELETE, 0) } else { (ELEMENTS_ADD, libc::NLM_F_CREATE as u16) };
    Request::new(kind, REQUEST | libc::NLM_F_ACK as u16 | create, &[libc::NFPROTO_INET as u8, 0, 0, 0])
        .with(LIST_TABLE, format!("{table}\0").as_bytes())
        .with(LIST_SET, format!("{}\0", change.set).as_bytes())
        .with(LIST_ELEMENTS, &list)
}
