//! The start-up file of `gateway-admin`: YAML, unknown keys are errors.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use meta::{
    document::{self, Flaw, Node, Subject, decode},
    problem::{Problem, dotted},
    store::StoreSettings,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// What a start-up file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// IP address and port. Nobody is asked who he is, so it has to be a loopback address.
    #[serde(default = "default_address")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Where the configuration is kept; the same as in the start-up file of the proxies.
    pub store: StoreSettings,
}

/// What is wrong with a start-up file: every problem, one a line, each with its place.
#[derive(Debug)]
pub struct BadSettings {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            let space = if problem.position.is_none() { " " } else { "" };
            write!(f, "{line}{}:{space}{problem}", self.file.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for BadSettings {}

/// Where an admin listens if nothing is said.
pub fn default_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9093))
}

/// Why an admin cannot listen on `address`, if others could reach it there.
pub fn unguarded(address: SocketAddr) -> Option<&'static str> {
    let message = "everyone could change the configuration here: listen on 127.0.0.1";
    (!address.ip().is_loopback()).then_some(message)
}

impl Settings {
    /// Reads and checks the file.
    pub fn read(file: &Path) -> Result<Self, BadSettings> {
        let unread = |error| vec![Problem::of_text(None, format!("cannot be read: {error}"))];
        let text = std::fs::read_to_string(file).map_err(unread);
        text.and_then(|text| Self::parse(&text))
            .map_err(|problems| BadSettings {
                file: file.to_owned(),
                problems,
            })
    }

    /// Reads and checks a text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let tree = document::read_tree(text).map_err(|problem| vec![problem])?;
        let value = tree.to_value();
        if !value.is_object() {
            let position = (!text.trim().is_empty()).then(|| tree.start());
            let message = "a start-up file is a mapping, as in \"store: …\"";
            return Err(vec![Problem::of_text(position, message)]);
        }
        let settings: Self = decode(&value).map_err(|flaws| placed(&tree, flaws))?;
        match settings.faults() {
            faults if faults.is_empty() => Ok(settings),
            faults => Err(placed(&tree, faults)),
        }
    }

    /// What the types do not refuse.
    fn faults(&self) -> Vec<Flaw> {
        let mut faults: Vec<(String, String)> = self
            .store
            .faults()
            .into_iter()
            .map(|(pointer, message)| (format!("/store/{pointer}"), message))
            .collect();
        let mut bad_address = |message: &str| faults.push(("/address".into(), message.into()));
        unguarded(self.address).into_iter().for_each(&mut bad_address);
        if self.address.port() == 0 {
            bad_address("port 0 is any free port, and nobody would know which: choose one");
        }
        let flaw = |(pointer, message)| Flaw {
            pointer,
            message,
            offset: None,
            subject: Subject::Value,
        };
        faults.into_iter().map(flaw).collect()
    }
}

/// The flaws with their places, in the order of the text.
fn placed(tree: &Node, flaws: Vec<Flaw>) -> Vec<Problem> {
    let problem = |flaw: Flaw| {
        let named = match flaw.pointer.as_str() {
            "" => String::new(),
            pointer => format!("{}: ", dotted(pointer)),
        };
        Problem::of_text(tree.locate(&flaw), format!("{named}{}", flaw.message))
    };
    let mut problems: Vec<Problem> = flaws.into_iter().map(problem).collect();
    problems.sort_by_key(|problem| problem.position);
    problems
}

/// JSON Schema (2020-12) of a start-up file.
pub fn schema() -> Json {
    let mut schema = schemars::schema_for!(Settings).to_value();
    schema["title"] = json!("Gateway admin start-up file");
    schema["description"] = json!("What a gateway-admin process needs to know.");
    schema
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_mistake_is_reported_with_its_place_and_what_is_right() {
        for (text, place, part) in [
            ("", "", "a start-up file is a mapping"),
            ("- a\n", "1:1", "a start-up file is a mapping"),
            ("address: \"127.0.0.1:9093\"\n", "1:1", "missing"),
            ("store: {}\n", "1:8", "name a store"),
            (
                "store: { file: a, etcd: { endpoints: [\"http://h:1\"] } }\n",
                "1:8",
                "not both",
            ),
            ("store: { file: / }\n", "1:16", "this is no file"),
            (
                "store: { file: a }\nadress: x\n",
                "2:1",
                "did you mean \"address\"",
            ),
            ("store: { file: a }\naddress: 9093\n", "2:10", "address"),
            (
                "store: { file: a }\naddress: \"0.0.0.0:9093\"\n",
                "2:10",
                "everyone could",
            ),
            (
                "store: { file: a }\naddress: \"[::]:9093\"\n",
                "2:10",
                "everyone could",
            ),
            ("store: { file: a }\naddress: \"127.0.0.1:0\"\n", "2:10", "port 0"),
        ] {
            let problems = Settings::parse(text).unwrap_err();
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            let line = problems[0].to_string();
            assert!(line.starts_with(place) && line.contains(part), "{text}: {line}");
        }
    }

    #[test]
    fn the_address_is_loopback_if_none_is_named() {
        let settings = Settings::parse("store: { file: a }\n").unwrap();
        assert_eq!(settings.address.to_string(), "127.0.0.1:9093");
        assert!(Settings::parse("store: { file: a }\naddress: \"[::1]:1\"\n").is_ok());
    }

    #[test]
    fn the_example_and_the_committed_schema_are_what_the_type_says() {
        let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf");
        let example = std::fs::read_to_string(conf.join("admin.yaml")).unwrap();
        Settings::parse(&example).unwrap();
        let file = conf.join("schema/admin.json");
        let text = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{}: run the tests with UPDATE_SCHEMA=1",
            file.display()
        );
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let fits = |text: &str| validator.is_valid(&document::read_tree(text).unwrap().to_value());
        assert!(fits(&example));
        for bad in [
            "{}",
            "store: { file: 1 }",
            "store: { file: a }\nport: 1\n",
            "store: {}",
        ] {
            assert!(!fits(bad) && Settings::parse(bad).is_err(), "{bad}");
        }
    }
}
