//! One object as the value of a key.
//!
//! What cannot be read is a broken object with a reason, never an error of the whole. A key that stands twice in one mapping is
//! not noticed: the last one counts, as for most readers of JSON.

use serde_json::Value;

use crate::{
    document::{MAX_DEPTH, RawObject, id_of},
    model::Kind,
    store::StoreError,
};

/// The longest value of one object, in bytes. etcd refuses requests of more than 1.5 MiB, and a commit carries the object that
/// is replaced too.
pub(super) const MOST_BYTES: usize = 512 << 10;

/// An object that cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Broken {
    /// Why.
    pub(super) reason: String,
    /// What stands there, as far as it is a text of a length that can be kept.
    pub(super) text: String,
}

/// Reads the value of the key of `kind`/`id`.
pub(super) fn read(kind: Kind, id: &str, value: &[u8]) -> Result<RawObject, Broken> {
    read_text(kind, id, value).map_err(|reason| Broken {
        reason,
        text: match value.len() {
            0..=MOST_BYTES => String::from_utf8_lossy(value).into_owned(),
            _ => String::new(),
        },
    })
}

fn read_text(kind: Kind, id: &str, value: &[u8]) -> Result<RawObject, String> {
    if value.len() > MOST_BYTES {
        return Err(too_long(value.len()));
    }
    let value: Value = serde_json::from_slice(value).map_err(|error| {
        format!(
            "the value in etcd is no JSON: {error}; put the {} as JSON",
            kind.singular()
        )
    })?;
    if !value.is_object() {
        return Err(format!("expected a {} as a JSON object", kind.singular()));
    }
    if is_deeper(&value, MAX_DEPTH) {
        return Err(too_deep());
    }
    match id_of(&value) {
        Some(found) if found == id => {}
        Some(found) => {
            return Err(format!(
                "its key ends with {id:?} and its id is {found:?}: make them the same"
            ));
        }
        None => return Err(format!("\"id\" is missing; by its key it is {id:?}")),
    }
    RawObject::new(kind, value).ok_or_else(|| "\"id\" is missing".into())
}

/// The id of an object to put, and its value as text.
pub(super) fn write(kind: Kind, object: &Value) -> Result<(String, String), StoreError> {
    let bad = |reason: String| StoreError::BadObject { kind, reason };
    let id = id_of(object).ok_or_else(|| bad("it has no id".into()))?;
    if id.contains('\0') {
        return Err(bad(format!("{id:?} is no id")));
    }
    if is_deeper(object, MAX_DEPTH) {
        return Err(bad(too_deep()));
    }
    let text = object.to_string();
    if text.len() > MOST_BYTES {
        return Err(bad(too_long(text.len())));
    }
    Ok((id, text))
}

fn too_long(length: usize) -> String {
    format!("it has {length} bytes, an object has at most {MOST_BYTES}")
}

fn too_deep() -> String {
    format!("lists and mappings may stand in each other at most {MAX_DEPTH} deep")
}

fn is_deeper(value: &Value, depth: usize) -> bool {
    let Some(inner) = depth.checked_sub(1) else {
        return value.is_array() || value.is_object();
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, inner)),
        Value::Object(entries) => entries.values().any(|item| is_deeper(item, inner)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_can_be_read_again() {
        let object = json!({ "id": "a", "z": [1, { "y": "é" }], "b": 1.5 });
        let (id, text) = write(Kind::Server, &object).unwrap();
        let read = read(Kind::Server, &id, text.as_bytes()).unwrap();
        assert_eq!((id.as_str(), read.value.unpack()), ("a", object));
    }

    #[test]
    fn what_is_no_object_is_broken_and_says_why() {
        let deep = format!("{{\"id\": \"a\", \"x\": {}{}}}", "[".repeat(64), "]".repeat(64));
        let long = format!("{{\"id\": \"a\", \"x\": \"{}\"}}", "x".repeat(MOST_BYTES));
        for (value, reason) in [
            (&b"\xff\xfe"[..], "no JSON"),
            (b"", "no JSON"),
            (b"{\"id\": \"a\"", "no JSON"),
            (b"[1]", "JSON object"),
            (b"{\"address\": \"x\"}", "\"id\" is missing"),
            (b"{\"id\": \"b\"}", "make them the same"),
            (deep.as_bytes(), "deep"),
            (long.as_bytes(), "at most"),
        ] {
            let broken = read(Kind::Server, "a", value).unwrap_err();
            assert!(broken.reason.contains(reason), "{}", broken.reason);
        }
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let deep = (0..64).fold(json!(1), |inner, _| json!([inner]));
        for object in [
            json!({}),
            json!({ "id": "a", "x": deep }),
            json!({ "id": "a", "x": "x".repeat(MOST_BYTES) }),
        ] {
            assert!(matches!(
                write(Kind::Route, &object),
                Err(StoreError::BadObject { .. })
            ));
        }
    }
}
