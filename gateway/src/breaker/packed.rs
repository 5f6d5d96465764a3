//! A breaker's state in 64 bits, so that it changes in one step.
//!
//! ```text
//! 63      61 60      56 55            40 39                                      0
//! ┌─────────┬──────────┬────────────────┬────────────────────────────────────────┐
//! │ kind    │ trips    │ generation     │ a moment, or probes 20 │ successes 20  │
//! └─────────┴──────────┴────────────────┴────────────────────────────────────────┘
//! ```
//!
//! Moments are milliseconds of the process and last for 34 years. A process older than that has all moments
//! at the end of them: pauses are over at once, and what was counted does not grow old. Trips stop at 31,
//! when a pause of 1 ms has become 24 days. A generation comes again after 65,536 transitions: a request that
//! lasts that long would count in it.

use super::{
    state::{Phase, State},
    words::Forced,
};

/// The last moment that fits.
pub(super) const LAST_MS: u64 = (1 << 40) - 1;
/// The most trips that fit.
pub(super) const MOST_TRIPS: u8 = 31;
/// The most probes, and successes of probes, that fit.
pub(super) const MOST_PROBES: u32 = (1 << 20) - 1;

const GENERATION_AT: u32 = 40;
const TRIPS_AT: u32 = 56;
const KIND_AT: u32 = 61;
const SUCCESSES_BITS: u32 = 20;

const PASSING: u64 = 0;
const RECOVERED: u64 = 1;
const REJECTING: u64 = 2;
const PROBING: u64 = 3;
const FORCED_PASSING: u64 = 4;
const FORCED_REJECTING: u64 = 5;

impl State {
    pub(super) fn pack(self) -> u64 {
        let (kind, rest) = match self.phase {
            Phase::Passing {
                since,
                recovered: false,
            } => (PASSING, since.min(LAST_MS)),
            Phase::Passing {
                since,
                recovered: true,
            } => (RECOVERED, since.min(LAST_MS)),
            Phase::Rejecting { until } => (REJECTING, until.min(LAST_MS)),
            Phase::Probing { in_flight, successes } => (PROBING, packed_probes(in_flight, successes)),
            Phase::Forced(Forced::Passing) => (FORCED_PASSING, 0),
            Phase::Forced(Forced::Rejecting) => (FORCED_REJECTING, 0),
        };
        let trips = u64::from(self.trips.min(MOST_TRIPS));
        kind << KIND_AT | trips << TRIPS_AT | u64::from(self.generation) << GENERATION_AT | rest
    }

    pub(super) fn unpack(word: u64) -> Self {
        let rest = word & LAST_MS;
        let phase = match word >> KIND_AT {
            PASSING => Phase::Passing {
                since: rest,
                recovered: false,
            },
            RECOVERED => Phase::Passing {
                since: rest,
                recovered: true,
            },
            REJECTING => Phase::Rejecting { until: rest },
            PROBING => Phase::Probing {
                in_flight: (rest >> SUCCESSES_BITS) as u32,
                successes: rest as u32 & MOST_PROBES,
            },
            FORCED_REJECTING => Phase::Forced(Forced::Rejecting),
            // FORCED_PASSING; `pack` makes no other.
            _ => Phase::Forced(Forced::Passing),
        };
        Self {
            generation: (word >> GENERATION_AT) as u16,
            trips: (word >> TRIPS_AT) as u8 & MOST_TRIPS,
            phase,
        }
    }
}

fn packed_probes(in_flight: u32, successes: u32) -> u64 {
    u64::from(in_flight.min(MOST_PROBES)) << SUCCESSES_BITS | u64::from(successes.min(MOST_PROBES))
}
