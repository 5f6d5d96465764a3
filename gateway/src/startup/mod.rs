//! The start-up file: what a process needs to know before it has a configuration. YAML; the engine's own keys stand at the top
//! level and work as in Pingora. Unknown keys are errors.

mod engine;
mod faults;
mod name;
mod store;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use meta::{
    bounds::{HOUR, Span, Whole},
    cidr::Cidr,
    document::decode,
    id::Id,
    model::Limit,
    problem::Problem,
    startup,
};
use pingora_core::server::configuration::ServerConf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::Value as Json;

pub use engine::schema_of_engine_keys;
pub(crate) use engine::to_run;
pub use meta::{startup::BadStartup, store::StoreSettings};
pub(crate) use store::{Opened, StoreKind};

/// What a start-up file says, beside the engine's keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Startup {
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// Where the configuration is kept.
    pub store: StoreSettings,
    /// The file that keeps the last good state, to start from when the store cannot be read; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<PathBuf>,
    /// The name of this proxy among those that share its store; HOST-PORT if absent, of the first listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Where this proxy tells of itself: `/metrics`, `/livez`, `/readyz`, `/status`.
    #[serde(default)]
    pub manage: Manage,
    /// Where the configuration is managed, on the same store; not in this process if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminSettings>,
    /// Whose `X-Forwarded-For` is believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<Cidr>,
    /// How many requests this proxy serves in a time, and at once; as many as come if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// How long requests in flight may take once the process is to end; 30s if absent. What is not done by then is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span<1, { 24 * HOUR }>>,
    /// What all caches of routes and nodes together may hold.
    #[serde(default, skip_serializing_if = "CacheSettings::is_default")]
    pub cache: CacheSettings,
    /// What all aggregations together may hold.
    #[serde(default, skip_serializing_if = "AggregationSettings::is_default")]
    pub aggregation: AggregationSettings,
    /// Whether `//` in a path counts as `/` when routes are matched.
    #[serde(default)]
    pub merge_slashes: bool,
}

/// An address clients connect to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// IP address and port, as in `0.0.0.0:8080` or `[::]:8080`.
    #[schemars(with = "String")]
    pub address: SocketAddr,
}

/// What all caches of routes and nodes together may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheSettings {
    /// Bytes: 1 MiB to 1 GiB; 64 MiB if absent. What is used least gives way.
    #[serde(default = "CacheSettings::default_bytes")]
    pub max_bytes: Whole<1_048_576, 1_073_741_824>,
}

impl CacheSettings {
    fn default_bytes() -> Whole<1_048_576, 1_073_741_824> {
        Whole::clamped(64 * 1024 * 1024)
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            max_bytes: Self::default_bytes(),
        }
    }
}

/// What all aggregations together may hold. A call that finds no room fails with `overloaded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AggregationSettings {
    /// Bytes of nodes' answers: 1 MiB to 4 GiB less one; 256 MiB if absent.
    #[serde(default = "AggregationSettings::default_bytes")]
    pub max_bytes: Whole<1_048_576, 4_294_967_295>,
    /// Calls under way: 1 to 1,000,000; 20,000 if absent.
    #[serde(default = "AggregationSettings::default_calls")]
    pub max_calls: Whole<1, 1_000_000>,
}

impl AggregationSettings {
    fn default_bytes() -> Whole<1_048_576, 4_294_967_295> {
        Whole::clamped(256 * 1024 * 1024)
    }

    fn default_calls() -> Whole<1, 1_000_000> {
        Whole::clamped(20_000)
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for AggregationSettings {
    fn default() -> Self {
        Self {
            max_bytes: Self::default_bytes(),
            max_calls: Self::default_calls(),
        }
    }
}

/// Where a proxy tells of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manage {
    /// IP address and port. An address that is not loopback needs `token_env`.
    #[serde(default = "Manage::default_address")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// The environment variable that holds the token which `/metrics` and `/status` then ask for (`Authorization: Bearer …`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
}

impl Manage {
    fn default_address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9092))
    }
}

impl Default for Manage {
    fn default() -> Self {
        Self {
            address: Self::default_address(),
            token_env: None,
        }
    }
}

/// The admin in this process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// IP address and port. Nobody is asked who he is, so it has to be a loopback address.
    #[serde(default = "admin::config::default_address")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
}

/// A start-up file that was read and found sound.
#[derive(Debug)]
pub struct Settings {
    /// Our own part.
    pub startup: Startup,
    /// The engine's part.
    pub engine: ServerConf,
    /// The token of the manage listener.
    pub manage_token: Option<String>,
}

impl Settings {
    /// Reads and checks the file.
    pub fn read(file: &Path) -> Result<Self, BadStartup> {
        startup::read(file, Self::parse)
    }

