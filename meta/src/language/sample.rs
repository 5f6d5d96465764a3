//! A request for tests: whatever one writes into it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::value::{Value, Values};

/// Texts by the way their values are written; one named `rest` is a tail.
pub(super) struct Sample {
    pub(super) texts: HashMap<String, String>,
    pub(super) client_ip: IpAddr,
}

impl Sample {
    pub(super) fn of(texts: &[(&str, &str)]) -> Self {
        let texts = texts
            .iter()
            .map(|(value, text)| ((*value).to_owned(), (*text).to_owned()))
            .collect();
        Self {
            texts,
            client_ip: Ipv4Addr::LOCALHOST.into(),
        }
    }

    pub(super) fn from(client_ip: &str) -> Self {
        Self {
            client_ip: client_ip.parse().unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
            ..Self::of(&[])
        }
    }
}

impl Values for Sample {
    fn text<'a>(&'a self, value: &Value) -> Option<Cow<'a, str>> {
        self.texts
            .get(&value.to_string())
            .map(|text| text.as_str().into())
    }

    fn client_ip(&self) -> IpAddr {
        self.client_ip
    }

    fn param_is_tail(&self, name: &str) -> bool {
        name == "rest"
    }
}
