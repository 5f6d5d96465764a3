//! What only shows: `get`, `export`, `history`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use form_urlencoded::Serializer;
use meta::{document::write_value, id::Id, model::Kind};
use serde::Deserialize;
use serde_json::Value as Json;

use super::{Connection, Done, Failure, Remote, table};

/// How many objects are asked for at once: as many as an admin gives.
const PAGE: &str = "1000";

/// `gateway get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// servers, clusters, routes or aggregations
    #[arg(value_parser = kind)]
    kind: Kind,
    /// One object instead of all
    id: Option<Id>,
    /// In which form
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
    #[command(flatten)]
    connection: Connection,
}

/// `gateway export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file to write; standard output if absent, or `-`
    file: Option<PathBuf>,
    /// In which form
    #[arg(short, long, value_enum, default_value_t = WholeForm::Yaml)]
    output: WholeForm,
    #[command(flatten)]
    connection: Connection,
}

/// `gateway history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// In which form
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Table,
    Json,
    Yaml,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WholeForm {
    Yaml,
    Json,
}

/// One page of a list.
#[derive(Deserialize)]
struct Page {
    items: Vec<Json>,
    #[serde(default)]
    next: Option<String>,
}

impl Get {
    pub(super) fn run(&self) -> Result<Done, Failure> {
        let remote = self.connection.open()?;
        let text = match &self.id {
            Some(id) => {
                let object: Json = remote.get(&format!("/{}/{id}", self.kind))?;
                match self.output {
                    Form::Table => table::objects(self.kind, &[object]),
                    form => written(form, &object),
                }
            }
            None => {
                let objects = all(&remote, self.kind)?;
                match self.output {
                    Form::Table => table::objects(self.kind, &objects),
                    form => written(form, &Json::Array(objects)),
                }
            }
        };
        Ok(Done::saying(text))
    }
}

impl Export {
    pub(super) fn run(&self) -> Result<Done, Failure> {
        let media = match self.output {
            WholeForm::Yaml => "application/yaml",
            WholeForm::Json => "application/json",
        };
        let text = self.connection.open()?.text("/config", media)?;
        match &self.file {
            Some(file) if file != Path::new("-") => {
                let unwritten =
                    |error| Failure::Usage(format!("{}: cannot be written: {error}", file.display()));
                std::fs::write(file, text).map_err(unwritten)?;
                Ok(Done::saying(String::new()))
            }
            _ => Ok(Done::saying(text)),
        }
    }
}

impl History {
    pub(super) fn run(&self) -> Result<Done, Failure> {
        let page: Page = self.connection.open()?.get("/revisions")?;
        Ok(Done::saying(match self.output {
            Form::Table => table::revisions(&page.items),
            form => written(form, &Json::Array(page.items)),
        }))
    }
}

/// All objects of a kind, page by page.
fn all(remote: &Remote, kind: Kind) -> Result<Vec<Json>, Failure> {
    let mut objects = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = Serializer::new(String::new());
        query.append_pair("limit", PAGE);
        if let Some(after) = &after {
            query.append_pair("after", after);
        }
        let page: Page = remote.get(&format!("/{kind}?{}", query.finish()))?;
        objects.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(objects),
        }
    }
}

fn written(form: Form, value: &Json) -> String {
    match form {
        Form::Yaml => write_value(value),
        _ => format!("{value:#}\n"),
    }
}

/// The kind called `name`, of one or of many.
fn kind(name: &str) -> Result<Kind, String> {
    let called = |kind: &Kind| kind.plural() == name || kind.singular() == name;
    let names = Kind::ALL.map(Kind::plural).join(", ");
    Kind::ALL
        .into_iter()
        .find(called)
        .ok_or_else(|| format!("use one of {names}"))
}
