//! What is wrong with `coalesce` and `cache`, of a route or of a node.

use super::{Fault, front::Reader};
use crate::model::{Cache, Coalesce, HashKey, Method};

/// What may be shared by several clients.
pub(super) struct Sharing<'a> {
    pub(super) coalesce: &'a Coalesce,
    pub(super) cache: Option<&'a Cache>,
    /// A method that is neither `GET` nor `HEAD`, if no request has one of those.
    pub(super) unshared: Option<&'a Method>,
}

impl Sharing<'_> {
    /// All that is wrong; pointers begin at the object that has the members.
    pub(super) fn faults(&self, reader: Reader<'_>) -> Vec<Fault> {
        let coalesce: Option<&[HashKey]> = match self.coalesce {
            Coalesce::Off => None,
            Coalesce::On(terms) => Some(&terms.key),
        };
        let cache: Option<&[HashKey]> = self.cache.map(|cache| &*cache.key);
        let mut faults = Vec::new();
        for (member, key) in [("coalesce", coalesce), ("cache", cache)] {
            let Some(key) = key else { continue };
            faults.extend(self.unshared.map(|method| unshared(member, method)));
            faults.extend(reader.keys(&format!("/{member}/key"), key));
        }
        faults
    }
}

fn unshared(member: &str, method: &Method) -> Fault {
    let message = format!(
        "only answers to GET and HEAD are shared, not to {}: leave {member:?} out",
        method.get()
    );
    Fault::error(format!("/{member}"), message)
}

/// Whether answers to the method may be shared.
pub(super) fn is_shared(method: &Method) -> bool {
    matches!(*method.get(), http::Method::GET | http::Method::HEAD)
}

/// The first of `methods` if none of them may be shared; no methods stand for all.
pub(super) fn unshared_of(methods: &[Method]) -> Option<&Method> {
    let first = methods.first()?;
    (!methods.iter().any(is_shared)).then_some(first)
}
