//! One thing that is wrong or odd, and where: what `errors` and `warnings` of answers are made of.

use std::collections::HashMap;

use meta::{
    model::Kind,
    problem::{self, Position, dotted},
};
use schemars::JsonSchema;
use serde::Serialize;

/// One thing that is wrong or odd.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// The parameter or the header that it is of, if it is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<String>,
    /// The object that it is of, as in `routes/users-api`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<String>,
    /// Where in the body of the request it is: a JSON pointer (RFC 6901). Without one it is not in what was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pointer: Option<String>,
    /// Where in the text of the body it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<Position>,
    /// What is wrong and what would be right.
    pub(crate) detail: String,
}

impl Finding {
    /// Of the parameter or header `name`.
    pub(crate) fn of_parameter(name: &str, detail: impl Into<String>) -> Self {
        Self {
            parameter: Some(name.to_owned()),
            detail: detail.into(),
            ..Self::default()
        }
    }

    /// At `pointer` in the body.
    pub(crate) fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: Some(pointer.into()),
            detail: detail.into(),
            ..Self::default()
        }
    }
}

/// Which objects a request sends, and where they stand in its body.
pub(crate) enum Sent {
    /// None: what is put is made here.
    Nothing,
    /// One object, which is the body.
    Object(Kind, String),
    /// Several, each at a pointer.
    Several(HashMap<(Kind, String), String>),
    /// A whole configuration, each object at a pointer. The checks know the places in its text.
    Whole(HashMap<(Kind, String), String>),
}

impl Sent {
    /// A problem that the checks found, as the client that sent this can find it.
    pub(crate) fn locate(&self, problem: &problem::Problem) -> Finding {
        let name = problem.kind.map(|kind| (kind, problem.id.clone()));
        let own = name.as_ref().and_then(|name| self.pointer(name));
        let pointer = own.map(|own| format!("{own}{}", problem.pointer));
        let detail = match (&pointer, problem.pointer.as_str()) {
            (Some(_), _) | (None, "") => problem.message.clone(),
            (None, within) => format!("{}: {}", dotted(within), problem.message),
        };
        Finding {
            parameter: None,
            object: name.map(|(kind, id)| format!("{kind}/{id}")),
            pointer,
            position: problem.position.filter(|_| matches!(self, Self::Whole(_))),
            detail,
        }
    }

    fn pointer(&self, name: &(Kind, String)) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Object(kind, id) => (*kind == name.0 && *id == name.1).then_some(""),
            Self::Several(places) | Self::Whole(places) => places.get(name).map(String::as_str),
        }
    }
}
