//! How to reach etcd: the `store.etcd` section of a start-up file.

use std::{env, fs, path::PathBuf, time::Duration};

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{bounds::out_of_bounds, timespan::Timespan};

/// How to reach etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EtcdSettings {
    /// The members of the etcd cluster, as `http://HOST:PORT` or all as `https://HOST:PORT`. One is used at a time; when it
    /// fails, the next.
    #[schemars(length(min = 1, max = 16))]
    pub endpoints: Vec<String>,
    /// What the keys of this configuration begin with: `/` first, none last. Several configurations can share one etcd.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// The etcd user, if etcd asks for one. It needs to read and, for `PREFIX/proxies/` or to commit, to write under the prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The environment variable that holds the user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// The file with the certificates (PEM) that etcd's own must be signed by; needed with `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The file with the certificate (PEM) to show to etcd, if it asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// The file with the key (PEM) of that certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// How long etcd may take to answer one call: 100ms to 5m.
    #[serde(default = "default_timeout")]
    pub timeout: Timespan,
}

fn default_prefix() -> String {
    "/gateway".into()
}

fn default_timeout() -> Timespan {
    Timespan::from_secs(5)
}

/// The times that are not the user's to set; tests shorten them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long a watch may be silent before etcd is asked whether all is well.
    pub(super) idle: Duration,
    /// The shortest and the longest wait before something that failed is tried again.
    pub(super) pauses: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(3),
            // An etcd that is back is used within half a second, however long it was away. Even for thousands of proxies that is
            // less to refuse than they ask for when it is there.
            pauses: (Duration::from_millis(100), Duration::from_millis(500)),
        }
    }
}

const MOST_ENDPOINTS: usize = 16;

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("store.etcd.{setting}: {reason}")]
pub struct BadSetting {
    /// The setting.
    pub setting: &'static str,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl EtcdSettings {
    /// All that can be found wrong without etcd. Reads the files and the variable that are named.
    pub fn faults(&self) -> Vec<BadSetting> {
        let mut faults = self.faults_of_endpoints();
        let mut fault = |setting, reason: &str| faults.push(bad(setting, reason.to_owned()));
        let segments = self.prefix.strip_prefix('/').unwrap_or_default().split('/');
        if segments
            .into_iter()
            .any(|segment| segment.is_empty() || segment.contains('\0'))
        {
            fault(
                "prefix",
                &format!("{:?} is none: write it as in \"/gateway\"", self.prefix),
            );
        }
        let (least, most) = (Timespan::from_millis(100), Timespan::from_secs(300));
        if !(least..=most).contains(&self.timeout) {
            fault("timeout", &out_of_bounds(self.timeout, least, most));
        }
        if self.certificate.is_some() != self.key.is_some() {
            let given = if self.key.is_some() { "key" } else { "certificate" };
            fault(given, "`certificate` and `key` go together");
        } else if self.certificate.is_some() && self.ca.is_none() {
            fault("certificate", "it needs `ca` too");
        }
        match (&self.username, &self.password_env) {
            (Some(_), None) => fault("username", "`username` and `password_env` go together"),
            (None, Some(_)) => fault("password_env", "`username` and `password_env` go together"),
            _ => {}
        }
        let files = [
            ("ca", &self.ca),
            ("certificate", &self.certificate),
            ("key", &self.key),
        ];
        let files = files
            .into_iter()
            .filter_map(|(setting, path)| Some((setting, path.as_ref()?)));
        faults.extend(files.filter_map(|(setting, path)| read(setting, path).err()));
        faults.extend(self.password().err());
        faults
    }

    fn faults_of_endpoints(&self) -> Vec<BadSetting> {
        if self.endpoints.is_empty() || self.endpoints.len() > MOST_ENDPOINTS {
            return vec![bad("endpoints", format!("name 1 to {MOST_ENDPOINTS} endpoints"))];
        }
        let (scheme, why) = match self.ca {
            Some(_) => ("https", "with `ca` all endpoints are https"),
            None => ("http", "https needs `ca` too"),
        };
        let fits = |endpoint: &str| {
            endpoint.parse::<http::Uri>().is_ok_and(|uri| {
                uri.scheme_str() == Some(scheme)
                    && uri.port().is_some()
                    && matches!(uri.path(), "" | "/")
                    && uri.query().is_none()
            })
        };
        let wrong = self.endpoints.iter().filter(|endpoint| !fits(endpoint));
        wrong
            .map(|endpoint| {
                let reason = format!("{endpoint:?} is none: write {scheme}://HOST:PORT ({why})");
                bad("endpoints", reason)
            })
            .collect()
    }

