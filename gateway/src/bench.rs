//! A way from a document to a snapshot for benches, which see only what is public. No part of the library's contract.

use std::sync::Arc;

use meta::{
    check::{Checked, check},
    document::Document,
};
use tokio::runtime::Handle;

use crate::{
    aggregate::{Coding, compress},
    cluster::Registry,
    filters::Filters,
    snapshot::{Snapshot, Workshop},
};

/// A body as an aggregation's answer is compressed: in `gzip` or `br`; as it is in anything else.
pub fn compressed(coding: &str, body: &[u8]) -> Vec<u8> {
    let codings = [Coding::Gzip, Coding::Brotli];
    let coding = codings.into_iter().find(|known| known.token() == Some(coding));
    compress(coding.unwrap_or(Coding::Identity), body)
}

/// Checks and compiles documents as a proxy does, without serving anything.
pub struct Compiler {
    workshop: Workshop,
    running: Option<Running>,
}

/// What the next change starts from.
struct Running {
    checked: Checked,
    snapshot: Snapshot,
}

impl Compiler {
    /// Servers' tasks run on `runtime`.
    pub fn new(runtime: Handle) -> Self {
        let registry = Registry::new(runtime);
        Self {
            workshop: Workshop::new(registry, Filters::default(), Arc::default()),
            running: None,
        }
    }

    /// Checks `document` and compiles what may run, starting from nothing.
    pub fn first(&mut self, document: &Document) {
        self.running = None;
        self.change(document);
    }

    /// The same, reusing what did not change since the time before.
    pub fn change(&mut self, document: &Document) {
        let kinds = self.workshop.filters.kinds();
        let before = self.running.as_ref();
        let checked = check(document, before.map(|running| &running.checked), kinds).checked;
        let snapshot = self
            .workshop
            .compile(&checked, before.map(|running| &running.snapshot));
        self.running = Some(Running { checked, snapshot });
    }
}
