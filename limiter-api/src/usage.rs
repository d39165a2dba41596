//! What agents measured: closed minutes of networks and instances, in batches that are counted once.
//!
//! An agent keeps a record of its own, with an identity that is made anew where the record is. Batches have
//! numbers in it without holes, and are sent in order until they are answered. A batch that comes twice has the
//! same content, byte for byte.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Length of a bucket that agents send, in seconds; buckets begin at its multiples since the epoch.
pub const BUCKET_S: i64 = 60;

/// Length of the windows whose highest is a bucket's maximum, in seconds.
pub const WINDOW_S: i64 = 10;

/// Most rows of one batch, networks and instances together.
pub const BATCH_ROWS_MAX: usize = 50_000;

/// Closed buckets of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageBatch {
    /// Identity of the agent's record: 32 hexadecimal digits, made by chance.
    pub record: String,
    /// Number of the batch in the record, from 1 without holes.
    pub sequence: u64,
    /// Number of the oldest batch that the record still has: this one, unless it comes out of order.
    pub oldest: u64,
    /// Everything before this instant is in this batch or in those before it.
    pub complete_until: Timestamp,
    /// Networks, a row for each bucket and plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkUsage>,
    /// Instances that had traffic, a row for each bucket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceUsage>,
}

/// A bucket of a network, or the part of it in which one plan served the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkUsage {
    /// Identity of the network.
    pub network: String,
    /// The plan that served it; absent: none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Start of the bucket.
    pub start: Timestamp,
    /// Instance to Internet.
    pub up: Measured,
    /// Internet to instance.
    pub down: Measured,
    /// Split over time from a longer reading, because nobody read meanwhile.
    #[serde(default, skip_serializing_if = "is_false")]
    pub estimated: bool,
}

/// A bucket of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceUsage {
    /// Identity of the instance.
    pub instance: String,
    /// Identity of its network.
    pub network: String,
    /// Start of the bucket.
    pub start: Timestamp,
    /// Instance to Internet.
    pub up: Measured,
    /// Internet to instance.
    pub down: Measured,
    /// Split over time from a longer reading, because nobody read meanwhile.
    #[serde(default, skip_serializing_if = "is_false")]
    pub estimated: bool,
}

/// One direction of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// IP bytes that passed.
    pub bytes: u64,
    /// The most bytes that passed in one window of [`WINDOW_S`].
    pub window_bytes_max: u64,
    /// IP bytes that the meter refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused_bytes: u64,
    /// Seconds in which the meter refused or held back packets, at most [`BUCKET_S`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub limited_s: u64,
}

/// Which record.
#[derive(Clone, Debug, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordQuery {
    /// Identity of the record.
    pub record: String,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageTaken {
    /// Batches of the record up to this number are stored, and need not be kept.
    pub through: u64,
    /// Rows that were refused, for things that the node does not carry; an event tells operators.
    pub refused_rows: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}
