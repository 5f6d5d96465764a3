//! Reading everything at one revision, in pages.

use etcd_client::{GetOptions, KeyValue};

use super::{
    connection::{Connection, Failure, MOST_ANSWER},
    layout::Layout,
    view::{Content, Item, View},
};

/// How many keys are asked for at once; fewer where the values are long.
const PAGE: i64 = 500;

/// Reads the configuration as it is, or as it was at a revision that is not compacted.
pub(super) async fn list(way: &Connection, layout: &Layout, at: Option<i64>) -> Result<View, Failure> {
    let mut listing = Listing {
        way,
        revision: at.unwrap_or_default(),
        cluster: 0,
        page: PAGE,
        items: Vec::new(),
    };
    for (first, end) in layout.ranges() {
        listing.range(first.into_bytes(), end.into_bytes()).await?;
    }
    Ok(View::listed(
        layout,
        listing.cluster,
        listing.revision,
        listing.items,
    ))
}

struct Listing<'w> {
    way: &'w Connection,
    /// 0 until the first answer says which revision the others are to be of.
    revision: i64,
    cluster: u64,
    page: i64,
    items: Vec<Item>,
}

impl Listing<'_> {
    async fn range(&mut self, mut next: Vec<u8>, end: Vec<u8>) -> Result<(), Failure> {
        loop {
            let options = GetOptions::new()
                .with_range(end.clone())
                .with_limit(self.page)
                .with_revision(self.revision);
            let (keys, more) = match self.get(next.clone(), options).await {
                Err(Failure::TooLong) if self.page > 1 => {
                    self.page = (self.page / 8).max(1);
                    continue;
                }
                Err(Failure::TooLong) => self.skip(&next, &end).await?,
                page => {
                    let (page, more) = page?;
                    let last = page.last().map(|kv| kv.key().to_owned());
                    self.items.extend(page.into_iter().map(Item::listed));
                    (last, more)
                }
            };
            match keys {
                Some(last) if more => next = after(last),
                _ => return Ok(()),
            }
        }
    }

    /// Takes the name of a key whose value cannot be had.
    async fn skip(&mut self, next: &[u8], end: &[u8]) -> Result<(Option<Vec<u8>>, bool), Failure> {
        let options = GetOptions::new()
            .with_range(end.to_owned())
            .with_limit(1)
            .with_keys_only()
            .with_revision(self.revision);
        let (page, more) = self.get(next.to_owned(), options).await?;
        let last = page.first().map(|kv| kv.key().to_owned());
        self.items.extend(page.into_iter().map(|kv| Item {
            content: Content::TooLong,
            ..Item::listed(kv)
        }));
        self.page = PAGE;
        Ok((last, more))
    }

    async fn get(&mut self, first: Vec<u8>, options: GetOptions) -> Result<(Vec<KeyValue>, bool), Failure> {
        let call = |client: etcd_client::Client| async move {
            let mut kv = client.kv_client().max_decoding_message_size(MOST_ANSWER);
            kv.get(first, Some(options)).await
        };
        let mut answer = self.way.call(call).await?;
        if let Some(header) = answer.header() {
            self.cluster = header.cluster_id();
            if self.revision == 0 {
                self.revision = header.revision();
            }
        }
        Ok((answer.take_kvs(), answer.more()))
    }
}

/// The first key that can come after `key`.
fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

impl Item {
    fn listed(kv: KeyValue) -> Self {
        let modified = kv.mod_revision();
        let (key, value) = kv.into_key_value();
        Self {
            key,
            modified,
            content: Content::Value(value),
        }
    }

    /// What an event tells. A deleted key has no version; the event's own type may be one that the client does not know.
    pub(super) fn happened(kv: &KeyValue) -> Self {
        Self {
            key: kv.key().to_owned(),
            modified: kv.mod_revision(),
            content: match kv.version() {
                0 => Content::Gone,
                _ => Content::Value(kv.value().to_owned()),
            },
        }
    }
}
