//! Filters as a configuration sees them: the kinds there are, and what each is configured with.
//!
//! What a filter does to a request is the data plane's part; here is what checking and the schema need of it, so that the control
//! plane knows the filters without knowing the data plane. A team that embeds the gateway adds its own kinds to [`FilterKinds`].

mod builtin;

pub use builtin::{Access, HeaderChanges, HeaderName, Headers, Redirect, Reply};

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{
    document::{Flaw, decode},
    language::Value,
};

/// The configuration of one kind of filter.
pub trait FilterConfig: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The key that names the kind in a route: lower case, words joined by `_`.
    const NAME: &'static str;

    /// Whether the filter answers every request by itself, so that a route needs no cluster.
    const ANSWERS: bool = false;

    /// What is wrong beyond what the types refuse: a JSON pointer within the configuration and a message.
    fn flaws(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The values of the request that the configuration reads, each with the JSON pointer of where it does.
    fn values(&self) -> ValuesRead {
        Vec::new()
    }
}

/// The values of the request that a configuration reads, each with the JSON pointer of where it does.
pub type ValuesRead = Vec<(String, Value)>;

/// What is known of one kind of filter.
#[derive(Clone, Copy)]
pub struct FilterKind {
    /// Whether it answers every request by itself.
    pub answers: bool,
    read: fn(&Json) -> Result<ValuesRead, Vec<Flaw>>,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

/// The kinds of filters a gateway knows, by name.
#[derive(Clone)]
pub struct FilterKinds(BTreeMap<&'static str, FilterKind>);

impl FilterKinds {
    /// Adds the kind `C`; a kind of the same name is replaced.
    pub fn add<C: FilterConfig>(&mut self) {
        let schema = |generator: &mut SchemaGenerator| generator.subschema_for::<C>();
        self.0.insert(
            C::NAME,
            FilterKind {
                answers: C::ANSWERS,
                read: read::<C>,
                schema,
            },
        );
    }

    /// The kind called `name`.
    pub fn get(&self, name: &str) -> Option<&FilterKind> {
        self.0.get(name)
    }

    /// All names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.keys().copied()
    }

    /// The schema of each kind's configuration.
    pub fn schemas(&self, generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
        self.0
            .iter()
            .map(|(name, kind)| (*name, (kind.schema)(generator)))
            .collect()
    }
}

impl FilterKind {
    /// Reads a configuration of this kind only to see what is wrong with it and which values of the request it reads.
    pub fn read(&self, config: &Json) -> Result<ValuesRead, Vec<Flaw>> {
        (self.read)(config)
    }
}

/// The built-in kinds.
impl Default for FilterKinds {
    fn default() -> Self {
        let mut kinds = Self(BTreeMap::new());
        kinds.add::<Access>();
        kinds.add::<Headers>();
        kinds.add::<Redirect>();
        kinds.add::<Reply>();
        kinds
    }
}

fn read<C: FilterConfig>(config: &Json) -> Result<ValuesRead, Vec<Flaw>> {
    let config: C = decode(config)?;
    let flaws = config.flaws();
    if flaws.is_empty() {
        return Ok(config.values());
    }
    Err(flaws
        .into_iter()
        .map(|(pointer, message)| Flaw::of_value(pointer, message))
        .collect())
}