    /// Reads and checks a text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let (tree, mut ours) = startup::mapping(text, "listeners")?;
        let mut flaws = Vec::new();
        let engine = engine::take(&mut ours, &mut flaws);
        let startup = match decode::<Startup>(&Json::Object(ours)) {
            Ok(startup) => Some(startup),
            Err(found) => {
                flaws.extend(found.into_iter().map(engine::allow_engine_keys));
                None
            }
        };
        let token = startup.as_ref().map(|startup| startup.faults(&mut flaws));
        let grace = startup.as_ref().and_then(|startup| startup.grace);
        flaws.extend(engine::second_grace(engine.as_ref(), grace.is_some()));
        match (startup, engine, token) {
            (Some(startup), Some(engine), Some(manage_token)) if flaws.is_empty() => Ok(Self {
                startup,
                engine,
                manage_token,
            }),
            _ => Err(startup::placed(&tree, flaws)),
        }
    }

    /// How long requests in flight may take once the process is to end.
    pub fn grace(&self) -> Duration {
        const USUAL: Duration = Duration::from_secs(30);
        let ours = self.startup.grace.map(|grace| grace.get().get());
        let engines = || self.engine.grace_period_seconds.map(Duration::from_secs);
        ours.or_else(engines).unwrap_or(USUAL)
    }
}

impl Startup {
    /// Where clients connect.
    pub(crate) fn client_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|listener| listener.address)
    }

    /// The name of this proxy among those that share its store.
    pub(crate) fn id(&self) -> Id {
        let listener = self.listeners.first();
        let port = listener.map_or(0, |listener| listener.address.port());
        let given = self.id.clone();
        given.unwrap_or_else(|| name::of_host_and_port(&name::host(), port))
    }

    /// Where the last good state is kept, if it is.
    pub(crate) fn snapshot(&self) -> Option<PathBuf> {
        self.snapshot.as_deref().map(store::absolute)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "listeners: [{ address: \"127.0.0.1:8080\" }]\nstore: { file: data/meta.yaml }\n";

    fn complaints(text: &str) -> String {
        let problems = Settings::parse(text).unwrap_err();
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn ours_and_the_engines_keys_stand_side_by_side() {
        let settings = Settings::parse(&format!("{GOOD}threads: 3\nwork_stealing: false\n")).unwrap();
        assert_eq!(
            (settings.engine.threads, settings.engine.work_stealing),
            (3, false)
        );
        assert_eq!(settings.startup.listeners.len(), 1);
        assert_eq!(settings.startup.manage, Manage::default());
    }

    #[test]
    fn grace_is_30_s_or_what_one_of_its_two_keys_says() {
        let grace = |text: &str| Settings::parse(&format!("{GOOD}{text}")).unwrap().grace();
        assert_eq!(grace(""), Duration::from_secs(30));
        assert_eq!(grace("grace: 1500ms\n"), Duration::from_millis(1500));
        assert_eq!(grace("grace_period_seconds: 7\n"), Duration::from_secs(7));
        let both = complaints(&format!("{GOOD}grace: 5s\ngrace_period_seconds: 7\n"));
        assert!(
            both.contains("4:23: ") && both.contains("grace says it already"),
            "{both}"
        );
    }

    #[test]
    fn every_mistake_is_reported_with_its_place_and_what_is_right() {
        let text = "listeners: [{ adress: \"127.0.0.1:8080\" }]\nstore: {}\ntreads: 2\nthreads: many\nmanage: { address: 9092 }\n";
        let complaints = complaints(text);
        for part in [
            "1:15: ",
            "did you mean \"address\"",
            "2:",
            "{ file: data/meta.yaml }",
            "3:1: ",
            "did you mean \"threads\"",
            "4:10: ",
        ] {
            assert!(complaints.contains(part), "{part} is not in:\n{complaints}");
        }
        assert!(
            complaints.lines().any(|line| line.starts_with("5:")),
            "{complaints}"
        );
    }

    #[test]
    fn what_would_make_a_process_without_a_listener_or_in_the_open_is_refused() {
        for (text, part) in [
            ("listeners: []\nstore: { file: a }\n".to_owned(), "there is none"),
            (format!("{GOOD}threads: 0\n"), "threads"),
            (
                format!("{GOOD}manage: {{ address: \"0.0.0.0:9092\" }}\n"),
                "everyone could reach",
            ),
            (
                format!("{GOOD}manage: {{ address: \"127.0.0.1:8080\" }}\n"),
                "is taken by manage",
            ),
            (
                format!("{GOOD}manage: {{ token_env: NO_SUCH_VARIABLE_AT_ALL }}\n"),
                "holds no token",
            ),
            (GOOD.replace("8080", "0"), "port 0"),
            ("- a\n".to_owned(), "a start-up file is a mapping"),
        ] {
            let complaints = complaints(&text);
            assert!(complaints.contains(part), "{text}: {complaints}");
        }
    }
}
