//! The history: a chain from the present state back, each link with what leads to the state before.
//!
//! `revision` names the state before the last commit, `history/N` the one before N; `undo/TOKEN` holds the changes. Reading state
//! N takes all links from the present down to it. What others than stores wrote is a link too, made by the next commit: of
//! the state they left, with the author `etcd`. What was there before they wrote is known from the watch, or from etcd itself; if the
//! store has just begun and etcd is compacted, it is not, and the history begins anew.
//!
//! Bounds: [`HISTORY_LENGTH`] states and [`HISTORY_BYTES`]; what is older is deleted after each commit.

use std::collections::HashMap;

use etcd_client::{Client, DeleteOptions, GetOptions, KeyValue, Txn, TxnOp, TxnOpResponse};

use super::{
    Inner,
    changes::Changes,
    connection::{Failure, MOST_ANSWER},
    layout::{About, Dated, Past, token},
    listing,
    view::{Foreign, View},
};
use crate::store::{HISTORY_LENGTH, HistoryEntry, Revision, State, StoreError};

/// How many bytes the changes of all states have at most, together.
pub(super) const HISTORY_BYTES: usize = 64 << 20;

const ACTION: &str = "read the history";

/// A link to be made.
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) past: Past,
    /// What leads from the state after it to it.
    pub(super) undo: Changes,
}

impl Row {
    fn new(number: u64, note: Dated, previous: Option<u64>, undo: Changes) -> Self {
        let past = Past {
            note,
            previous,
            token: token(),
            parts: undo.to_parts().len(),
            bytes: undo.bytes(),
        };
        Self { number, past, undo }
    }
}

/// The links that are there.
struct Chain {
    links: HashMap<u64, Past>,
    /// At which revision `revision` was written when they were read.
    guard: i64,
    about: Option<About>,
    /// What `undo/` had changes of.
    tokens: Vec<String>,
}

impl Inner {
    /// The links that a commit on `view` makes, and the number of the state that is then the one before.
    pub(super) async fn rows(
        &self,
        view: &View,
        undo: Changes,
    ) -> Result<(Vec<Row>, Option<u64>), StoreError> {
        let number = view.revision().0;
        if number == 0 {
            return Ok((Vec::new(), None));
        }
        let foreign = self.foreign(view).await.map_err(|failure| failure.to("commit"))?;
        let rows = match (view.committed(), foreign) {
            (Some((committed, about)), Some(foreign)) if !foreign.0.is_empty() => vec![
                Row::new(committed, about.note.clone(), about.previous, foreign),
                Row::new(number, Dated::foreign(view.noticed), Some(committed), undo),
            ],
            (Some((_, about)), Some(_)) => {
                vec![Row::new(number, about.note.clone(), about.previous, undo)]
            }
            _ => vec![Row::new(number, Dated::foreign(view.noticed), None, undo)],
        };
        Ok((rows, Some(number)))
    }

    /// What leads from a state back to the last commit's; `None` if nobody knows.
    async fn foreign(&self, view: &View) -> Result<Option<Changes>, Failure> {
        match &view.foreign {
            Foreign::Nothing => Ok(Some(Changes::default())),
            Foreign::Known(undo) => Ok(Some(undo.clone())),
            Foreign::Unknown if view.committed().is_none() => Ok(None),
            Foreign::Unknown => {
                let committed = listing::list(&self.way, &self.layout, Some(view.guard_modified())).await;
                match committed {
                    Ok(committed) => Ok(Some(view.changes_to(&committed))),
                    Err(Failure::Compacted) => Ok(None),
                    Err(failure) => Err(failure),
                }
            }
        }
    }

    pub(super) async fn history(&self) -> Result<Vec<HistoryEntry>, StoreError> {
        let (view, chain) = self.present().await?;
        let foreign = self.foreign(&view).await.map_err(|failure| failure.to(ACTION))?;
        let mut entries = Vec::new();
        let number = view.revision().0;
        let committed = view.committed();
        if committed.is_none_or(|(committed, _)| committed != number) && number != 0 {
            entries.push(entry(number, &Dated::foreign(view.noticed)));
        }
        if let (Some((committed, about)), Some(_)) = (committed, foreign) {
            entries.push(entry(committed, &about.note));
            let links = chain.walk(about.previous);
            entries.extend(links.into_iter().map(|(number, past)| entry(number, &past.note)));
        }
        entries.truncate(HISTORY_LENGTH);
        Ok(entries)
    }

    pub(super) async fn at(&self, revision: Revision) -> Result<State, StoreError> {
        let (mut view, chain) = self.present().await?;
        if view.revision() == revision {
            return Ok(view.state());
        }
        let missing = StoreError::NoSuchRevision(revision);
        let foreign = self.foreign(&view).await.map_err(|failure| failure.to(ACTION))?;
        let Some((committed, about)) = view.committed() else {
            return Err(missing);
        };
        let links = chain.walk(about.previous);
        let steps = match links.iter().position(|(number, _)| *number == revision.0) {
            Some(at) => at + 1,
            None if committed == revision.0 => 0,
            None => return Err(missing),
        };
        let Some(foreign) = foreign else {
            return Err(missing);
        };
        view.change(&foreign);
        for (_, past) in links.into_iter().take(steps) {
            let undo = self.undo(past).await.map_err(|failure| failure.to(ACTION))?;
            let Some(undo) = undo else { return Err(missing) };
            view.change(&undo);
        }
        view.become_past(revision.0);
        Ok(view.state())
    }

