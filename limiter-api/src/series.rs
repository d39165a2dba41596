//! What passed, as graphs and tables show it: points of a plan, network or instance, and its busiest instances.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most points of one answer.
pub const POINTS_MAX: usize = 1500;

/// Most instances that [`TopInstances`] lists.
pub const TOP_MAX: usize = 100;

/// Which points: of the last hour where nothing is said.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Not before; one hour before `to` where it is absent.
    pub from: Option<Timestamp>,
    /// Before; now where it is absent.
    pub to: Option<Timestamp>,
    /// Seconds of a point: 60, 900 or 3600; the finest that gives at most 1500 points and is still kept, where it is
    /// absent.
    pub period_s: Option<u16>,
}

/// What passed of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageSeries {
    /// Not before.
    pub from: Timestamp,
    /// Before.
    pub to: Timestamp,
    /// Seconds of a point.
    pub period_s: u16,
    /// The peak now, for each direction, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_bps: Option<u64>,
    /// Points by time; where nothing was measured there is none. A point is there at most 90 s after its end.
    pub points: Vec<UsagePoint>,
    /// All points together.
    pub total: UsageTotal,
}

/// What passed in one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsagePoint {
    /// Start of the period.
    pub start: Timestamp,
    /// Instance to Internet.
    pub up: UsageRate,
    /// Internet to instance.
    pub down: UsageRate,
    /// Some of it was split over time, since nobody read the counters meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

/// One direction in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageRate {
    /// IP bytes that passed.
    pub bytes: u64,
    /// Their average over the whole period, bits per second.
    pub average_bps: u64,
    /// The highest average of 10 s, bits per second.
    pub max_bps: u64,
    /// IP bytes that the limit refused.
    pub refused_bytes: u64,
    /// Seconds in which the limit refused or held back packets.
    pub limited_s: u64,
}

/// Both directions of all points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageTotal {
    /// Instance to Internet; the average is over the periods that have a point.
    pub up: UsageRate,
    /// Internet to instance.
    pub down: UsageRate,
}

/// Which instances.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TopQuery {
    /// Not before; one hour before `to` where it is absent.
    pub from: Option<Timestamp>,
    /// Before; now where it is absent.
    pub to: Option<Timestamp>,
    /// How many, at most 100; 10 where it is absent.
    pub limit: Option<usize>,
}

/// The instances of a network with the most bytes, in whole clock hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopInstances {
    /// Start of the first hour.
    pub from: Timestamp,
    /// End of the last one.
    pub to: Timestamp,
    /// The busiest first.
    pub instances: Vec<TopInstance>,
}

/// What an instance passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopInstance {
    /// Identity.
    pub instance: String,
    /// Its name; absent: it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// IP bytes to the Internet.
    pub up_bytes: u64,
    /// IP bytes from the Internet.
    pub down_bytes: u64,
}
