//! Puts the kinds together: whoever refers to nothing is broken, whoever is broken is replaced by its last good version.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value as Json;

use super::{
    Check, Checked, Entry, Fault, Quarantined, Report, Serving, breakers,
    endpoint::{self, Endpoint},
    limits, objects,
    read::Read,
};
use crate::{
    id::Id,
    model::{Aggregation, Cluster, Kind, Route, Server},
    problem::{Problem, Severity},
};

pub(super) fn join(
    check: Check<'_>,
    servers: Read<Server>,
    clusters: Read<Cluster>,
    routes: Read<Route>,
    aggregations: Read<Aggregation>,
) -> Report {
    let mut join = Join {
        check,
        checked: Checked::default(),
        quarantine: Vec::new(),
    };
    join.servers(servers);
    join.clusters(clusters);
    // Both are looked into before the last good version of either brings back a cluster that is gone.
    let routes = join.with_clusters(routes);
    let aggregations = join.with_clusters(aggregations);
    join.endpoints(routes);
    join.endpoints(aggregations);
    join.warn();
    join.finish()
}

struct Join<'a> {
    check: Check<'a>,
    checked: Checked,
    quarantine: Vec<(Kind, String, Serving)>,
}

impl Join<'_> {
    fn servers(&mut self, servers: Read<Server>) {
        self.checked.servers = servers.good;
        for id in servers.broken {
            let serving = last_good_of(&self.check.last_good.servers, &mut self.checked.servers, &id);
            self.quarantine(Kind::Server, &id, serving);
        }
        self.leave_out(Kind::Server, servers.nameless);
    }

    fn clusters(&mut self, clusters: Read<Cluster>) {
        let (mut good, mut broken) = (clusters.good, clusters.broken);
        let servers = &self.checked.servers;
        for (id, entry) in &good {
            let wanted = entry.object.servers.iter().map(|binding| &binding.id);
            let pointer = |at| format!("/servers/{at}");
            if self.check.missing(Kind::Cluster, id, wanted, pointer, servers) == Missing::Something {
                broken.insert(id.clone());
            }
        }
        broken.iter().for_each(|id| drop(good.remove(id)));
        self.checked.clusters = good;
        for id in broken {
            let serving = last_good_of(&self.check.last_good.clusters, &mut self.checked.clusters, &id);
            self.retain_servers(&id);
            self.quarantine(Kind::Cluster, &id, serving);
        }
        self.leave_out(Kind::Cluster, clusters.nameless);
    }

    /// Moves those to the broken of which a cluster is missing.
    fn with_clusters<E: Endpoint>(&mut self, mut read: Read<E>) -> Read<E> {
        let clusters = &self.checked.clusters;
        for (id, entry) in &read.good {
            let (wanted, pointer) = (entry.object.clusters(), |at| entry.object.pointer(at));
            if self.check.missing(E::KIND, id, wanted, pointer, clusters) == Missing::Something {
                read.broken.insert(id.clone());
            }
        }
        read.broken.iter().for_each(|id| drop(read.good.remove(id)));
        read
    }

    fn endpoints<E: Endpoint>(&mut self, read: Read<E>) {
        *E::all_mut(&mut self.checked) = read.good;
        for id in read.broken {
            let last = E::all(self.check.last_good);
            let serving = last_good_of(last, E::all_mut(&mut self.checked), &id);
            self.retain_clusters::<E>(&id);
            self.quarantine(E::KIND, &id, serving);
        }
        self.leave_out(E::KIND, read.nameless);
    }

    fn quarantine(&mut self, kind: Kind, id: &Id, serving: Serving) {
        self.quarantine.push((kind, id.to_string(), serving));
    }

    fn leave_out(&mut self, kind: Kind, nameless: impl IntoIterator<Item = String>) {
        let nothing = nameless.into_iter().map(|id| (kind, id, Serving::Nothing));
        self.quarantine.extend(nothing);
    }

    /// Keeps the servers alive that the last good version of a cluster needs.
    fn retain_servers(&mut self, cluster: &Id) {
        let Some(entry) = self.checked.clusters.get(cluster) else {
            return;
        };
        for binding in &entry.object.servers {
            if !self.checked.servers.contains_key(&binding.id) {
                last_good_of(
                    &self.check.last_good.servers,
                    &mut self.checked.servers,
                    &binding.id,
                );
            }
        }
    }

    /// Keeps the clusters alive that the last good version of a route or an aggregation needs.
    fn retain_clusters<E: Endpoint>(&mut self, endpoint: &Id) {
        let Some(entry) = E::all(&self.checked).get(endpoint) else {
            return;
        };
        let endpoint = entry.object.clone();
        for cluster in endpoint.clusters() {
            if !self.checked.clusters.contains_key(cluster) {
                last_good_of(
                    &self.check.last_good.clusters,
                    &mut self.checked.clusters,
                    cluster,
                );
                self.retain_servers(cluster);
            }
        }
    }

    /// What is allowed and probably not meant, as far as it takes more than one object to tell.
    fn warn(&mut self) {
        let together = [
            endpoint::unreachable(&self.checked),
            endpoint::expired(&self.checked),
            breakers::differing(&self.checked),
            breakers::slow(&self.checked),
            limits::idle_classes(&self.checked),
        ];
        for (kind, id, fault) in together.into_iter().flatten() {
            self.check.report_on(kind, &id, &fault);
        }
        // What could not be read may use anything.
        if self.check.document.complete && self.check.document.broken.is_empty() {
            let mentioned = self.mentioned();
            for (kind, id, fault) in objects::unused(&self.checked, &mentioned) {
                self.check.report_on(kind, &id, &fault);
            }
        }
    }

    /// All texts in the quarantined objects: what they name is meant to be used.
    fn mentioned(&self) -> HashSet<String> {
        let mut texts = HashSet::new();
        for (kind, id, _) in &self.quarantine {
            if let Some(raw) = self.check.find(*kind, id).flatten() {
                collect_texts(&raw.value.unpack(), &mut texts);
            }
        }
        texts
    }

    fn finish(mut self) -> Report {
        let mut problems = self.check.document.problems.clone();
        problems.append(&mut self.check.problems);
        problems.sort_by_key(|problem| problem.position);
        self.quarantine.sort();
        let mut quarantined: Vec<Quarantined> = self
            .quarantine
            .into_iter()
            .map(|(kind, id, serving)| Quarantined {
                kind,
                id,
                serving,
                problems: Vec::new(),
            })
            .collect();
        give_reasons(&mut quarantined, &problems);
        Report {
            checked: self.checked,
            problems,
            quarantined,
        }
    }
}

