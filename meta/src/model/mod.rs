//! The objects of a configuration, in the shape they have in YAML, REST and etcd alike. Unknown keys are errors.
//!
//! Each type holds only what one object says of itself; whether it fits the others is [`crate::check`]'s business.

mod aggregation;
mod breaker;
mod cluster;
mod hedge;
mod limit;
mod method;
mod node;
mod route;
mod server;
mod sharing;

pub use aggregation::*;
pub use breaker::*;
pub use cluster::*;
pub use hedge::*;
pub use limit::*;
pub use method::Method;
pub use node::*;
pub use route::*;
pub use server::*;
pub use sharing::*;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds of objects, in the order in which they build on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// One backend address.
    #[serde(rename = "servers")]
    Server,
    /// Servers that give the same service.
    #[serde(rename = "clusters")]
    Cluster,
    /// What a client calls.
    #[serde(rename = "routes")]
    Route,
    /// What several services answer together.
    #[serde(rename = "aggregations")]
    Aggregation,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Server, Self::Cluster, Self::Route, Self::Aggregation];

    /// The name of the collection, as in YAML, REST paths and etcd keys: `servers`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Server => "servers",
            Self::Cluster => "clusters",
            Self::Route => "routes",
            Self::Aggregation => "aggregations",
        }
    }

    /// The name of one: `server`.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Cluster => "cluster",
            Self::Route => "route",
            Self::Aggregation => "aggregation",
        }
    }

    /// The kind whose collection is called `plural`.
    pub fn from_plural(plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == plural)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural())
    }
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

fn is_false(value: &bool) -> bool {
    !*value
}
