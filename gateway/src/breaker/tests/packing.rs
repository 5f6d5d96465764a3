//! The state as one word.

use proptest::prelude::*;

use super::super::{
    packed::{LAST_MS, MOST_PROBES, MOST_TRIPS},
    state::{Phase, State},
};
use super::Forced;

fn phases() -> impl Strategy<Value = Phase> {
    prop_oneof![
        (0..=LAST_MS, any::<bool>()).prop_map(|(since, recovered)| Phase::Passing { since, recovered }),
        (0..=LAST_MS).prop_map(|until| Phase::Rejecting { until }),
        (0..=MOST_PROBES, 0..=MOST_PROBES)
            .prop_map(|(in_flight, successes)| Phase::Probing { in_flight, successes }),
        Just(Phase::Forced(Forced::Passing)),
        Just(Phase::Forced(Forced::Rejecting)),
    ]
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked_the_same(phase in phases(), generation: u16, trips in 0..=MOST_TRIPS) {
        let state = State { generation, trips, phase };
        prop_assert_eq!(State::unpack(state.pack()), state);
    }

    #[test]
    fn what_does_not_fit_is_the_most_that_does(generation: u16, beyond in LAST_MS..) {
        let state = State { generation, trips: u8::MAX, phase: Phase::Rejecting { until: beyond } };
        let most = State { generation, trips: MOST_TRIPS, phase: Phase::Rejecting { until: LAST_MS } };
        prop_assert_eq!(State::unpack(state.pack()), most);
    }
}
