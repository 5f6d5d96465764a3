//! Objects as a table: a line each, in columns, what matters most of each kind.

use meta::model::Kind;
use serde_json::Value as Json;

/// What stands between two columns.
const GAP: usize = 2;
/// How long a cell may be, in characters.
const MOST: usize = 60;

/// A column: its title, and where in an object its value is.
type Column = (&'static str, &'static str);

fn columns(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Server => &[("ID", "/id"), ("ADDRESS", "/address"), ("WEIGHT", "/weight")],
        Kind::Cluster => &[
            ("ID", "/id"),
            ("SERVERS", "/servers"),
            ("LOAD BALANCE", "/load_balance"),
        ],
        Kind::Route => &[
            ("ID", "/id"),
            ("HOSTS", "/match/hosts"),
            ("METHODS", "/match/methods"),
            ("PATH", "/match/path"),
            ("TO", "/to"),
        ],
        Kind::Aggregation => &[
            ("ID", "/id"),
            ("METHODS", "/match/methods"),
            ("PATH", "/match/path"),
            ("NODES", "/nodes"),
        ],
    }
}

const REVISIONS: [Column; 4] = [
    ("REVISION", "/revision"),
    ("TIME", "/time"),
    ("AUTHOR", "/author"),
    ("MESSAGE", "/message"),
];

/// These objects of one kind; `ENABLED` is there if one is not.
pub(super) fn objects(kind: Kind, objects: &[Json]) -> String {
    let mut columns = columns(kind).to_vec();
    if objects.iter().any(|object| object["enabled"] == false) {
        columns.push(("ENABLED", "/enabled"));
    }
    table(&columns, objects)
}

/// States of the past.
pub(super) fn revisions(revisions: &[Json]) -> String {
    table(&REVISIONS, revisions)
}

fn table(columns: &[Column], rows: &[Json]) -> String {
    let titles = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
    let cells = |row: &Json| {
        let cell = |(_, pointer): &Column| cell(row.pointer(pointer));
        columns.iter().map(cell).collect()
    };
    let lines: Vec<Vec<String>> = std::iter::once(titles).chain(rows.iter().map(cells)).collect();
    let width = |at: usize| {
        let widths = lines
            .iter()
            .filter_map(|line| line.get(at))
            .map(|cell| cell.chars().count());
        widths.max().unwrap_or_default() + GAP
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", padded.collect::<String>().trim_end())
    };
    lines.iter().map(line).collect()
}

/// A value in one line; `-` if there is none. Of an object in a list, who it is.
fn cell(value: Option<&Json>) -> String {
    let text = match value {
        None => "-".to_owned(),
        Some(Json::Array(items)) => items.iter().map(short).collect::<Vec<_>>().join(","),
        Some(value) => short(value),
    };
    let plain: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    match plain.chars().count() > MOST {
        true => format!("{}…", plain.chars().take(MOST - 1).collect::<String>()),
        false => plain,
    }
}

fn short(value: &Json) -> String {
    let names = ["id", "name", "cluster"];
    match names.iter().find_map(|name| value.get(name)).unwrap_or(value) {
        Json::String(text) => text.clone(),
        Json::Object(members) => members
            .iter()
            .map(|(key, value)| format!("{key}: {}", short(value)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_line_up_and_long_or_odd_values_stay_in_their_line() {
        let rows = [
            json!({ "id": "a", "match": { "path": "/a", "hosts": ["h", "i"] }, "to": [{ "cluster": "c", "weight": 1 }, { "cluster": "d" }] }),
            json!({ "id": "long-name", "match": { "path": format!("/{}", "x".repeat(99)) }, "enabled": false }),
        ];
        let text = objects(Kind::Route, &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("ID         HOSTS  METHODS  PATH"), "{text}");
        assert!(lines[0].ends_with("TO   ENABLED"), "{text}");
        assert!(
            lines[1].starts_with("a          h,i    -        /a") && lines[1].contains(" c,d  -"),
            "{text}"
        );
        assert!(
            lines[2].contains(&format!("/{}…", "x".repeat(58))) && lines[2].ends_with("false"),
            "{text}"
        );
        let server = json!({ "id": "s", "address": "a\nb", "weight": 2 });
        assert!(objects(Kind::Server, &[server]).ends_with("s   a b      2\n"));
        let hashed = json!({ "id": "c", "servers": [], "load_balance": { "consistent_hash": "header.x" } });
        assert!(objects(Kind::Cluster, &[hashed]).contains("consistent_hash: header.x"));
    }
}
