//! The query of a request, read strictly: what is not known, stands twice or is out of bounds is refused, all at once.

use actix_web::HttpRequest;
use meta::{check::near, id::Id, model::Kind};
use percent_encoding::percent_decode_str;

use crate::{
    finding::Finding,
    problem::{Code, Problem},
};

/// The parameters of a request that are not yet read, and what is wrong with those that are.
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    wrong: Vec<Finding>,
}

impl Parameters {
    /// Those of `request`, of which `allowed` are known.
    pub(crate) fn of(request: &HttpRequest, allowed: &[&str]) -> Self {
        let query = request.query_string().as_bytes();
        let mut parameters = Self {
            given: Vec::new(),
            wrong: Vec::new(),
        };
        for (name, value) in form_urlencoded::parse(query) {
            if !allowed.contains(&&*name) {
                parameters.refuse(&name, unknown(&name, allowed));
            } else if value.contains(char::REPLACEMENT_CHARACTER) {
                parameters.refuse(&name, "it is not UTF-8".to_owned());
            } else {
                parameters.given.push((name.into_owned(), value.into_owned()));
            }
        }
        parameters
    }

    /// The one called `name` as `read` understands it, if it is given and right.
    pub(crate) fn take<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let values = self.take_all(name, read)?;
        if values.len() > 1 {
            self.refuse(name, "it stands more than once: say it once".to_owned());
        }
        values.into_iter().next()
    }

    /// All called `name`, if they are right; `None` if there are none.
    pub(crate) fn take_all<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let own: Vec<_> = self.given.extract_if(.., |(other, _)| other == name).collect();
        if own.is_empty() {
            return None;
        }
        let mut values = Vec::with_capacity(own.len());
        for (_, text) in own {
            match read(&text) {
                Ok(value) => values.push(value),
                Err(reason) => self.refuse(name, reason),
            }
        }
        Some(values)
    }

    /// Refuses the request if anything is wrong with its parameters.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.wrong.is_empty() {
            true => Ok(()),
            false => Err(Problem::new(Code::BadRequest, "the query is wrong").because(self.wrong)),
        }
    }

    fn refuse(&mut self, name: &str, reason: String) {
        let name: String = name.chars().take(80).collect();
        self.wrong.push(Finding::of_parameter(&name, reason));
    }
}

fn unknown(name: &str, allowed: &[&str]) -> String {
    let hint = match (near(name, allowed.iter().copied()), allowed) {
        (Some(meant), _) => format!("; did you mean {meant:?}?"),
        (None, []) => "; there are none here".to_owned(),
        (None, _) => format!("; known are {}", allowed.join(", ")),
    };
    format!("there is no such parameter{hint}")
}

/// Refuses every parameter.
pub(crate) fn none(request: &HttpRequest) -> Result<(), Problem> {
    Parameters::of(request, &[]).finish()
}

/// The part `name` of the path, decoded.
fn part(request: &HttpRequest, name: &str) -> String {
    // The router leaves some escapes as they are.
    let raw = request.match_info().get(name).unwrap_or_default();
    percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

/// The kind in the path. The router lets only kinds through.
pub(crate) fn kind(request: &HttpRequest) -> Result<Kind, Problem> {
    let no_kind = || Problem::new(Code::NotFound, "there is nothing at this path");
    Kind::from_plural(&part(request, "kind")).ok_or_else(no_kind)
}

/// The id that the path has at `name`.
pub(crate) fn id(request: &HttpRequest, name: &str) -> Result<Id, Problem> {
    part(request, name).parse().map_err(|error: meta::id::BadId| {
        let error = Finding::of_parameter(name, error.to_string());
        Problem::new(Code::BadRequest, "the path is wrong").because(vec![error])
    })
}

/// The revision that the path has at `revision`, or a parameter names.
pub(crate) fn revision(text: &str) -> Result<meta::store::Revision, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    let number = number.map(meta::store::Revision);
    number.ok_or_else(|| "a revision is a whole number, as /api/v1/revisions lists them".to_owned())
}

/// The revision that the path names.
pub(crate) fn revision_in_path(request: &HttpRequest) -> Result<meta::store::Revision, Problem> {
    revision(&part(request, "revision")).map_err(|reason| {
        let error = Finding::of_parameter("revision", reason);
        Problem::new(Code::BadRequest, "the path is wrong").because(vec![error])
    })
}