    /// How the client is to connect; fails with the first of [`Self::faults`].
    pub(super) fn options(&self) -> Result<ConnectOptions, BadSetting> {
        if let Some(fault) = self.faults().into_iter().next() {
            return Err(fault);
        }
        let mut options = ConnectOptions::new()
            .with_connect_timeout(self.timeout.get())
            .with_require_leader(true);
        if let (Some(user), Some(password)) = (&self.username, self.password()?) {
            options = options.with_user(user, password).with_auto_token_refresh(true);
        }
        if let Some(ca) = &self.ca {
            let mut tls = TlsOptions::new().ca_certificate(Certificate::from_pem(read("ca", ca)?));
            if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
                tls = tls.identity(Identity::from_pem(
                    read("certificate", certificate)?,
                    read("key", key)?,
                ));
            }
            options = options.with_tls(tls);
        }
        Ok(options)
    }

    fn password(&self) -> Result<Option<String>, BadSetting> {
        let Some(name) = &self.password_env else {
            return Ok(None);
        };
        // The value is a secret: it is in no message.
        let missing = |_| {
            let reason = format!("the environment variable {name:?} does not hold a text");
            bad("password_env", reason)
        };
        env::var(name).map(Some).map_err(missing)
    }
}

fn read(setting: &'static str, path: &PathBuf) -> Result<Vec<u8>, BadSetting> {
    fs::read(path).map_err(|error| bad(setting, format!("cannot read {}: {error}", path.display())))
}

fn bad(setting: &'static str, reason: String) -> BadSetting {
    BadSetting { setting, reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn settings(value: serde_json::Value) -> EtcdSettings {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_left_out_has_a_value() {
        let settings = settings(json!({ "endpoints": ["http://127.0.0.1:2379"] }));
        assert_eq!(settings.prefix, "/gateway");
        assert_eq!(settings.timeout, Timespan::from_secs(5));
        assert!(settings.options().is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name() {
        let http = "http://127.0.0.1:2379";
        for (setting, value) in [
            ("endpoints", json!({ "endpoints": [] })),
            ("endpoints", json!({ "endpoints": vec![http; 17] })),
            ("endpoints", json!({ "endpoints": ["127.0.0.1:2379"] })),
            ("endpoints", json!({ "endpoints": ["http://127.0.0.1"] })),
            ("endpoints", json!({ "endpoints": ["http://a:1/path"] })),
            ("endpoints", json!({ "endpoints": ["https://a:1"] })),
            ("endpoints", json!({ "endpoints": [http], "ca": "/ca.pem" })),
            (
                "ca",
                json!({ "endpoints": ["https://a:1"], "ca": "/no/such.pem" }),
            ),
            ("key", json!({ "endpoints": [http], "key": "/key.pem" })),
            (
                "certificate",
                json!({ "endpoints": [http], "key": "/k", "certificate": "/c" }),
            ),
            ("prefix", json!({ "endpoints": [http], "prefix": "gateway" })),
            ("prefix", json!({ "endpoints": [http], "prefix": "/gateway/" })),
            ("prefix", json!({ "endpoints": [http], "prefix": "/" })),
            ("prefix", json!({ "endpoints": [http], "prefix": "/a//b" })),
            ("timeout", json!({ "endpoints": [http], "timeout": "10ms" })),
            ("username", json!({ "endpoints": [http], "username": "ann" })),
            (
                "password_env",
                json!({ "endpoints": [http], "username": "ann", "password_env": "NO_SUCH_VARIABLE_HERE" }),
            ),
        ] {
            let settings = settings(value.clone());
            let error = settings.options().err().unwrap();
            assert_eq!(error.setting, setting, "{value}: {error}");
            assert!(settings.faults().contains(&error));
        }
        let several =
            json!({ "endpoints": ["a", http, "b"], "prefix": "a", "username": "ann", "key": "/no/such.pem" });
        let faults = settings(several).faults();
        let of: Vec<&str> = faults.iter().map(|fault| fault.setting).collect();
        assert_eq!(of, ["endpoints", "endpoints", "prefix", "key", "username", "key"]);
        let unknown = json!({ "endpoints": [http], "endpoint": http });
        assert!(serde_json::from_value::<EtcdSettings>(unknown).is_err());
    }
}
