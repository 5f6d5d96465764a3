//! What the start-up files of all processes have in common: YAML mappings whose mistakes are told with their places.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value as Json};

use crate::{
    document::{Flaw, Node, read_tree},
    problem::{Problem, dotted},
};

/// What is wrong with a start-up file: every problem, one a line, each with its place.
#[derive(Debug)]
pub struct BadStartup {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl fmt::Display for BadStartup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.problems.iter().map(|problem| in_file(&self.file, problem));
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for BadStartup {}

/// `FILE:LINE:COLUMN: message`, or `FILE: message` if the problem has no place.
pub fn in_file(file: &Path, problem: &Problem) -> String {
    let space = if problem.position.is_none() { " " } else { "" };
    format!("{}:{space}{problem}", file.display())
}

/// Reads a file and makes of its text what `parse` does.
pub fn read<T>(file: &Path, parse: impl FnOnce(&str) -> Result<T, Vec<Problem>>) -> Result<T, BadStartup> {
    let unread = |error| vec![Problem::of_text(None, format!("cannot be read: {error}"))];
    let text = std::fs::read_to_string(file).map_err(unread);
    text.and_then(|text| parse(&text)).map_err(|problems| BadStartup {
        file: file.to_owned(),
        problems,
    })
}

/// The mapping that a text is, with its places. `example` is a key that it may have, for whoever wrote something else.
pub fn mapping(text: &str, example: &str) -> Result<(Node, Map<String, Json>), Vec<Problem>> {
    let tree = read_tree(text).map_err(|problem| vec![problem])?;
    match tree.to_value() {
        Json::Object(mapping) => Ok((tree, mapping)),
        _ => {
            let position = (!text.trim().is_empty()).then(|| tree.start());
            let message = format!("a start-up file is a mapping, as in \"{example}: …\"");
            Err(vec![Problem::of_text(position, message)])
        }
    }
}

/// The flaws with their places, in the order of the text.
pub fn placed(tree: &Node, flaws: Vec<Flaw>) -> Vec<Problem> {
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
