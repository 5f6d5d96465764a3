//! Mistakes in breakers: of servers in line 4, of clusters in line 9, of routes in line 16.

use super::found;

#[tokio::test]
async fn mistakes_in_breakers_are_found_at_their_place() {
    found(&[
        (
            "weight: 1\n",
            "breaker: { consecutive_failures: 0 }\n",
            "4:36",
            &[
                "servers/s: breaker.consecutive_failures:",
                "0 is out of bounds: use 1 to 1000",
            ],
        ),
        (
            "weight: 1\n",
            "breaker: { failure_percent: 101 }\n",
            "4:31",
            &["use 1 to 100"],
        ),
        (
            "weight: 1\n",
            "breaker: { failure_percent: half }\n",
            "4:31",
            &["a whole number from 1 to 100", "\"half\""],
        ),
        (
            "weight: 1\n",
            "breaker: { window: 10 }\n",
            "4:22",
            &["breaker.window:", "from \"100ms\" to \"5m\"", "the number 10"],
        ),
        (
            "weight: 1\n",
            "breaker: { window: 1h }\n",
            "4:22",
            &["1h is out of bounds: use 100ms to 5m"],
        ),
        (
            "weight: 1\n",
            "breaker: { slow_percent: 50 }\n",
            "4:28",
            &["breaker.slow_percent:", "add \"slow_call\""],
        ),
        (
            "weight: 1\n",
            "breaker: { max_rejecting_percent: 50 }\n",
            "4:37",
            &["only a cluster's breaker"],
        ),
        (
            "weight: 1\n",
            "breaker: { consecutive_failure: 5 }\n",
            "4:14",
            &["did you mean \"consecutive_failures\"?"],
        ),
        (
            "round_robin\n",
            "round_robin\n  breaker: { failure_status: [] }\n",
            "9:30",
            &["clusters/c: breaker.failure_status:", "at least one"],
        ),
        (
            "round_robin\n",
            "round_robin\n  breaker: { failure_status: [500, 200] }\n",
            "9:36",
            &[
                "breaker.failure_status[1]:",
                "200 is out of bounds: use 400 to 599",
            ],
        ),
        (
            "round_robin\n",
            "round_robin\n  breaker: { rejecting_for: 1m, max_rejecting_for: 30s }\n",
            "9:52",
            &["breaker.max_rejecting_for:", "use rejecting_for (1m) to 24h"],
        ),
        (
            "round_robin\n",
            "round_robin\n  breaker: { rejecting_for: 2h }\n",
            "9:29",
            &["2h is out of bounds: use 100ms to 1h"],
        ),
        (
            "priority: 0\n",
            "breaker: { probe_percent: 0 }\n",
            "16:29",
            &["routes/r: breaker.probe_percent:", "use 1 to 100"],
        ),
        (
            "priority: 0\n",
            "breaker: { ramp: 1h }\n",
            "16:20",
            &["breaker.ramp:", "use 100ms to 10m"],
        ),
        (
            "priority: 0\n",
            "breaker: { max_rejecting_percent: 50 }\n",
            "16:37",
            &["only a cluster's breaker"],
        ),
    ])
    .await;
}
