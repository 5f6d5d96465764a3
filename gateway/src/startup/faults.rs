//! What of a start-up file the types do not refuse.

use std::net::SocketAddr;

use meta::{check, document::Flaw};

use super::Startup;

/// Where a fault is, as a pointer, and what would be right.
type Fault = (String, String);

impl Startup {
    /// Finds everything; gives the manage listener's token.
    pub(super) fn faults(&self, flaws: &mut Vec<Flaw>) -> Option<String> {
        let mut faults = self.faults_of_addresses();
        faults.extend(self.fault_of_admin());
        faults.extend(self.fault_of_snapshot());
        let store = self.store.faults().into_iter();
        faults.extend(store.map(|(pointer, message)| (format!("/store/{pointer}"), message)));
        let limit = self.limit.iter().flat_map(check::limit_of_proxy);
        faults.extend(limit.map(|flaw| (format!("/limit{}", flaw.pointer), flaw.message)));
        let token = self.manage_token().unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let faults = faults.into_iter();
        flaws.extend(faults.map(|(pointer, message)| Flaw::of_value(pointer, message)));
        token
    }

    fn faults_of_addresses(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.listeners.is_empty() {
            let message = "there is none: name at least one, as in { address: \"0.0.0.0:8080\" }";
            faults.push(("/listeners".into(), message.into()));
        }
        let mut taken: Vec<(SocketAddr, String)> = Vec::new();
        let named = |name: &str, address| (name.to_owned(), format!("/{name}/address"), address);
        let manage = named("manage", self.manage.address);
        let admin = self.admin.iter().map(|admin| named("admin", admin.address));
        let listeners = self.listeners.iter().enumerate().map(|(at, listener)| {
            let pointer = format!("/listeners/{at}/address");
            (format!("listeners[{at}]"), pointer, listener.address)
        });
        for (name, pointer, address) in std::iter::once(manage).chain(admin).chain(listeners) {
            if let Some((_, by)) = taken.iter().find(|(other, _)| *other == address) {
                faults.push((pointer.clone(), format!("{address} is taken by {by}")));
            }
            if address.port() == 0 {
                let message = "port 0 is any free port, and nobody would know which: choose one";
                faults.push((pointer, message.into()));
            }
            taken.push((address, name));
        }
        faults
    }

    fn fault_of_admin(&self) -> Option<Fault> {
        let reason = admin::config::unguarded(self.admin.as_ref()?.address)?;
        Some(("/admin/address".into(), reason.into()))
    }

    fn fault_of_snapshot(&self) -> Option<Fault> {
        let file = self.snapshot.as_ref()?;
        let is_none = file.file_name().is_none() || file.is_dir();
        is_none.then(|| {
            let message = "this is no file: name one, as in data/last-good.json";
            ("/snapshot".into(), message.into())
        })
    }

    fn manage_token(&self) -> Result<Option<String>, Fault> {
        let Some(name) = &self.manage.token_env else {
            return match self.manage.address.ip().is_loopback() {
                true => Ok(None),
                false => {
                    let message = "everyone could reach this address: listen on 127.0.0.1, or set token_env";
                    Err(("/manage/address".into(), message.into()))
                }
            };
        };
        let token = std::env::var(name).unwrap_or_default();
        match token.len() {
            0..16 => {
                let message =
                    format!("the environment variable {name:?} holds no token of 16 characters or more");
                Err(("/manage/token_env".into(), message))
            }
            _ => Ok(Some(token)),
        }
    }
}
