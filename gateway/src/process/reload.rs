//! SIGHUP: the start-up file is read again and what can change without a restart does; the error log is opened anew.
//!
//! A file that is wrong changes nothing. A key that cannot change keeps its value and is named in the log, each time.

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use serde_json::{Map, Value as Json};

use crate::{
    aggregate::Room,
    proxy::Terms,
    share::Answers,
    startup::{Settings, Startup},
};

/// What can change while the process runs: each takes effect at once and keeps what is under way.
const CHANGEABLE: [&str; 7] = [
    "aggregation",
    "cache",
    "grace",
    "grace_period_seconds",
    "limit",
    "merge_slashes",
    "trusted_proxies",
];

/// What a changed start-up file reaches.
pub(crate) struct Adjustable {
    pub(crate) terms: Arc<ArcSwap<Terms>>,
    pub(crate) room: Arc<Room>,
    pub(crate) answers: Arc<Answers>,
}

impl Adjustable {
    fn adjust(&self, startup: &Startup) {
        let terms = Terms::after(startup, Some(&self.terms.load()));
        self.terms.store(Arc::new(terms));
        let aggregation = startup.aggregation;
        self.room.resize(
            aggregation.max_calls.get() as usize,
            aggregation.max_bytes.get() as usize,
        );
        self.answers.resize(startup.cache.max_bytes.get().into());
    }
}

/// Reads the start-up file again.
pub(crate) struct Reload {
    /// `None` if the process was started without one.
    file: Option<PathBuf>,
    /// What is in effect, by key.
    known: Map<String, Json>,
    grace: Duration,
    parts: Adjustable,
    /// Where a daemon's standard error goes, if the start-up file says.
    pub(crate) error_log: Option<PathBuf>,
}

impl Reload {
    /// To read `file`, which said `settings`, again.
    pub(crate) fn new(file: Option<PathBuf>, settings: &Settings, parts: Adjustable) -> Self {
        Self {
            file,
            known: by_key(settings),
            grace: settings.grace(),
            parts,
            error_log: None,
        }
    }

    /// How long requests in flight may take at the end.
    pub(super) fn grace(&self) -> Duration {
        self.grace
    }

    /// Whether there is a file to read again.
    pub(super) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    pub(super) fn run(&mut self) {
        if let Some(path) = &self.error_log
            && let Err(error) = reopen(path)
        {
            log::error!("SIGHUP: {} cannot be opened: {error}", path.display());
        }
        let Some(file) = &self.file else { return };
        match Settings::read(file) {
            Err(bad) => {
                log::error!("SIGHUP: nothing changes, since the start-up file is wrong:\n{bad}")
            }
            Ok(read) => self.apply(&read),
        }
    }

    fn apply(&mut self, read: &Settings) {
        let Changes { made, refused } = take_over(&mut self.known, by_key(read));
        self.parts.adjust(&read.startup);
        self.grace = read.grace();
        let made = if made.is_empty() {
            "nothing".to_owned()
        } else {
            made.join(", ")
        };
        log::info!("SIGHUP: start-up file read again; changed: {made}");
        if !refused.is_empty() {
            let refused = refused.join(", ");
            log::warn!(
                "SIGHUP: unchanged until another process runs (-u takes over without a pause): {refused}"
            );
        }
    }
}

/// The keys whose values differ.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    made: Vec<String>,
    refused: Vec<String>,
}

/// Brings `known` to what `read` says, as far as that can change.
fn take_over(known: &mut Map<String, Json>, mut read: Map<String, Json>) -> Changes {
    let all: BTreeSet<String> = known.keys().chain(read.keys()).cloned().collect();
    let differ = |key: &String| known.get(key) != read.get(key);
    let (made, refused): (Vec<String>, Vec<String>) = all
        .into_iter()
        .filter(differ)
        .partition(|key| CHANGEABLE.contains(&key.as_str()));
    for key in &made {
        match read.remove(key) {
            Some(value) => known.insert(key.clone(), value),
            None => known.remove(key),
        };
    }
    Changes { made, refused }
}

/// All that a start-up file says or leaves at its default.
fn by_key(settings: &Settings) -> Map<String, Json> {
    let object = |value: serde_json::Result<Json>| match value {
        Ok(Json::Object(object)) => object,
        _ => Map::new(),
    };
    let mut keys = object(serde_json::to_value(&settings.startup));
    keys.extend(object(serde_json::to_value(&settings.engine)));
    keys
}

/// Sends standard error to the file at `path`, made if there is none.
fn reopen(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    Ok(rustix::stdio::dup2_stderr(&file)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BEFORE: &str =
        "listeners: [{ address: \"127.0.0.1:8080\" }]\nstore: { file: data/meta.yaml }\nthreads: 2\n";

    fn read(text: &str) -> Map<String, Json> {
        by_key(&Settings::parse(text).unwrap())
    }

    #[test]
    fn each_key_that_can_change_is_taken_over_and_no_other_is() {
        let values = [
            ("aggregation", "{ max_calls: 7 }"),
            ("cache", "{ max_bytes: 2000000 }"),
            ("grace", "3s"),
            ("grace_period_seconds", "3"),
            ("limit", "{ max_in_flight: 5 }"),
            ("merge_slashes", "true"),
            ("trusted_proxies", "[10.0.0.0/8]"),
        ];
        assert!(values.map(|(key, _)| key) == CHANGEABLE);
        for (key, value) in values {
            let mut known = read(BEFORE);
            let other = BEFORE.replace("8080", "8081").replace("threads: 2", "threads: 3");
            let changes = take_over(&mut known, read(&format!("{other}{key}: {value}\n")));
            assert_eq!(changes.made, [key]);
            assert_eq!(changes.refused, ["listeners", "threads"]);
            assert_eq!(known, read(&format!("{BEFORE}{key}: {value}\n")));
            assert_eq!(take_over(&mut known, read(BEFORE)).made, [key]);
            assert_eq!(take_over(&mut known, read(BEFORE)), Changes::default());
        }
    }
}
