//! A cluster of one revision, and how a server is picked.

use std::{
    cell::Cell,
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Relaxed},
        },
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use meta::{
    id::Id,
    model::{self, LoadBalance},
};
use tokio::time::Instant;

use crate::clock::Moment;

use super::{
    alias::Alias,
    guard::Refused,
    health::Health,
    lock,
    ramp::Presence,
    ring::Ring,
    server::{Endpoint, Endpoints, Permit, Server},
    standing::{Candidate, Choice, Standing},
    tried::Tried,
};

/// How many members a cluster uses; those beyond are left out.
pub(super) const MOST_MEMBERS: usize = 65_535;

/// Of a cluster without a breaker of its own, whose servers may have theirs.
const MAX_REJECTING_PERCENT: u32 = 50;

/// How often the algorithm is asked before all candidates are walked through.
const PROPOSALS: usize = 16;

/// How many points of a ring are looked at before all candidates are walked through.
const POINTS: usize = 64;

/// One cluster of one revision: immutable but for its standing, which follows health and addresses.
pub struct Cluster {
    model: Arc<model::Cluster>,
    members: Box<[Member]>,
    ring: Option<Arc<Ring>>,
    rota: Arc<Rota>,
    presences: Mutex<Box<[Presence]>>,
    standing: ArcSwap<Standing>,
    stale: AtomicBool,
}

/// What of a cluster outlives its revisions.
pub(super) struct Rota {
    pub(super) born: Instant,
    pub(super) position: AtomicU64,
}

/// A server in a cluster.
pub(super) struct Member {
    pub(super) server: Arc<Server>,
    pub(super) weight: u32,
    pub(super) health: Option<Arc<Health>>,
}

impl Member {
    /// Of all its addresses those that may be used.
    pub(super) fn usable(&self, all: &Arc<Endpoints>) -> Arc<Endpoints> {
        self.health
            .as_ref()
            .map_or_else(|| Arc::clone(all), |health| health.usable(all))
    }
}

/// A server for one attempt.
#[must_use]
pub struct Picked {
    /// Which of its addresses to use.
    pub endpoint: Arc<Endpoint>,
    /// The right to send it this request.
    pub permit: Permit,
}

impl Picked {
    /// The server.
    pub fn server(&self) -> &Arc<Server> {
        self.permit.server()
    }
}

/// Why no server could be picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoServer {
    /// The cluster is disabled.
    Disabled,
    /// It has no enabled server.
    Empty,
    /// None of its servers is healthy.
    AllUnhealthy,
    /// All usable servers refuse at the moment; this is the one that can be expected to take a request first.
    Refused(Refused),
    /// No name of its servers has resolved so far.
    Unresolved,
}

impl fmt::Display for NoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "the cluster is disabled",
            Self::Empty => "the cluster has no enabled server",
            Self::AllUnhealthy => "no server of the cluster is healthy",
            Self::Refused(_) => "no server of the cluster takes another request at the moment",
            Self::Unresolved => "no name of the cluster's servers resolves",
        })
    }
}

impl Cluster {
    /// Compiles a cluster; `before` is what it was in the revision before, if there was one. Its members then
    /// know of it.
    pub(super) fn new(model: Arc<model::Cluster>, members: Vec<Member>, before: Option<&Self>) -> Arc<Self> {
        let hashes = matches!(
            model.load_balance,
            LoadBalance::IpHash | LoadBalance::ConsistentHash(_)
        );
        let known = before.map(Self::presences);
        let presence = |member: &Member| match &known {
            None => Presence::Founding,
            Some(known) => known
                .get(&Arc::as_ptr(&member.server))
                .copied()
                .unwrap_or(Presence::Joining),
        };
        let presences = members.iter().map(presence).collect();
        let rota = before.map(|before| Arc::clone(&before.rota));
        let cluster = Arc::new(Self {
            ring: hashes.then(|| ring_for(&members, before)),
            members: members.into(),
            rota: rota.unwrap_or_else(|| {
                Arc::new(Rota {
                    born: Instant::now(),
                    position: AtomicU64::new(0),
                })
            }),
            presences: Mutex::new(presences),
            standing: ArcSwap::from_pointee(Standing::unknown()),
            stale: AtomicBool::new(false),
            model,
        });
        for member in &cluster.members {
            member.server.add_cluster(&cluster);
        }
        cluster.refresh();
        cluster
    }

