//! What a request works on: the state of the store as it is, checked.
//!
//! The last one is kept, so that the next request checks only what has changed. The check is without last good versions: what a
//! state is found to be does not depend on which admin looks at it, nor on what it saw before.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use meta::{
    check::{Checked, Report, Serving, check},
    document::{Document, RawObject},
    filters::FilterKinds,
    model::Kind,
    problem::Severity,
    store::{Revision, State, Store},
};
use serde_json::Value as Json;

use crate::{
    finding::Sent,
    problem::{Code, Problem},
};

/// The control plane of one store.
pub struct Admin {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) kinds: FilterKinds,
    /// Held by the one write that is under way here.
    pub(crate) turn: tokio::sync::Mutex<()>,
    last: Mutex<Option<Arc<Base>>>,
}

/// A state that was read whole, and what the checks say of it.
pub(crate) struct Base {
    state: State,
    pub(crate) report: Report,
}

impl Admin {
    /// The control plane of `store`, where the filters `kinds` exist.
    pub fn new(store: Arc<dyn Store>, kinds: FilterKinds) -> Self {
        Self {
            store,
            kinds,
            turn: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// The state as it is. Refuses if it cannot be read, or not whole: what is missing from an answer would be taken for absent.
    pub(crate) async fn base(&self) -> Result<Arc<Base>, Problem> {
        let state = self.store.load().await?;
        if !state.document.complete {
            let problems = state.document.problems.iter();
            let errors = problems.map(|problem| Sent::Nothing.locate(problem));
            let detail = "what is in the store cannot be read as a whole, so it is neither shown nor changed";
            return Err(Problem::new(Code::StoreUnreadable, detail).because(errors.collect()));
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) = last.as_ref().filter(|last| last.state.is(&state)) {
            return Ok(last.clone());
        }
        let known = last.as_ref().map(|last| &last.report.checked);
        let report = check_alone(&state.document, known, &self.kinds);
        let base = Arc::new(Base { state, report });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(base.clone());
        Ok(base)
    }
}

/// Checks a configuration for itself; `known` only saves work.
fn check_alone(document: &Document, known: Option<&Checked>, kinds: &FilterKinds) -> Report {
    let report = check(document, known, kinds);
    let leans = |serving| serving == Serving::LastGood;
    match report.quarantined.iter().any(|object| leans(object.serving)) {
        true => check(document, None, kinds),
        false => report,
    }
}

impl Base {
    pub(crate) fn revision(&self) -> Revision {
        self.state.revision
    }

    pub(crate) fn document(&self) -> &Document {
        &self.state.document
    }

    /// The object of that name. Refuses if there is none, or if what stands there cannot be read.
    pub(crate) fn get(&self, kind: Kind, id: &str) -> Result<&RawObject, Problem> {
        if let Some(object) = self.document().find(kind, id) {
            return Ok(object);
        }
        let name = kind.singular();
        if !self.document().has(kind, id) {
            return Err(Problem::new(Code::NotFound, format!("there is no {name} {id:?}")));
        }
        let problems = self.document().problems.iter();
        let own = problems.filter(|problem| problem.kind == Some(kind) && problem.id == id);
        let errors = own.map(|problem| Sent::Nothing.locate(problem)).collect();
        let detail =
            format!("the {name} {id:?} is in the store and cannot be read: put it anew, or delete it");
        Err(Problem::new(Code::StoreUnreadable, detail).because(errors))
    }

    /// The objects that have errors.
    pub(crate) fn broken(&self) -> HashSet<(Kind, &str)> {
        let problems = self.report.problems.iter();
        let errors = problems.filter(|problem| problem.severity == Severity::Error);
        errors
            .filter_map(|problem| Some((problem.kind?, problem.id.as_str())))
            .collect()
    }
}

/// The object as it is shown, and put: as it is written, its id first.
pub(crate) fn shown(object: &RawObject) -> Json {
    id_first(object.value.unpack())
}

pub(crate) fn id_first(mut object: Json) -> Json {
    if let Some(members) = object.as_object_mut()
        && let Some(id) = members.shift_remove("id")
    {
        members.shift_insert(0, "id".to_owned(), id);
    }
    object
}
