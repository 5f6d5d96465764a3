//! The text of a last good state: three lines of JSON.
//!
//! The first says which format it is, and the length and the CRC-32 (as in gzip) of everything after it; the second what the
//! objects are of; the third has the objects as they would be written. The sum is against accidents of disks and file systems,
//! not against people: one in 4 billion damaged files would pass for a whole one.

use jiff::Timestamp;
use meta::{check::Checked, document::RawObject, model::Kind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Origin;

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Seal {
    format: u32,
    bytes: usize,
    crc32: u32,
}

/// What a state is of.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) revision: u64,
    /// Whether that was all there was in the store.
    pub(super) complete: bool,
    pub(super) store: Origin,
    pub(super) saved: Timestamp,
}

/// Fails only if an object cannot be written as JSON, which none is known not to be.
pub(super) fn encode(head: &Head, checked: &Checked) -> serde_json::Result<Vec<u8>> {
    let mut rest = serde_json::to_vec(head)?;
    rest.push(b'\n');
    serde_json::to_writer(&mut rest, checked)?;
    rest.push(b'\n');
    let seal = Seal {
        format: FORMAT,
        bytes: rest.len(),
        crc32: crc32(&rest),
    };
    let mut text = serde_json::to_vec(&seal)?;
    text.push(b'\n');
    text.append(&mut rest);
    Ok(text)
}

/// Reads what [`encode`] has written, or says what is wrong with it.
pub(super) fn decode(text: &[u8]) -> Result<(Head, Vec<RawObject>), String> {
    let (seal, rest) = line(text).ok_or("it has no first line")?;
    let seal: Seal =
        serde_json::from_slice(seal).map_err(|error| format!("its first line is damaged: {error}"))?;
    if seal.format != FORMAT {
        return Err(format!(
            "it is of format {}, this version reads format {FORMAT}",
            seal.format
        ));
    }
    if seal.bytes != rest.len() {
        return Err(format!(
            "it is damaged: {} bytes follow the first line, not {}",
            rest.len(),
            seal.bytes
        ));
    }
    if seal.crc32 != crc32(rest) {
        return Err("it is damaged: its checksum is another one".into());
    }
    let (head, rest) = line(rest).ok_or("it has no second line")?;
    let unreadable = |error: serde_json::Error| format!("it cannot be read: {error}");
    let head: Head = serde_json::from_slice(head).map_err(unreadable)?;
    let lists: Map<String, Value> = serde_json::from_slice(rest).map_err(unreadable)?;
    Ok((head, objects(lists)?))
}

fn objects(lists: Map<String, Value>) -> Result<Vec<RawObject>, String> {
    let mut objects = Vec::new();
    for (name, list) in lists {
        let (Some(kind), Value::Array(list)) = (Kind::from_plural(&name), list) else {
            return Err(format!("it cannot be read: {name:?} is no list of objects"));
        };
        objects.extend(list.into_iter().filter_map(|value| RawObject::new(kind, value)));
    }
    Ok(objects)
}

/// The first line, and what follows it.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = text.split_at_checked(end)?;
    Some((line, rest.get(1..)?))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
