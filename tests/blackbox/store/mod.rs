//! Gateways whose configuration is in etcd: real ones, on ports nobody else uses.

mod basics;
mod killed;
mod last_good;

use std::time::Duration;

use super::support::{Etcd, Gateway, eventually, revision};

/// Generous: a debug build on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The start-up line of a gateway on this etcd.
fn on(etcd: &Etcd) -> String {
    at(&etcd.endpoint())
}

/// The same for an endpoint.
fn at(endpoint: &str) -> String {
    format!("store: {{ etcd: {{ endpoints: [\"{endpoint}\"] }} }}\n")
}

/// A route as JSON that answers requests for `/ID` with this body.
fn reply(id: &str, body: &str) -> String {
    let filter = format!("{{ \"reply\": {{ \"body\": \"{body}\" }} }}");
    format!("{{ \"id\": \"{id}\", \"match\": {{ \"path\": \"/{id}\" }}, \"filters\": [{filter}] }}")
}

/// Waits until the gateway answers requests for `/ID` with this body.
async fn serves(gateway: &Gateway, id: &str, body: &str) {
    let target = format!("/{id}");
    eventually(&format!("{target} is {body}"), PATIENCE, || async {
        gateway.get(&target).await.text() == body
    })
    .await;
}

/// Waits until that revision serves.
async fn serves_revision(gateway: &Gateway, wanted: i64) {
    eventually("the revision serves", PATIENCE, || async {
        i64::try_from(revision(gateway).await) == Ok(wanted)
    })
    .await;
}

/// Waits until the gateway has logged this.
async fn log_says(gateway: &Gateway, part: &str) {
    eventually(&format!("the log says {part:?}"), PATIENCE, || async {
        gateway.stderr().contains(part)
    })
    .await;
}