    /// The name of the cluster.
    pub fn id(&self) -> &Id {
        &self.model.id
    }

    /// What it was compiled from.
    pub fn model(&self) -> &Arc<model::Cluster> {
        &self.model
    }

    /// The servers that are enabled, usable or not.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.members.iter().map(|member| &member.server)
    }

    /// How many servers get traffic at the moment.
    pub fn usable(&self) -> usize {
        self.standing.load().candidates.len()
    }

    /// Picks a server and one of its addresses for one attempt, and notes it in `tried`.
    ///
    /// A server that is in `tried` is picked again only when no other usable one is left. `hash` stands for
    /// the request and is only asked for by `ip_hash` and `consistent_hash`; [`hash_of`](super::hash_of)
    /// makes one. No lock and no allocation; the cost does not depend on the number of servers, except that
    /// when 16 proposals of the algorithm were tried, growing or refused, all usable ones are walked through
    /// once.
    pub fn pick(
        &self,
        now: Moment,
        hash: impl FnOnce() -> u64,
        tried: &mut Tried,
    ) -> Result<Picked, NoServer> {
        let standing = self.standing.load();
        if standing.candidates.is_empty() {
            return Err(standing.nobody);
        }
        let growing = standing.ramp.is_some().then(|| self.rota.now_ms());
        let round = Round {
            standing: &standing,
            tried,
            growing,
            now,
            refused: Cell::new(None),
            refusers: Refusers::default(),
        };
        let found = match &standing.choice {
            Choice::Turns(turns) => round.in_turn(turns, &self.rota),
            Choice::Random(alias) => round.at_random(alias),
            Choice::LeastRequest(alias) => round.least_loaded(alias),
            Choice::Ring(ring, owners) => round.on_ring(ring, owners, hash()),
        };
        let Some((member, picked)) = found else {
            return Err(round.refused.get().map_or(standing.nobody, NoServer::Refused));
        };
        tried.insert(member);
        Ok(picked)
    }

    /// Waits in the queue of a server for at most `patience` (and at most as long as that queue lets one wait): of those not tried
    /// that have one, the queue with the fewest who wait. To be called when [`Self::pick`] says that all are `refused`, and said again
    /// where no server has a queue.
    pub async fn wait(
        &self,
        refused: Refused,
        tried: &mut Tried,
        patience: Option<Duration>,
    ) -> Result<Picked, NoServer> {
        let shortest = {
            let standing = self.standing.load();
            let queues = standing.candidates.iter().filter_map(|candidate| {
                let fresh = !tried.contains(candidate.member) && !candidate.server.is_leaving();
                let waiting = candidate.server.guard().waiting().filter(|_| fresh)?;
                Some((waiting, candidate))
            });
            let shortest = queues.min_by_key(|(waiting, _)| *waiting);
            shortest.and_then(|(_, candidate)| {
                let endpoint = Arc::clone(candidate.endpoint()?);
                Some((candidate.member, Arc::clone(&candidate.server), endpoint))
            })
        };
        let Some((member, server, endpoint)) = shortest else {
            return Err(NoServer::Refused(refused));
        };
        let permit = server.admit_in_turn(patience).await.map_err(NoServer::Refused)?;
        tried.insert(member);
        Ok(Picked { endpoint, permit })
    }

    /// Of how many servers the breaker does not let everything pass at the moment.
    pub fn tripped(&self, now: Moment) -> usize {
        self.servers()
            .filter(|server| server.guard().is_tripped(now))
            .count()
    }

    /// Whether `server`'s breaker may reject too: at most `max_rejecting_percent` of the servers may at a time, and one always.
    pub(super) fn may_reject(&self, server: &Arc<Server>, now: Moment) -> bool {
        let percent = self
            .model
            .breaker
            .as_ref()
            .map_or(MAX_REJECTING_PERCENT, |breaker| breaker.max_rejecting_percent());
        let most = (self.members.len() * percent as usize / 100).max(1);
        let others = self.servers().filter(|other| !Arc::ptr_eq(other, server));
        others.filter(|other| other.guard().is_tripped(now)).count() < most
    }

    /// Marks it as out of date; returns whether it was not already.
    pub(super) fn turn_stale(&self) -> bool {
        // Pairs with the swap in `refresh`: what changed before the mark is seen by the refresh that takes it.
        !self.stale.swap(true, AcqRel)
    }

    /// Computes its standing from the health and addresses of its members.
    pub(super) fn refresh(&self) {
        let mut presences = lock(&self.presences);
        self.stale.swap(false, AcqRel);
        let ring = self.ring.as_ref();
        let standing = Standing::assess(&self.model, &self.members, ring, &self.rota, &mut presences);
        self.standing.store(Arc::new(standing));
    }

    /// The presence of each server, by its place in memory: a server that left and came back is another.
    fn presences(&self) -> HashMap<*const Server, Presence> {
        let servers = self.members.iter().map(|member| Arc::as_ptr(&member.server));
        servers.zip(lock(&self.presences).iter().copied()).collect()
    }
}

