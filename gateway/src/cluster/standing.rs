//! Who of a cluster's members can get a request at this moment, and the algorithm prepared for just them.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use meta::model::{self, LoadBalance, OnAllUnhealthy};

use super::{
    alias::Alias,
    balance::{Member, NoServer, Rota},
    ramp::{Presence, Ramp},
    ring::Ring,
    schedule,
    server::{Endpoint, Endpoints, Server},
};

/// What a pick reads. Computed whenever a member's health or addresses change; immutable in between.
pub(super) struct Standing {
    pub(super) candidates: Box<[Candidate]>,
    pub(super) choice: Choice,
    pub(super) ramp: Option<Ramp>,
    /// Why there is nobody, if there is nobody.
    pub(super) nobody: NoServer,
}

/// A member that is usable.
pub(super) struct Candidate {
    pub(super) member: u16,
    pub(super) server: Arc<Server>,
    /// At least one.
    endpoints: Arc<Endpoints>,
    pub(super) weight: f32,
    pub(super) grown_at: u64,
}

impl Candidate {
    /// The address whose turn it is.
    pub(super) fn endpoint(&self) -> Option<&Arc<Endpoint>> {
        match self.endpoints.as_slice() {
            [only] => Some(only),
            many => many.get(self.server.next_turn().checked_rem(many.len())?),
        }
    }
}

/// The algorithm, prepared; everything in it is an index of a candidate.
pub(super) enum Choice {
    /// In the order of these turns.
    Turns(Box<[u16]>),
    /// At random.
    Random(Alias),
    /// The less loaded of two.
    LeastRequest(Alias),
    /// Who owns the point of the ring.
    Ring(Arc<Ring>, Box<[u16]>),
}

impl Standing {
    /// Before the first look at the members.
    pub(super) fn unknown() -> Self {
        Self {
            candidates: Box::default(),
            choice: Choice::Turns(Box::default()),
            ramp: None,
            nobody: NoServer::Empty,
        }
    }

    /// Looks at all members. `presences`, one for each, are brought up to date.
    pub(super) fn assess(
        model: &model::Cluster,
        members: &[Member],
        ring: Option<&Arc<Ring>>,
        rota: &Rota,
        presences: &mut [Presence],
    ) -> Self {
        let now = rota.now_ms();
        let all: Vec<_> = members.iter().map(|member| member.server.endpoints()).collect();
        let usable: Vec<_> = members
            .iter()
            .zip(&all)
            .map(|(member, all)| member.usable(all))
            .collect();
        for (presence, usable) in presences.iter_mut().zip(&usable) {
            *presence = presence.seen(!usable.is_empty(), now);
        }
        let resolved = all.iter().any(|endpoints| !endpoints.is_empty());
        let healthy = usable.iter().any(|endpoints| !endpoints.is_empty());
        let nobody = match () {
            () if !model.enabled => NoServer::Disabled,
            () if members.is_empty() => NoServer::Empty,
            () if !resolved => NoServer::Unresolved,
            () => NoServer::AllUnhealthy,
        };
        let chosen = match model.on_all_unhealthy {
            _ if !model.enabled => Vec::new(),
            OnAllUnhealthy::UseAll if !healthy => all,
            _ => usable,
        };
        let span = model.slow_start.map(|span| span.as_millis() as u64);
        let candidates = candidates(members, chosen, presences, span);
        let grown = candidates.iter().map(|candidate| candidate.grown_at);
        Self {
            choice: Choice::prepare(&model.load_balance, members, &candidates, ring),
            ramp: span.and_then(|span| Ramp::new(span, grown, now)),
            candidates,
            nobody,
        }
    }
}

fn candidates(
    members: &[Member],
    chosen: Vec<Arc<Endpoints>>,
    presences: &[Presence],
    span: Option<u64>,
) -> Box<[Candidate]> {
    let everyone = members.iter().zip(chosen).zip(presences).enumerate();
    let there = everyone.filter(|(_, ((_, endpoints), _))| !endpoints.is_empty());
    let candidate = |(i, ((member, endpoints), presence)): (usize, ((&Member, _), &Presence))| Candidate {
        member: i as u16,
        server: Arc::clone(&member.server),
        endpoints,
        weight: member.weight as f32,
        grown_at: span.map_or(0, |span| presence.grown_at(span)),
    };
    there.map(candidate).collect()
}

impl Choice {
    fn prepare(
        by: &LoadBalance,
        members: &[Member],
        candidates: &[Candidate],
        ring: Option<&Arc<Ring>>,
    ) -> Self {
        if candidates.is_empty() {
            return Self::Turns(Box::default());
        }
        let weights = || -> Vec<u32> {
            let weight = |candidate: &Candidate| members[usize::from(candidate.member)].weight;
            candidates.iter().map(weight).collect()
        };
        match (by, ring) {
            (LoadBalance::Random, _) => Self::Random(Alias::new(&weights())),
            (LoadBalance::LeastRequest, _) => Self::LeastRequest(Alias::new(&weights())),
            (LoadBalance::IpHash | LoadBalance::ConsistentHash(_), Some(ring)) => {
                let mut candidate_of = vec![None; members.len()];
                for (i, candidate) in candidates.iter().enumerate() {
                    candidate_of[usize::from(candidate.member)] = Some(i as u16);
                }
                Self::Ring(Arc::clone(ring), ring.owners(&candidate_of))
            }
            _ => Self::Turns(schedule::turns(&weights())),
        }
    }
}

impl Rota {
    /// Milliseconds since the cluster first appeared.
    pub(super) fn now_ms(&self) -> u64 {
        self.born.elapsed().as_millis() as u64
    }

    /// Takes one turn.
    pub(super) fn turn(&self) -> u64 {
        self.position.fetch_add(1, Relaxed)
    }
}
