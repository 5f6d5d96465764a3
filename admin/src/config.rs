//! The start-up file of `gateway-admin`: YAML, unknown keys are errors.

use std::{net::SocketAddr, path::Path};

use meta::{
    document::{Flaw, decode},
    problem::Problem,
    startup::{self, BadStartup},
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
    pub fn read(file: &Path) -> Result<Self, BadStartup> {
        startup::read(file, Self::parse)
    }

    /// Reads and checks a text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let (tree, mapping) = startup::mapping(text, "store")?;
        let settings: Self = decode(&Json::Object(mapping)).map_err(|flaws| startup::placed(&tree, flaws))?;
        match settings.faults() {
            faults if faults.is_empty() => Ok(settings),
            faults => Err(startup::placed(&tree, faults)),
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
        let flaws = faults.into_iter();
        flaws
            .map(|(pointer, message)| Flaw::of_value(pointer, message))
            .collect()
    }
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
        let fits = |text: &str| validator.is_valid(&meta::document::read_tree(text).unwrap().to_value());
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