    /// The present state and the links that lead from it.
    async fn present(&self) -> Result<(View, Chain), StoreError> {
        for _ in 0..5 {
            self.catch_up(ACTION).await?;
            let chain = self.chain().await.map_err(|failure| failure.to(ACTION))?;
            let view = self.view().clone();
            if let Some(view) = view.filter(|view| view.guard_modified() == chain.guard) {
                return Ok((view, chain));
            }
        }
        Err(StoreError::Unreachable {
            action: ACTION.into(),
            reason: "it changes faster than it can be read".into(),
        })
    }

    async fn chain(&self) -> Result<Chain, Failure> {
        let (history, undo) = (self.layout.history(), self.layout.undos());
        let all = || GetOptions::new().with_prefix();
        let reads = [
            TxnOp::get(self.layout.revision(), None),
            TxnOp::get(history.as_str(), Some(all())),
            TxnOp::get(undo.as_str(), Some(all().with_keys_only())),
        ];
        let answer = self
            .way
            .call(|client: Client| async move {
                let mut kv = client.kv_client().max_decoding_message_size(MOST_ANSWER);
                kv.txn(Txn::new().and_then(reads)).await
            })
            .await?;
        let mut answers = answer.op_responses().into_iter().map(|answer| match answer {
            TxnOpResponse::Get(mut answer) => answer.take_kvs(),
            _ => Vec::new(),
        });
        let guard = answers.next().unwrap_or_default();
        let links = answers.next().unwrap_or_default();
        let undos = answers.next().unwrap_or_default();
        let link = |kv: &KeyValue| {
            let number = kv.key_str().ok()?.strip_prefix(&history)?.parse().ok()?;
            Some((number, serde_json::from_slice(kv.value()).ok()?))
        };
        let token = |kv: &KeyValue| {
            let rest = kv.key_str().ok()?.strip_prefix(&undo)?;
            Some(rest.split('/').next()?.to_owned())
        };
        let mut tokens: Vec<String> = undos.iter().filter_map(token).collect();
        tokens.dedup();
        let guard = guard.first();
        Ok(Chain {
            links: links.iter().filter_map(link).collect(),
            guard: guard.map_or(0, KeyValue::mod_revision),
            about: guard.and_then(|kv| serde_json::from_slice(kv.value()).ok()),
            tokens,
        })
    }

    async fn undo(&self, past: &Past) -> Result<Option<Changes>, Failure> {
        let mut parts = Vec::new();
        for at in 0..past.parts {
            let key = self.layout.undo(&past.token, at);
            let get = |client: Client| async move { client.kv_client().get(key, None).await };
            let answer = self.way.call(get).await?;
            parts.extend(answer.kvs().first().map(|kv| kv.value().to_owned()));
        }
        let whole = parts.len() == past.parts;
        Ok(Changes::from_parts(parts.iter().map(Vec::as_slice)).filter(|_| whole))
    }

    /// Deletes what is too old to be kept, and what commits that were never made have left. What cannot be deleted stays until
    /// after the next commit.
    pub(super) async fn prune(&self) {
        if let Err(failure) = self.try_prune().await {
            log::warn!("etcd: old states cannot be deleted: {}", failure.reason());
        }
    }

    async fn try_prune(&self) -> Result<(), Failure> {
        let chain = self.chain().await?;
        let Some(about) = &chain.about else {
            return Ok(());
        };
        let kept = chain.walk(about.previous);
        for number in chain.links.keys() {
            if !kept.iter().any(|(kept, _)| kept == number) {
                self.delete(self.layout.past(*number), DeleteOptions::new())
                    .await?;
            }
        }
        // What a commit is about to be made with may be among them; it looks, and is tried again.
        for token in &chain.tokens {
            if !kept.iter().any(|(_, past)| past.token == *token) {
                let all = DeleteOptions::new().with_prefix();
                self.delete(self.layout.undo_of(token), all).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, key: String, options: DeleteOptions) -> Result<(), Failure> {
        let delete = |client: Client| async move { client.kv_client().delete(key, Some(options)).await };
        self.way.call(delete).await.map(drop)
    }
}

impl Chain {
    /// The links from `first` on that are kept, newest first: one less than there may be states, the present is one too.
    fn walk(&self, first: Option<u64>) -> Vec<(u64, &Past)> {
        let mut found: Vec<(u64, &Past)> = Vec::new();
        let (mut next, mut bytes) = (first, 0);
        while let Some((number, past)) = next.and_then(|number| Some((number, self.links.get(&number)?))) {
            bytes += past.bytes;
            if found.len() + 1 >= HISTORY_LENGTH || bytes > HISTORY_BYTES {
                break;
            }
            found.push((number, past));
            next = past.previous;
        }
        found
    }
}

fn entry(number: u64, note: &Dated) -> HistoryEntry {
    HistoryEntry {
        revision: Revision(number),
        time: note.time,
        author: note.author.clone(),
        message: note.message.clone(),
    }
}
