//! The engine's own keys of the start-up file: which there are, and what of their values would break the engine.

use std::collections::BTreeMap;

use meta::{
    check::near,
    document::{Flaw, decode},
};
use pingora_core::server::configuration::ServerConf;
use serde_json::{Map, Value as Json, json};

/// The engine's keys with their default values, which are the engine's own but for [`ours`].
fn keys() -> Map<String, Json> {
    match serde_json::to_value(ServerConf::default()) {
        Ok(Json::Object(mut keys)) => {
            keys.extend(ours());
            keys
        }
        _ => Map::new(),
    }
}

/// Defaults that differ from the engine's: whoever starts a daemon is told whether it came up, and within a minute.
fn ours() -> [(String, Json); 2] {
    [
        ("daemon_wait_for_ready".to_owned(), json!(true)),
        ("daemon_ready_timeout_seconds".to_owned(), json!(60)),
    ]
}

/// Takes the engine's keys out of `from`.
pub(super) fn take(from: &mut Map<String, Json>, flaws: &mut Vec<Flaw>) -> Option<ServerConf> {
    let keys = keys();
    let mut given = Map::from_iter(ours());
    from.retain(|key, value| {
        let engines = keys.contains_key(key);
        if engines {
            given.insert(key.clone(), value.take());
        }
        !engines
    });
    let conf = match decode::<ServerConf>(&Json::Object(given)) {
        Ok(conf) => conf,
        Err(found) => {
            flaws.extend(found);
            return None;
        }
    };
    let mut sound = true;
    let mut fault = |key: &str, message: &str| {
        sound = false;
        flaws.push(Flaw::of_value(format!("/{key}"), message));
    };
    if !(1..=1024).contains(&conf.threads) {
        fault("threads", "use 1 to 1024");
    }
    if !(1..=64).contains(&conf.listener_tasks_per_fd) {
        fault("listener_tasks_per_fd", "use 1 to 64");
    }
    if conf.grace_period_seconds.is_some_and(|seconds| seconds > 86_400) {
        fault("grace_period_seconds", "use 0 to 86400");
    }
    if conf.max_blocking_threads == Some(0) {
        fault("max_blocking_threads", "use 1 or more");
    }
    sound.then_some(conf)
}

/// What is wrong with saying twice how long requests may take at the end.
pub(super) fn second_grace(engine: Option<&ServerConf>, said: bool) -> Option<Flaw> {
    engine?.grace_period_seconds.filter(|_| said)?;
    let message = "grace says it already: keep one of the two";
    Some(Flaw::of_value("/grace_period_seconds", message))
}

/// What the engine runs with. Paths become absolute, since a daemon goes to another directory and none of them would mean what it said.
pub(crate) fn to_run(conf: ServerConf, daemon: bool) -> std::io::Result<ServerConf> {
    // Longer than `grace` can be: the engine would sleep so long at the end, and the process exits before.
    const ENDLESS_SECONDS: u64 = 2 * 86_400;
    let here = std::env::current_dir()?;
    let absolute = |path: &str| here.join(path).to_string_lossy().into_owned();
    Ok(ServerConf {
        daemon: conf.daemon || daemon,
        pid_file: absolute(&conf.pid_file),
        upgrade_sock: absolute(&conf.upgrade_sock),
        error_log: conf.error_log.as_deref().map(absolute),
        // The engine would go to /.
        working_directory: Some(
            conf.working_directory
                .as_ref()
                .map_or(here.clone(), |to| here.join(to)),
        ),
        grace_period_seconds: Some(ENDLESS_SECONDS),
        ..conf
    })
}

/// An unknown key of the start-up file may be meant for one of the engine's.
pub(super) fn allow_engine_keys(flaw: Flaw) -> Flaw {
    let Some(key) = flaw.pointer.strip_prefix('/').filter(|key| !key.contains('/')) else {
        return flaw;
    };
    let keys = keys();
    match near(key, keys.keys().map(String::as_str)) {
        Some(meant) if flaw.message.contains("unknown key") && !flaw.message.contains("did you mean") => {
            let message = flaw
                .message
                .replacen("; ", &format!("; did you mean {meant:?}? "), 1);
            let message = if message == flaw.message {
                format!("{message}; did you mean {meant:?}?")
            } else {
                message
            };
            Flaw { message, ..flaw }
        }
        _ => flaw,
    }
}

/// JSON Schema of the engine's keys. What the engine takes as optional has no default to tell the type from: it is left open.
pub fn schema_of_engine_keys() -> BTreeMap<String, Json> {
    let described = |value: &Json| match value {
        Json::Bool(default) => json!({ "type": "boolean", "default": default }),
        Json::Number(default) => json!({ "type": "integer", "minimum": 0, "default": default }),
        Json::String(default) => json!({ "type": "string", "default": default }),
        Json::Array(_) => json!({ "type": "array" }),
        _ => json!({ "type": ["integer", "string", "null"] }),
    };
    let kept = |(key, value): (String, Json)| {
        let mut schema = described(&value);
        schema["description"] = json!("As in Pingora.");
        (key, schema)
    };
    keys().into_iter().map(kept).collect()
}
