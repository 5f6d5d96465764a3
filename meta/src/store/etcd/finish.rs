//! Puts the objects of a commit in parts in their places, after it was made.
//!
//! Anybody may do it, several at once, and again after it broke off: an object is only written if nobody has written it since the
//! commit. The last step takes `pending` away and writes `revision` again, so that no object is newer than it.

use etcd_client::{Client, Compare, CompareOp, DeleteOptions, Txn, TxnOp};

use super::{
    Inner,
    changes::Name,
    commit::json,
    connection::Failure,
    layout::About,
    view::{Open, View},
};

/// How many objects are written at once, and about how many bytes of them.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 512 << 10;

impl Inner {
    /// Finishes what is pending in a state.
    pub(super) async fn finish(&self, view: &View, open: &Open) -> Result<(), Failure> {
        match view.guard.as_ref().and_then(|guard| guard.about.as_ref()) {
            Some(about) => self.finish_as(about, open).await,
            None => Err(Failure::Refused(
                "the key \"revision\" under the prefix is not what a store wrote".into(),
            )),
        }
    }

    /// Finishes the commit that `about` tells of.
    pub(super) async fn finish_as(&self, about: &About, open: &Open) -> Result<(), Failure> {
        let Some(changes) = &open.changes else {
            return Ok(());
        };
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (name, text) in &changes.0 {
            let length = text.as_ref().map_or(0, String::len);
            if batch.len() == BATCH || (bytes > 0 && bytes + length > BATCH_BYTES) {
                self.write(open, std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
            bytes += length;
            batch.push(self.write_once(open.modified, name, text.as_deref()));
        }
        self.write(open, batch).await?;
        let about = About {
            number: Some(open.modified as u64),
            ..about.clone()
        };
        let layout = &self.layout;
        let last = vec![
            TxnOp::delete(layout.pending(), None),
            TxnOp::delete(layout.pending_parts(), Some(DeleteOptions::new().with_prefix())),
            TxnOp::put(layout.revision(), json(&about), None),
        ];
        self.write(open, last).await
    }

    /// Writes one object, unless somebody did since the commit.
    fn write_once(&self, commit: i64, (kind, id): &Name, text: Option<&str>) -> TxnOp {
        let key = self.layout.object(*kind, id);
        let untouched = Compare::mod_revision(key.as_str(), CompareOp::Less, commit);
        let write = match text {
            Some(text) => TxnOp::put(key, text, None),
            None => TxnOp::delete(key, None),
        };
        TxnOp::txn(Txn::new().when([untouched]).and_then([write]))
    }

    /// Does all of it, unless somebody has finished already.
    async fn write(&self, open: &Open, operations: Vec<TxnOp>) -> Result<(), Failure> {
        let still = Compare::mod_revision(self.layout.pending(), CompareOp::Equal, open.modified);
        let transaction = Txn::new().when([still]).and_then(operations);
        self.way
            .call(|client: Client| async move { client.kv_client().txn(transaction).await })
            .await?;
        Ok(())
    }
}