#[derive(PartialEq)]
enum Missing {
    Nothing,
    Something,
}

impl Check<'_> {
    /// Reports each of `wanted` that is not in `there`; `pointer` says where the one of that number stands.
    fn missing<'r, T>(
        &mut self,
        kind: Kind,
        id: &Id,
        wanted: impl Iterator<Item = &'r Id>,
        pointer: impl Fn(usize) -> String,
        there: &BTreeMap<Id, Entry<T>>,
    ) -> Missing {
        let target = if kind == Kind::Cluster {
            Kind::Server
        } else {
            Kind::Cluster
        };
        let mut missing = Missing::Nothing;
        for (at, wanted) in wanted
            .enumerate()
            .filter(|(_, wanted)| !there.contains_key(*wanted))
        {
            missing = Missing::Something;
            let what = target.singular();
            let name = wanted.as_str();
            let message = if self.find(target, name).is_some() {
                format!("the {what} {name:?} has problems of its own and never had a good version")
            } else {
                format!("there is no {what} {name:?}{}", self.hint(wanted, there.keys()))
            };
            self.report_on(kind, id, &Fault::error(pointer(at), message));
        }
        missing
    }
}

/// Puts the last good version of `id` in, if there is one.
fn last_good_of<T>(last: &BTreeMap<Id, Entry<T>>, into: &mut BTreeMap<Id, Entry<T>>, id: &Id) -> Serving {
    match last.get(id) {
        Some(entry) => {
            into.insert(id.clone(), entry.clone());
            Serving::LastGood
        }
        None => Serving::Nothing,
    }
}

/// Gives each quarantined object its errors.
fn give_reasons(quarantined: &mut [Quarantined], problems: &[Problem]) {
    let mut errors: HashMap<(Kind, &str), Vec<Problem>> = HashMap::new();
    for problem in problems {
        if let (Severity::Error, Some(kind)) = (problem.severity, problem.kind) {
            errors
                .entry((kind, &problem.id))
                .or_default()
                .push(problem.clone());
        }
    }
    for object in quarantined {
        let own = errors.remove(&(object.kind, object.id.as_str()));
        object.problems = own.unwrap_or_default();
    }
}

/// The texts in a value, whatever they mean.
fn collect_texts(value: &Json, texts: &mut HashSet<String>) {
    match value {
        Json::String(text) => drop(texts.insert(text.clone())),
        Json::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Json::Object(entries) => entries.values().for_each(|value| collect_texts(value, texts)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}
