//! `PUT` and `DELETE /clusters/CLUSTER/servers/SERVER`: a server becomes a member of a cluster, or ceases to be one.
//!
//! A membership is part of its cluster, so `If-Match` speaks of the cluster.

use actix_web::{
    HttpRequest,
    web::{Data, Payload},
};
use meta::{
    id::Id,
    model::{Binding, Kind, Weight},
    store::Operation,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{
    base::{Admin, Base, shown},
    body::{MOST_OBJECT, decoded, read_json_if_any},
    commit::Draft,
    finding::Sent,
    media,
    order::Order,
    parameters,
    precondition::Preconditions,
    problem::{Code, Problem},
    resource::{Answered, draft, hold, written},
};

/// How a server is a member.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Membership {
    /// Its weight in this cluster; its own if absent.
    #[serde(default)]
    weight: Option<Weight>,
}

/// Binds a server, or changes how it is bound; without a body, with its own weight.
pub(crate) async fn bind(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answered {
    media::accept_json(&request)?;
    let order = Order::of(&request)?;
    let names = Names::of(&request)?;
    let preconditions = Preconditions::of(&request)?;
    let body = read_json_if_any(&request, payload, MOST_OBJECT).await?;
    let membership = body.map_or_else(|| Ok(Membership::default()), |body| decoded(&body))?;
    let binding = json!(Binding {
        id: names.server.clone(),
        weight: membership.weight,
    });
    let outcome = admin.write(&order, |base| {
        let (mut cluster, place) = names.find(base, &preconditions)?;
        if cluster.get("servers").is_none_or(Json::is_null) {
            cluster["servers"] = json!([]);
        }
        let Some(servers) = cluster["servers"].as_array_mut() else {
            return Err(names.unusable());
        };
        match place.and_then(|at| servers.get_mut(at)) {
            Some(own) => *own = binding.clone(),
            None => servers.push(binding.clone()),
        }
        names.draft(base, cluster)
    });
    Ok(written(&outcome.await?, None))
}

/// Ends a membership.
pub(crate) async fn unbind(admin: Data<Admin>, request: HttpRequest) -> Answered {
    media::accept_json(&request)?;
    let order = Order::of(&request)?;
    let names = Names::of(&request)?;
    let preconditions = Preconditions::of(&request)?;
    let outcome = admin.write(&order, |base| {
        let (mut cluster, place) = names.find(base, &preconditions)?;
        let (Some(at), Some(servers)) = (place, cluster["servers"].as_array_mut()) else {
            let Names { cluster, server } = &names;
            let detail = format!("the server {server:?} is not bound to the cluster {cluster:?}");
            return Err(Problem::new(Code::NotFound, detail));
        };
        servers.remove(at);
        names.draft(base, cluster)
    });
    Ok(written(&outcome.await?, None))
}

/// Who in what.
struct Names {
    cluster: Id,
    server: Id,
}

impl Names {
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        Ok(Self {
            cluster: parameters::id(request, "cluster")?,
            server: parameters::id(request, "server")?,
        })
    }

    /// The cluster, and where the server stands in its list, if it does.
    fn find(&self, base: &Base, preconditions: &Preconditions) -> Result<(Json, Option<usize>), Problem> {
        let cluster = shown(base.get(Kind::Cluster, self.cluster.as_str())?);
        base.get(Kind::Server, self.server.as_str())?;
        hold(base, preconditions, Kind::Cluster, self.cluster.as_str())?;
        let is_own = |binding: &Json| {
            let id = binding.get("id").unwrap_or(binding);
            id == self.server.as_str()
        };
        let servers = cluster["servers"].as_array();
        let place = servers.and_then(|servers| servers.iter().position(is_own));
        Ok((cluster, place))
    }

    fn draft(&self, base: &Base, cluster: Json) -> Result<Draft, Problem> {
        let put = Operation::Put {
            kind: Kind::Cluster,
            object: cluster,
        };
        draft(base, put, Sent::Nothing)
    }

    fn unusable(&self) -> Problem {
        let detail = format!(
            "\"servers\" of the cluster {:?} is no list: PUT the cluster anew",
            self.cluster
        );
        Problem::new(Code::Invalid, detail)
    }
}
