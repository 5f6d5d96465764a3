//! What every write may say of itself beside its body: `?dry_run=`, `?message=` and `X-Gateway-Author`.

use actix_web::HttpRequest;
use meta::store::Note;

use crate::{
    finding::Finding,
    parameters::Parameters,
    problem::{Code, Problem},
};

/// The parameters of every write.
pub(crate) const PARAMETERS: [&str; 2] = ["dry_run", "message"];
/// The header that names who writes.
pub(crate) const AUTHOR: &str = "x-gateway-author";
/// How many characters a name has at most.
pub(crate) const MOST_AUTHOR: usize = 64;
/// How many characters a message has at most.
pub(crate) const MOST_MESSAGE: usize = 500;

/// How a write is to be done.
pub(crate) struct Order {
    /// Whether it is only to be told what would come of it.
    pub(crate) dry_run: bool,
    /// What the history shall say.
    pub(crate) note: Note,
}

impl Order {
    /// As the request says, which has no other parameters.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request, &PARAMETERS);
        let order = Self {
            dry_run: parameters.take("dry_run", truth).unwrap_or(false),
            note: Note {
                message: parameters
                    .take("message", |text| line(text, MOST_MESSAGE))
                    .unwrap_or_default(),
                author: author(request)?,
            },
        };
        parameters.finish()?;
        Ok(order)
    }
}

/// Nobody is asked who he is, so this is what he says of himself.
fn author(request: &HttpRequest) -> Result<String, Problem> {
    let Some(given) = request.headers().get(AUTHOR) else {
        return Ok("admin".to_owned());
    };
    let text = str::from_utf8(given.as_bytes()).map_err(|_| "it is not UTF-8".to_owned());
    let name = text.and_then(|text| line(text.trim(), MOST_AUTHOR));
    let name = name.and_then(|name| match name.as_str() {
        "" => Err("it is empty: say who writes, or leave the header out".to_owned()),
        _ => Ok(name),
    });
    name.map_err(|reason| {
        let error = Finding::of_parameter("X-Gateway-Author", reason);
        Problem::new(Code::BadRequest, "a header is wrong").because(vec![error])
    })
}

/// A text of one line: it goes into logs and lists.
fn line(text: &str, most: usize) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("it holds a control character: write it in one line".into());
    }
    match text.chars().count() {
        length if length > most => Err(format!("it has {length} characters, at most {most} are kept")),
        _ => Ok(text.to_owned()),
    }
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "use true or false".to_owned())
}
