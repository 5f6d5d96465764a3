//! Messages for people: what was found, what would be right, and what was probably meant.

use serde_json::Value;

/// How much of a text is shown.
const SHOWN: usize = 60;

/// What `value` is: `a list`, `text "x"`, `the number 5`.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing (null)".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > SHOWN => {
            format!(
                "text {:?}",
                text.chars().take(SHOWN).chain(['…']).collect::<String>()
            )
        }
        Value::String(text) => format!("text {text:?}"),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a mapping".into(),
    }
}

/// `unknown key "pahtt"; did you mean "path"? allowed: …`
pub(super) fn unknown_key<'a>(key: &str, allowed: impl Iterator<Item = &'a str> + Clone) -> String {
    unknown("key", key, allowed)
}

/// `unknown WHAT "name"; did you mean "…"? allowed: …`
pub(super) fn unknown<'a>(what: &str, name: &str, allowed: impl Iterator<Item = &'a str> + Clone) -> String {
    let shown: String = name.chars().take(SHOWN).collect();
    let guess = match closest(name, allowed.clone()) {
        Some(close) => format!("; did you mean {close:?}?"),
        None => ";".into(),
    };
    let list: Vec<&str> = allowed.collect();
    match list.is_empty() {
        true => format!("unknown {what} {shown:?}; none is allowed here"),
        false => format!("unknown {what} {shown:?}{guess} allowed: {}", list.join(", ")),
    }
}

/// The one of `allowed` that `name` is most likely a misspelling of, if any is likely.
pub(super) fn closest<'a>(name: &str, allowed: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > SHOWN {
        return None;
    }
    let name = name.to_lowercase().replace('-', "_");
    allowed
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= (candidate.len().max(name.len()) + 1) / 3)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// `token` as a part of a JSON pointer (RFC 6901): `/token`.
pub(crate) fn pointer_token(token: &str) -> String {
    format!("/{}", token.replace('~', "~0").replace('/', "~1"))
}

/// What serde says of the value `found`, in other words. `name` is the last token of the pointer.
pub(super) fn of_serde(message: &str, found: &Value) -> String {
    if let Some(field) = between(message, "missing field `", "`") {
        return format!("{field:?} is missing");
    }
    if let Some(allowed) = message.strip_prefix("unknown variant `") {
        let name = found
            .as_str()
            .or_else(|| found.as_object()?.keys().next().map(String::as_str));
        if let Some((name, allowed)) = name.and_then(|name| Some((name, allowed.strip_prefix(name)?))) {
            return unknown("value", name, names(allowed));
        }
    }
    if message.starts_with("data did not match any variant") {
        return format!(
            "{} does not have one of the shapes that are allowed here",
            describe(found)
        );
    }
    let typed = ["invalid type: ", "invalid value: ", "invalid length "];
    match message.rsplit_once(", expected ") {
        Some((before, expected)) if typed.iter().any(|kind| before.starts_with(kind)) => {
            format!("expected {}, found {}", wanted(expected), describe(found))
        }
        _ => message.to_owned(),
    }
}

/// What serde says of an unknown key, in other words, and the key that was probably meant.
pub(super) fn of_unknown_key(message: &str, key: &str) -> Option<(String, Option<String>)> {
    let allowed = message
        .strip_prefix("unknown field `")?
        .strip_prefix(key)?
        .strip_prefix('`')?;
    let meant = closest(key, names(allowed)).map(str::to_owned);
    Some((unknown_key(key, names(allowed)), meant))
}

/// The names in backticks in serde's list.
fn names(list: &str) -> impl Iterator<Item = &str> + Clone {
    let after = list.find(", expected ").or_else(|| list.find(", there are no"));
    list[after.unwrap_or(0)..].split('`').skip(1).step_by(2)
}

pub(super) fn between<'m>(message: &'m str, before: &str, after: &str) -> Option<&'m str> {
    Some(message.strip_prefix(before)?.split_once(after)?.0)
}

fn wanted(expected: &str) -> String {
    let whole = |from: i128, to: i128| format!("a whole number from {from} to {to}");
    match expected {
        "a sequence" => "a list".into(),
        "a string" | "a borrowed string" | "a character" | "string" => "text".into(),
        "a boolean" => "true or false".into(),
        "a map" | "map" => "a mapping".into(),
        "unit" | "null" => "nothing".into(),
        "string or map" => "text or a mapping".into(),
        "map with a single key" => "a mapping with one key".into(),
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" | "usize" => "a whole number from 0".into(),
        "i8" => whole(i8::MIN.into(), i8::MAX.into()),
        "i16" => whole(i16::MIN.into(), i16::MAX.into()),
        "i32" => whole(i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        _ if expected.starts_with("struct ") => "a mapping".into(),
        _ if expected.starts_with("enum ") => "a name or a mapping with one key".into(),
        _ => expected.to_owned(),
    }
}
