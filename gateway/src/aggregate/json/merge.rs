//! Several answers become one JSON text by splicing: every value stands in it byte for byte.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;

use super::string::pushed_length;
use super::{Json, Kind, Raw, push_string};

/// How answers become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// An object: under the name of each node its answer.
    Object,
    /// An object of the members of all answers. `null` adds nothing; any other answer that is not an object becomes
    /// a member under its node's name.
    Flat(OnCollision),
    /// An array of the answers.
    List,
}

/// What becomes of a member name in the answers of several nodes. A name that one answer has twice is no collision:
/// all of its members stay, or all go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCollision {
    /// The merge fails.
    Error,
    /// The first node's members stay, where they are.
    First,
    /// The last node's members stay, where they are.
    Last,
}

/// A member name is in the answers of two nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collision {
    /// The name, decoded.
    pub key: String,
    /// The node that has it first.
    pub first: String,
    /// The next node that has it.
    pub second: String,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, first, second } = self;
        write!(f, "both `{first}` and `{second}` answer with a member {key:?}")
    }
}

impl std::error::Error for Collision {}

/// Merges the answers of `nodes`, each with the node's name, in their order.
///
/// The result is valid JSON, for [`Merge::Object`] and [`Merge::List`] one level deeper than its deepest answer, and
/// is written into one allocation. Only [`Merge::Flat`] can fail, with [`OnCollision::Error`]. It compares names
/// decoded, a lone surrogate as U+FFFD, in time linear in the answers whatever they are: the hash is keyed at random.
/// Besides the result it takes up to some 110 bytes for each different name. The worst is 10 MiB of a million short
/// members: 0.5 s and 100 MB, so the size of answers is to be limited where they are read.
pub fn merge<'a>(
    how: Merge,
    nodes: impl ExactSizeIterator<Item = (&'a str, &'a Json)> + Clone,
) -> Result<Vec<u8>, Collision> {
    match how {
        Merge::Object => Ok(object(nodes)),
        Merge::Flat(on_collision) => flat(on_collision, nodes),
        Merge::List => Ok(list(nodes)),
    }
}

fn object<'a>(nodes: impl ExactSizeIterator<Item = (&'a str, &'a Json)> + Clone) -> Vec<u8> {
    let lengths = nodes
        .clone()
        .map(|(name, json)| pushed_length(name) + 1 + json.as_bytes().len());
    let mut out = Vec::with_capacity(joined_length(lengths));
    out.push(b'{');
    for (name, json) in nodes {
        push_comma(&mut out);
        push_string(&mut out, name);
        out.push(b':');
        out.extend_from_slice(json.as_bytes());
    }
    out.push(b'}');
    out
}

fn list<'a>(nodes: impl ExactSizeIterator<Item = (&'a str, &'a Json)> + Clone) -> Vec<u8> {
    let lengths = nodes.clone().map(|(_, json)| json.as_bytes().len());
    let mut out = Vec::with_capacity(joined_length(lengths));
    out.push(b'[');
    for (_, json) in nodes {
        push_comma(&mut out);
        out.extend_from_slice(json.as_bytes());
    }
    out.push(b']');
    out
}

/// With a comma between each two and a bracket at each end.
fn joined_length(lengths: impl ExactSizeIterator<Item = usize>) -> usize {
    let commas = lengths.len().saturating_sub(1);
    2 + commas + lengths.sum::<usize>()
}

/// Unless there is nothing yet but the opening bracket.
fn push_comma(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
}

fn flat<'a>(
    on_collision: OnCollision,
    nodes: impl ExactSizeIterator<Item = (&'a str, &'a Json)> + Clone,
) -> Result<Vec<u8>, Collision> {
    let objects: Vec<Json> = nodes.clone().map(|(name, json)| as_object(name, json)).collect();
    let mut owners = match on_collision {
        OnCollision::Error | OnCollision::First => HashMap::new(),
        OnCollision::Last => last_owners(&objects),
    };
    // Enough: the brackets of each object make room for its comma.
    let most = objects.iter().map(|object| object.as_bytes().len()).sum();
    let mut out = Vec::with_capacity(most);
    out.push(b'{');
    for (node, key, value) in members(&objects) {
        let name = key.text().unwrap_or_default();
        let owner = *owners.entry(name).or_insert(node);
        if owner == node {
            push_member(&mut out, key, value);
        } else if on_collision == OnCollision::Error {
            return Err(collision(nodes, key, [owner, node]));
        }
    }
    out.push(b'}');
    Ok(out)
}

/// What the answer of the node `name` adds.
fn as_object(name: &str, json: &Json) -> Json {
    match json.raw().kind() {
        Kind::Object => json.clone(),
        Kind::Null => Json::empty_object(),
        _ => Json(Bytes::from(object([(name, json)].into_iter()))),
    }
}

/// Each member of each object with the index of its object.
fn members(objects: &[Json]) -> impl Iterator<Item = (usize, Raw<'_>, Raw<'_>)> {
    objects
        .iter()
        .enumerate()
        .flat_map(|(node, object)| object.raw().members().map(move |(key, value)| (node, key, value)))
}

/// The last object that has a member of the name, for each name.
fn last_owners(objects: &[Json]) -> HashMap<Cow<'_, str>, usize> {
    members(objects)
        .map(|(node, key, _)| (key.text().unwrap_or_default(), node))
        .collect()
}

fn push_member(out: &mut Vec<u8>, key: Raw<'_>, value: Raw<'_>) {
    push_comma(out);
    out.extend_from_slice(key.as_bytes());
    out.push(b':');
    out.extend_from_slice(value.as_bytes());
}

fn collision<'a>(
    nodes: impl Iterator<Item = (&'a str, &'a Json)> + Clone,
    key: Raw<'_>,
    owners: [usize; 2],
) -> Collision {
    let [first, second] = owners.map(|index| nodes.clone().nth(index));
    let name = |node: Option<(&str, _)>| node.map_or_else(String::new, |(name, _)| name.to_owned());
    Collision {
        key: key.text().unwrap_or_default().into_owned(),
        first: name(first),
        second: name(second),
    }
}