fn ring_for(members: &[Member], before: Option<&Cluster>) -> Arc<Ring> {
    let wanted: Vec<_> = members
        .iter()
        .map(|member| (member.server.id().clone(), member.weight))
        .collect();
    let old = before.and_then(|before| before.ring.as_ref());
    match old.filter(|ring| ring.is_for(&wanted)) {
        Some(ring) => Arc::clone(ring),
        None => Arc::new(Ring::new(wanted)),
    }
}

/// One pick under way.
struct Round<'a> {
    standing: &'a Standing,
    tried: &'a Tried,
    /// The time, if a member may be growing.
    growing: Option<u64>,
    now: Moment,
    /// The most promising of the refusals so far.
    refused: Cell<Option<Refused>>,
    /// Who has refused: asked again it would have its chance, and its refusal counted, twice.
    refusers: Refusers,
}

/// The members that refused in one pick. Those beyond the first 256 are not remembered, and may be asked more than once.
#[derive(Default)]
struct Refusers([Cell<u64>; 4]);

impl Refusers {
    fn word(&self, member: u16) -> Option<(&Cell<u64>, u64)> {
        let word = self.0.get(usize::from(member / 64))?;
        Some((word, 1 << (member % 64)))
    }

    fn insert(&self, member: u16) {
        if let Some((word, bit)) = self.word(member) {
            word.set(word.get() | bit);
        }
    }

    fn contains(&self, member: u16) -> bool {
        self.word(member).is_some_and(|(word, bit)| word.get() & bit != 0)
    }
}

type Found = Option<(u16, Picked)>;

