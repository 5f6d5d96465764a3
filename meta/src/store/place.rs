//! Which store: the `store` section of a start-up file.

use std::{path::PathBuf, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{BadSetting, EtcdSettings, EtcdStore, FileStore, Store};

/// Where the configuration is kept: in one of these.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreSettings {
    /// A YAML file; edits of it take effect at once.
    File(PathBuf),
    /// A prefix of an etcd, which many proxies share.
    Etcd(EtcdSettings),
}

/// The section as it is written. Read as an enum, a second key would be an error without a place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    file: Option<PathBuf>,
    etcd: Option<EtcdSettings>,
}

impl<'de> Deserialize<'de> for StoreSettings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Written { file, etcd } = Deserialize::deserialize(from)?;
        match (file, etcd) {
            (Some(file), None) => Ok(Self::File(file)),
            (None, Some(etcd)) => Ok(Self::Etcd(etcd)),
            (Some(_), Some(_)) => Err(D::Error::custom("name one store, file or etcd, not both")),
            (None, None) => Err(D::Error::custom(
                "name a store, as in { file: data/meta.yaml } or { etcd: { endpoints: [\"http://127.0.0.1:2379\"] } }",
            )),
        }
    }
}

impl StoreSettings {
    /// What the types do not refuse: where in the section, and what would be right.
    pub fn faults(&self) -> Vec<(String, String)> {
        match self {
            Self::File(file) if file.as_os_str().is_empty() || file.is_dir() => {
                let message = "this is no file: name one, as in data/meta.yaml";
                vec![("file".into(), message.into())]
            }
            Self::File(_) => Vec::new(),
            Self::Etcd(etcd) => {
                let faults = etcd.faults().into_iter();
                let placed = |BadSetting { setting, reason }| (format!("etcd/{setting}"), reason);
                faults.map(placed).collect()
            }
        }
    }

    /// The store, which is not touched yet: nothing runs before the first call.
    ///
    /// Fails with what a person can do about it.
    pub fn open(&self) -> Result<OpenStore, String> {
        match self {
            Self::File(file) if !file.exists() => Err(format!(
                "{}: there is no such file: an empty configuration is {{}}",
                file.display()
            )),
            Self::File(file) => Ok(OpenStore::File(Arc::new(FileStore::new(file)))),
            Self::Etcd(etcd) => match EtcdStore::new(etcd) {
                Ok(store) => Ok(OpenStore::Etcd(Arc::new(store))),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

/// A store that settings name.
#[derive(Clone)]
pub enum OpenStore {
    /// A YAML file.
    File(Arc<FileStore>),
    /// A prefix of an etcd.
    Etcd(Arc<EtcdStore>),
}

impl OpenStore {
    /// The store, whichever it is.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File(store) => store.clone(),
            Self::Etcd(store) => store.clone(),
        }
    }
}
