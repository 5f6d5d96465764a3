//! The small language of values, conditions and templates.
//!
//! ```text
//! value      header.x-user   cookie.group   query.v   param.id   body.items.0.id   node.user.level
//!            method   host   path   query   client_ip   scheme          a name with dots: cookie."a.b"
//! condition  header.x-version >= 2 && cookie.group == "b" || !(query.beta ~ "^1$")
//! template   /users/{param.id}?v={query.v}
//! ```
//!
//! Everything is parsed and typed once, when a configuration is checked; a mistake is a [`SyntaxError`] that says where
//! it is and what would be right. What a request has to offer is the trait [`Values`]; evaluating a [`Condition`] or
//! rendering a [`Template`] asks nothing else, cannot fail, and takes time linear in what came in.
//!
//! Reading order: [`value`], [`condition`], [`template`]. Below them: `cursor` (reading text with positions), `number`
//! (exact comparison of numbers), `text_form` (what makes each type a string in YAML, JSON and the schema).

pub mod condition;
mod cursor;
mod error;
mod number;
mod reading;
#[cfg(test)]
mod sample;
pub mod template;
mod text_form;
pub mod value;

pub use condition::Condition;
pub use error::SyntaxError;
pub use reading::Reading;
pub use template::{JsonPart, JsonTemplate, Template, UrlTemplate};
pub use value::{Step, Value, Values};
