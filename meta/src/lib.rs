//! What the data plane and the control plane of Gateway share.

pub mod address;
pub mod bounds;
pub mod check;
pub mod cidr;
pub mod document;
pub mod filters;
pub mod id;
pub mod language;
pub mod model;
pub mod pattern;
pub mod plan;
pub mod problem;
pub mod schema;
mod shared;
pub mod startup;
pub mod store;
pub mod timespan;
