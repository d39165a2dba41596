//! The identity of an instance, network or zone as the kernel's maps carry it.

use limiter_common::meter::Owner;

/// A network or instance, by place in the desired state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entity {
    /// Index in the networks.
    Network(usize),
    /// Index in the instances.
    Instance(usize),
}

impl Entity {
    /// [`Owner::NETWORK`] or [`Owner::INSTANCE`].
    pub fn kind(self) -> u32 {
        match self {
            Self::Network(_) => Owner::NETWORK,
            Self::Instance(_) => Owner::INSTANCE,
        }
    }
}

/// Hash of a kind and an id, never zero: zero means nobody.
///
/// FNV-1a over 64 bits. A million entities collide with a chance of 3 in 100 million; the plan
/// refuses a state in which two do.
pub fn hash(kind: &str, id: &str) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = kind.bytes().chain([0]).chain(id.bytes());
    bytes.fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)).max(1)
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn kind_and_id_both_count() {
        assert_ne!(hash("network", "a"), hash("instance", "a"));
        assert_ne!(hash("network", "a"), hash("network", "b"));
        assert_ne!(hash("network", ""), 0);
    }
}
