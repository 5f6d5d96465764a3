//! What every write may say of itself beside its body: `?dry_run=`, `?message=` and `X-Gateway-Author`.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderValue},
};
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
    /// As the request says, which has no other parameters and comes from no other site.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        same_site(request)?;
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

/// Refuses what a page of another site makes somebody's browser send. Who is no browser names no origin.
fn same_site(request: &HttpRequest) -> Result<(), Problem> {
    let Some(origin) = request.headers().get(header::ORIGIN) else {
        return Ok(());
    };
    let host = request.headers().get(header::HOST).map(HeaderValue::as_bytes);
    let origin = origin.as_bytes();
    let site = [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| origin.strip_prefix(scheme));
    match site.is_some() && site == host {
        true => Ok(()),
        false => Err(Problem::new(
            Code::OtherSite,
            "a page of another site cannot change anything here (Origin)",
        )),
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
