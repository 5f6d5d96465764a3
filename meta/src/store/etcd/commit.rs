//! Commits: one transaction that happens on exactly the state it is meant for, or not at all.
//!
//! The transaction compares `revision` with what was read, and that no object was written later than what was read. So neither
//! another store nor `etcdctl` can lose an update; the only thing that is not noticed is the foreign deletion of an object that
//! the commit does not touch, which stands. Unrelated commits at the same moment are a conflict for one of them: it reads again
//! and tries again.
//!
//! etcd takes 128 operations and 1.5 MiB at once. What is more goes into `pending/TOKEN/…` first, a call for each part, and
//! the transaction only writes `pending` ([`super::finish`] does the rest). What a commit leaves there when its process dies before
//! the transaction is deleted by the next large one. The worst case is [`MOST_COMMIT`], some 60 calls to write it and, for 50,000
//! objects, some 800 to put them in their places.

use std::sync::Arc;

use etcd_client::{Client, Compare, CompareOp, DeleteOptions, Txn, TxnOp};
use tokio::time::{Duration, sleep};

use super::{
    Inner,
    changes::Changes,
    connection::Failure,
    layout::{About, Dated, Pending, token},
    object,
    past::Row,
    view::{Open, View},
};
use crate::{
    model::Kind,
    store::{Note, Operation, Revision, StoreError},
};

/// How many objects are written by the transaction itself, with two operations or comparisons each at most.
pub(super) const INLINE: usize = 90;
/// How many bytes a transaction has at most.
const INLINE_BYTES: usize = 900 << 10;
/// How many bytes a commit has at most, with what leads back from it.
pub(super) const MOST_COMMIT: usize = 32 << 20;

const ACTION: &str = "commit";

/// All that a commit writes.
pub(super) struct Draft {
    /// On what.
    view: View,
    changes: Changes,
    about: About,
    /// What it leaves in the history.
    rows: Vec<Row>,
}

impl Inner {
    /// Commits. Ends within some timeouts, unless the commit has many parts.
    pub(super) async fn commit(
        self: &Arc<Self>,
        expected: Revision,
        operations: Vec<Operation>,
        note: &Note,
    ) -> Result<Revision, StoreError> {
        let Some(draft) = self.draft(expected, operations, note).await? else {
            return Ok(expected);
        };
        match self.make(&draft).await? {
            Some(modified) => {
                self.settle(&draft, modified).await;
                Ok(Revision(modified as u64))
            }
            None => {
                self.unstage(&draft).await;
                Err(self.conflict(expected).await)
            }
        }
    }

    /// What is to be written; nothing if the operations change nothing.
    pub(super) async fn draft(
        &self,
        expected: Revision,
        operations: Vec<Operation>,
        note: &Note,
    ) -> Result<Option<Draft>, StoreError> {
        let view = self.base(expected).await?;
        let changes = view.plan(operations)?;
        if changes.0.is_empty() {
            return Ok(None);
        }
        let (rows, previous) = self.rows(&view, view.undo(&changes)).await?;
        let bytes = changes.bytes() + rows.iter().map(|row| row.undo.bytes()).sum::<usize>();
        if bytes > MOST_COMMIT {
            let most = MOST_COMMIT;
            return Err(StoreError::TooLarge { bytes, most });
        }
        let added = changes
            .0
            .iter()
            .filter(|(name, text)| text.is_some() && !view.contains(name));
        let removed = changes.0.values().filter(|text| text.is_none());
        let about = About {
            note: Dated::now(note),
            previous,
            objects: view.len() + added.count() - removed.count(),
            token: token(),
            number: None,
        };
        Ok(Some(Draft {
            view,
            changes,
            about,
            rows,
        }))
    }

    /// Writes it: the revision at which that was, or nothing if the state is another one. If it has parts, they are yet to be put
    /// in their places.
    pub(super) async fn make(&self, draft: &Draft) -> Result<Option<i64>, StoreError> {
        // If etcd is not to be reached now, nothing has been sent yet and that is certain.
        let guard = self.guard().await.map_err(|failure| failure.to(ACTION))?;
        if guard.modified != draft.view.guard_modified() {
            return Ok(None);
        }
        match draft.fits() {
            true => self.transact(draft, false).await,
            false => self.stage(draft).await,
        }
    }

