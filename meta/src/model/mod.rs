//! The objects of a configuration, in the shape they have in YAML, REST and etcd alike. Unknown keys are errors.
//!
//! Each type holds only what one object says of itself; whether it fits the others is [`crate::check`]'s business.

mod breaker;
mod cluster;
mod limit;
mod method;
mod route;
mod server;

pub use breaker::*;
pub use cluster::*;
pub use limit::*;
pub use method::Method;
pub use route::*;
pub use server::*;

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
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Server, Self::Cluster, Self::Route];

    /// The name of the collection, as in YAML, REST paths and etcd keys: `servers`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Server => "servers",
            Self::Cluster => "clusters",
            Self::Route => "routes",
        }
    }

    /// The name of one: `server`.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Cluster => "cluster",
            Self::Route => "route",
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