impl Round<'_> {
    fn in_turn(&self, turns: &[u16], rota: &Rota) -> Found {
        let length = turns.len() as u64;
        // A retry takes nobody's turn: with one of two servers failing, every request would begin at that one.
        let again = self.tried.count() > 0;
        for _ in 0..PROPOSALS {
            let turn = if again { fastrand::u64(..) } else { rota.turn() };
            let turn = turns[turn.checked_rem(length)? as usize];
            let candidate = self.candidate(usize::from(turn));
            if self.is_fresh(candidate)
                && self.has_grown(candidate, fastrand::f64)
                && let found @ Some(_) = self.take(candidate)
            {
                return found;
            }
        }
        self.anyone(fastrand::usize(..))
    }

    fn at_random(&self, alias: &Alias) -> Found {
        for _ in 0..PROPOSALS {
            let candidate = self.candidate(alias.draw());
            if self.is_fresh(candidate)
                && self.has_grown(candidate, fastrand::f64)
                && let found @ Some(_) = self.take(candidate)
            {
                return found;
            }
        }
        self.anyone(fastrand::usize(..))
    }

    fn least_loaded(&self, alias: &Alias) -> Found {
        let load = |candidate: &Candidate| candidate.server.load() / candidate.weight;
        for _ in 0..PROPOSALS / 2 {
            let (one, other) = alias.draw_two();
            let (one, other) = (self.candidate(one), self.candidate(other));
            // Equal loads go to the first, which was drawn by weight.
            let order = if load(other) < load(one) {
                [other, one]
            } else {
                [one, other]
            };
            for candidate in order {
                if self.is_fresh(candidate)
                    && self.has_grown(candidate, fastrand::f64)
                    && let found @ Some(_) = self.take(candidate)
                {
                    return found;
                }
            }
        }
        self.anyone(fastrand::usize(..))
    }

    fn on_ring(&self, ring: &Ring, owners: &[u16], hash: u64) -> Found {
        let point = ring.point(hash);
        // A growing member takes over its keys one after the other and keeps those it has.
        let key_share =
            || f64::from((hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32) / f64::from(u32::MAX);
        let around = (0..POINTS.min(owners.len())).map(|step| owners[(point + step) % owners.len()]);
        let mut last = None;
        for owner in around {
            let candidate = self.candidate(usize::from(owner));
            if last.replace(owner) != Some(owner)
                && self.is_fresh(candidate)
                && self.has_grown(candidate, key_share)
                && let found @ Some(_) = self.take(candidate)
            {
                return found;
            }
        }
        self.anyone(hash as usize)
    }

    /// The first from `offset` on that takes the request: rather one that is fresh and does not grow, then one that is
    /// fresh, then any.
    fn anyone(&self, offset: usize) -> Found {
        let count = self.standing.candidates.len();
        let offset = offset.checked_rem(count)?;
        let first = |wanted: &dyn Fn(&Candidate) -> bool| {
            let all = (offset..count).chain(0..offset).map(|i| self.candidate(i));
            all.filter(|candidate| wanted(candidate))
                .find_map(|candidate| self.take(candidate))
        };
        first(&|candidate| self.is_fresh(candidate) && self.has_grown(candidate, || 1.0))
            .or_else(|| first(&|candidate| self.is_fresh(candidate)))
            .or_else(|| first(&|candidate| !self.tried.contains(candidate.member)))
            .or_else(|| first(&|_| true))
    }

    fn candidate(&self, index: usize) -> &Candidate {
        &self.standing.candidates[index]
    }

    /// Neither tried before nor leaving.
    fn is_fresh(&self, candidate: &Candidate) -> bool {
        !self.tried.contains(candidate.member) && !candidate.server.is_leaving()
    }

    /// Whether `chance`, from 0 to 1, falls into the share the candidate has by now.
    fn has_grown(&self, candidate: &Candidate, chance: impl FnOnce() -> f64) -> bool {
        match (self.growing, &self.standing.ramp) {
            (Some(now), Some(ramp)) if candidate.grown_at > now && ramp.matters_at(now) => {
                chance() < ramp.share(candidate.grown_at, now)
            }
            _ => true,
        }
    }

    fn take(&self, candidate: &Candidate) -> Found {
        if self.refused.get().is_some() && self.refusers.contains(candidate.member) {
            return None;
        }
        match candidate.server.admit(self.now) {
            Ok(permit) => {
                let endpoint = Arc::clone(candidate.endpoint()?);
                Some((candidate.member, Picked { endpoint, permit }))
            }
            Err(refused) => {
                self.refusers.insert(candidate.member);
                let before = self.refused.get();
                self.refused
                    .set(Some(before.map_or(refused, |before| before.or_sooner(refused))));
                None
            }
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Cluster({}, position {})",
            self.id(),
            self.rota.position.load(Relaxed)
        )
    }
}