    /// The state `expected`, with nothing pending.
    async fn base(&self, expected: Revision) -> Result<View, StoreError> {
        let is_expected = |view: &Option<View>| {
            let view = view.as_ref().filter(|view| view.revision() == expected);
            view.cloned()
        };
        let known = is_expected(&self.view());
        let mut view = match known {
            Some(view) => view,
            None => {
                self.catch_up(ACTION).await?;
                let current = self.view().as_ref().map_or(Revision(0), View::revision);
                is_expected(&self.view()).ok_or(StoreError::Conflict { current })?
            }
        };
        if let Some(problem) = view.obstacle() {
            return Err(StoreError::Incomplete(Box::new(problem)));
        }
        if let Some(open) = view.pending.take() {
            self.finish(&view, &open)
                .await
                .map_err(|failure| failure.to(ACTION))?;
            self.wait_for(self.way.timeout(), |view, _| view.pending.is_none())
                .await;
            let finished = is_expected(&self.view()).filter(|view| view.pending.is_none());
            return finished.ok_or(StoreError::Conflict { current: expected });
        }
        Ok(view)
    }

    /// The revision at which the transaction was made, or nothing if the state is another one.
    async fn transact(&self, draft: &Draft, staged: bool) -> Result<Option<i64>, StoreError> {
        let transaction = self.transaction(draft, staged);
        let outcome = self
            .way
            .call(|client: Client| async move { client.kv_client().txn(transaction).await })
            .await;
        match outcome {
            Ok(answer) => {
                let revision = answer.header().map(|header| header.revision());
                Ok(revision.filter(|_| answer.succeeded()))
            }
            Err(Failure::Way(reason)) => self.find(draft, reason).await,
            Err(failure) => Err(failure.to(ACTION)),
        }
    }

    /// Finds out whether a transaction was made that was not answered.
    async fn find(&self, draft: &Draft, reason: String) -> Result<Option<i64>, StoreError> {
        for _ in 0..3 {
            if let Ok(guard) = self.guard().await {
                let about: Option<About> = serde_json::from_slice(&guard.value).ok();
                if about.is_some_and(|about| about.token == draft.about.token) {
                    return Ok(Some(guard.modified));
                }
            }
            sleep(self.pace.pauses.0).await;
        }
        Err(StoreError::Uncertain { reason })
    }

    fn transaction(&self, draft: &Draft, staged: bool) -> Txn {
        let layout = &self.layout;
        let Draft {
            view,
            changes,
            about,
            rows,
        } = draft;
        let mut when = vec![Compare::mod_revision(
            layout.revision(),
            CompareOp::Equal,
            view.guard_modified(),
        )];
        when.extend(Kind::ALL.map(|kind| {
            Compare::mod_revision(layout.kind(kind), CompareOp::Less, view.newest + 1).with_prefix()
        }));
        let mut then = vec![TxnOp::put(layout.revision(), json(about), None)];
        for row in rows {
            then.push(TxnOp::put(layout.past(row.number), json(&row.past), None));
        }
        if staged {
            let pending = draft.pending();
            when.push(is_there(layout.pending_part(&pending.token, 0)));
            when.extend(rows.iter().map(|row| is_there(layout.undo(&row.past.token, 0))));
            then.push(TxnOp::put(layout.pending(), json(&pending), None));
            return Txn::new().when(when).and_then(then);
        }
        for row in rows {
            let parts = row.undo.to_parts().into_iter().enumerate();
            then.extend(parts.map(|(at, part)| TxnOp::put(layout.undo(&row.past.token, at), part, None)));
        }
        for (name, text) in &changes.0 {
            let key = layout.object(name.0, &name.1);
            when.push(Compare::mod_revision(
                key.as_str(),
                CompareOp::Equal,
                view.modified(name),
            ));
            then.push(match text {
                Some(text) => TxnOp::put(key, text.as_str(), None),
                None => TxnOp::delete(key, None),
            });
        }
        Txn::new().when(when).and_then(then)
    }

