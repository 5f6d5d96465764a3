//! Gateways whose configuration is in etcd: real ones, on ports nobody else uses.

mod basics;
mod checking;
mod daemon;
mod garbage;
mod killed;
mod last_good;
mod registration;

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

/// The quarantined objects as `kind/id serving`.
async fn quarantined(gateway: &Gateway) -> Vec<String> {
    let status = gateway.status().await;
    let quarantined = status["configuration"]["quarantined"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
    let one = |object: &serde_json::Value| {
        let [kind, id, serving] = ["kind", "id", "serving"].map(|key| text(&object[key]));
        format!("{kind}/{id} {serving}")
    };
    quarantined.iter().map(one).collect()
}
