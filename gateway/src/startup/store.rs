//! Where the configuration is kept: the `store` section of a start-up file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use meta::store::{BadSetting, EtcdSettings, EtcdStore, FileStore, Store};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::last_good::Origin;

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
    pub(super) fn faults(&self) -> Vec<(String, String)> {
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
    pub(crate) fn open(&self) -> Result<Opened, String> {
        match self {
            Self::File(file) if !file.exists() => Err(format!(
                "{}: there is no such file: an empty configuration is {{}}",
                file.display()
            )),
            Self::File(file) => Ok(Opened {
                store: Arc::new(FileStore::new(file)),
                kind: StoreKind::File,
                shared: None,
                origin: Origin::File(absolute(file).display().to_string()),
            }),
            Self::Etcd(etcd) => {
                let store = EtcdStore::new(etcd).map_err(|error| error.to_string())?;
                let store = Arc::new(store);
                Ok(Opened {
                    store: store.clone(),
                    kind: StoreKind::Etcd,
                    shared: Some(store),
                    origin: Origin::Etcd {
                        prefix: etcd.prefix.clone(),
                        endpoints: etcd.endpoints.clone(),
                    },
                })
            }
        }
    }
}

/// A store that can be used.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) kind: StoreKind,
    /// The same store, if proxies share it.
    pub(crate) shared: Option<Arc<EtcdStore>>,
    /// Which store it is.
    pub(crate) origin: Origin,
}

/// What a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreKind {
    File,
    Etcd,
}

/// A process that becomes a daemon changes its directory.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