    /// Writes the parts, then makes the transaction.
    async fn stage(&self, draft: &Draft) -> Result<Option<i64>, StoreError> {
        let pending = draft.pending();
        let parts = draft.changes.to_parts().into_iter().enumerate();
        let mut writes: Vec<(String, String)> = parts
            .map(|(at, part)| (self.layout.pending_part(&pending.token, at), part))
            .collect();
        for row in &draft.rows {
            let parts = row.undo.to_parts().into_iter().enumerate();
            writes.extend(parts.map(|(at, part)| (self.layout.undo(&row.past.token, at), part)));
        }
        for (key, part) in writes {
            let put = |client: Client| async move { client.kv_client().put(key, part, None).await };
            if let Err(failure) = self.way.call(put).await {
                self.unstage(draft).await;
                return Err(failure.to(ACTION));
            }
        }
        self.transact(draft, true).await
    }

    /// Takes back the parts of a commit that was not made; what cannot be taken back, the next large one takes.
    async fn unstage(&self, draft: &Draft) {
        if draft.fits() {
            return;
        }
        let pending = format!("{}{}/", self.layout.pending_parts(), draft.about.token);
        let undo = draft.rows.iter().map(|row| self.layout.undo_of(&row.past.token));
        for prefix in undo.chain([pending]) {
            let options = DeleteOptions::new().with_prefix();
            let delete =
                |client: Client| async move { client.kv_client().delete(prefix, Some(options)).await };
            let _ = self.way.call(delete).await;
        }
    }

    /// Waits until the commit is known here, and puts its objects in their places if that is yet to be done.
    async fn settle(&self, draft: &Draft, modified: i64) {
        if !draft.fits() {
            let open = Open {
                modified,
                changes: Some(draft.changes.clone()),
            };
            if let Err(failure) = self.finish_as(&draft.about, &open).await {
                let reason = failure.reason();
                log::warn!(
                    "etcd: a commit is made but not written everywhere; the next one does that: {reason}"
                );
            }
        }
        // If the watch is behind, the next commit waits for it.
        self.wait_for(Duration::from_secs(1), |view, _| {
            view.guard_modified() >= modified
        })
        .await;
        self.publish_view();
    }

    /// The state is another one: which, as soon as it is known.
    async fn conflict(&self, expected: Revision) -> StoreError {
        let caught_up = self.catch_up(ACTION).await;
        if let Err(error) = caught_up {
            return error;
        }
        self.wait_for(Duration::from_millis(500), |view, _| view.revision() != expected)
            .await;
        let current = self.view().as_ref().map_or(expected, View::revision);
        StoreError::Conflict { current }
    }
}

impl Draft {
    /// Whether a single transaction can write it.
    fn fits(&self) -> bool {
        let undo: usize = self.rows.iter().map(|row| row.undo.bytes()).sum();
        self.changes.0.len() <= INLINE && self.changes.bytes() + undo <= INLINE_BYTES
    }

    fn pending(&self) -> Pending {
        Pending {
            token: self.about.token.clone(),
            parts: self.changes.to_parts().len(),
        }
    }
}

impl View {
    /// What the operations change, one after the other.
    fn plan(&self, operations: Vec<Operation>) -> Result<Changes, StoreError> {
        let mut changes = Changes::default();
        for operation in operations {
            match operation {
                Operation::Put { kind, object } => {
                    let (id, text) = object::write(kind, &object)?;
                    changes.0.insert((kind, id), Some(text));
                }
                Operation::Delete { kind, id } => {
                    let name = (kind, id);
                    let is_there = changes.0.get(&name).map_or(self.contains(&name), Option::is_some);
                    if !is_there {
                        let (kind, id) = name;
                        return Err(StoreError::NoSuchObject { kind, id });
                    }
                    changes.0.insert(name, None);
                }
            }
        }
        changes.0.retain(|name, text| !self.holds(name, text.as_deref()));
        Ok(changes)
    }

    /// What leads back to this state after `changes`.
    fn undo(&self, changes: &Changes) -> Changes {
        Changes(
            changes
                .0
                .keys()
                .map(|name| (name.clone(), self.text(name)))
                .collect(),
        )
    }
}

fn is_there(key: String) -> Compare {
    Compare::version(key, CompareOp::Greater, 0)
}

/// What is written is made of texts and numbers only, which is always JSON.
pub(super) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
