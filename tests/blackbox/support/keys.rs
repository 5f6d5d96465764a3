//! What `etcdctl` would do, in the words of the tests: keys under a prefix, leases, compaction and alarms.

use std::time::Duration;

use etcd_client::{
    AlarmAction, AlarmOptions, AlarmType, Client, CompactionOptions, ConnectOptions, DeleteOptions, Error,
    GetOptions,
};

/// What a gateway reads, by its own settings.
const PREFIX: &str = "/gateway/";
/// What no gateway reads.
const ELSEWHERE: &str = "/elsewhere/";
/// How long any single call may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the keys under `/gateway/`. Names are without that prefix, as in `routes/r`.
#[derive(Clone)]
pub(crate) struct Keys {
    client: Client,
    prefix: &'static str,
}

impl Keys {
    /// Connects to these endpoints, one of which is enough.
    pub(crate) async fn at(endpoints: &[String]) -> Self {
        let options = ConnectOptions::new()
            .with_timeout(PATIENCE)
            .with_connect_timeout(PATIENCE);
        let client = Client::connect(endpoints, Some(options)).await;
        Self {
            client: client.expect("a client of etcd"),
            prefix: PREFIX,
        }
    }

    /// The same for keys that no gateway reads.
    pub(crate) fn elsewhere(&self) -> Self {
        Self {
            prefix: ELSEWHERE,
            ..self.clone()
        }
    }

    /// Writes a key and gives the revision of that.
    pub(crate) async fn put(&self, name: &str, value: impl Into<Vec<u8>>) -> i64 {
        self.try_put(name, value)
            .await
            .unwrap_or_else(|error| panic!("cannot put {name}: {error}"))
    }

    /// The same for tests that expect it may fail.
    pub(crate) async fn try_put(&self, name: &str, value: impl Into<Vec<u8>>) -> Result<i64, Error> {
        let answer = self.client.kv_client().put(self.key(name), value, None).await?;
        Ok(answer.header().map_or(0, |header| header.revision()))
    }

    /// The value of a key.
    pub(crate) async fn get(&self, name: &str) -> Option<Vec<u8>> {
        let answer = self
            .client
            .kv_client()
            .get(self.key(name), None)
            .await
            .expect("a get");
        answer.kvs().first().map(|kv| kv.value().to_owned())
    }

    /// The names that begin so.
    pub(crate) async fn names(&self, first: &str) -> Vec<String> {
        let options = GetOptions::new().with_prefix().with_keys_only();
        let answer = self.client.kv_client().get(self.key(first), Some(options)).await;
        let name =
            |kv: &etcd_client::KeyValue| String::from_utf8_lossy(kv.key()).replacen(self.prefix, "", 1);
        answer.expect("a get").kvs().iter().map(name).collect()
    }

    /// Takes a key away.
    pub(crate) async fn delete(&self, name: &str) {
        self.client
            .kv_client()
            .delete(self.key(name), None)
            .await
            .expect("a delete");
    }

    /// Takes all keys away whose names begin so.
    pub(crate) async fn delete_all(&self, first: &str) {
        let options = DeleteOptions::new().with_prefix();
        let deleted = self
            .client
            .kv_client()
            .delete(self.key(first), Some(options))
            .await;
        deleted.expect("a delete");
    }

    /// Makes etcd forget everything but what is.
    pub(crate) async fn compact(&self) {
        let answer = self
            .client
            .kv_client()
            .get(self.key("revision"), None)
            .await
            .expect("a get");
        let revision = answer.header().expect("a header").revision();
        let options = CompactionOptions::new().with_physical();
        let compacted = self.client.kv_client().compact(revision, Some(options)).await;
        compacted.expect("a compaction");
    }

    /// Ends the lease that a key is under, which takes the key away.
    pub(crate) async fn revoke_lease_of(&self, name: &str) {
        let answer = self
            .client
            .kv_client()
            .get(self.key(name), None)
            .await
            .expect("a get");
        let lease = answer.kvs().first().expect("the key").lease();
        self.client
            .lease_client()
            .revoke(lease)
            .await
            .expect("a revocation");
    }

    /// Writes keys that no gateway reads until etcd has no space left and says so by its alarm.
    pub(crate) async fn fill(&self) {
        let elsewhere = self.elsewhere();
        for n in 0..1000 {
            let put = elsewhere.try_put(&n.to_string(), vec![b'x'; 1 << 20]).await;
            if put.is_err_and(|error| error.to_string().contains("space exceeded")) {
                return;
            }
        }
        panic!("etcd has no quota");
    }

    /// Takes away what filled it, gives the space back and disarms the alarm.
    pub(crate) async fn make_space(&self) {
        self.elsewhere().delete_all("").await;
        self.compact().await;
        let mut maintenance = self.client.maintenance_client();
        maintenance.defragment().await.expect("a defragmentation");
        let member = maintenance
            .status()
            .await
            .expect("its status")
            .header()
            .map(|header| header.member_id());
        let mut options = AlarmOptions::new();
        options.with_member(member.expect("a member"));
        let disarmed = maintenance
            .alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(options))
            .await;
        disarmed.expect("no alarm");
    }

    /// Whether the member it is connected to leads.
    pub(super) async fn leads(&self) -> bool {
        let status = self.client.maintenance_client().status().await;
        status.is_ok_and(|status| {
            let member = status.header().map(|header| header.member_id());
            status.leader() != 0 && member == Some(status.leader())
        })
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
