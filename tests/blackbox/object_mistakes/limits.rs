//! Mistakes in limits: of servers in line 4, of clusters in line 8, of routes in line 16.

use super::found;

#[tokio::test]
async fn mistakes_in_the_numbers_of_limits_are_found_at_their_place() {
    found(&[
        (
            "weight: 1\n",
            "limit: { requests_per_second: 0 }\n",
            "4:33",
            &[
                "servers/s: limit.requests_per_second:",
                "0 is out of bounds",
                "to 10000000",
            ],
        ),
        (
            "weight: 1\n",
            "limit: { requests_per_second: -5 }\n",
            "4:33",
            &["-5 is out of bounds", "one an hour"],
        ),
        (
            "weight: 1\n",
            "limit: { requests_per_second: 100/s }\n",
            "4:33",
            &["a number from", "text \"100/s\""],
        ),
        (
            "weight: 1\n",
            "limit: { requests_per_second: .nan }\n",
            "4:33",
            &[".nan is no number"],
        ),
        (
            "weight: 1\n",
            "limit: { rate: 100 }\n",
            "4:18",
            &["limit.rate:", "\"100/1m\"", "the number 100"],
        ),
        (
            "weight: 1\n",
            "limit: { rate: 1/2h }\n",
            "4:18",
            &["\"1/2h\" is out of bounds", "one an hour to 10000000 a second"],
        ),
        (
            "round_robin\n",
            "round_robin\n  limit: { rate: 5/s, burst: 0 }\n",
            "9:30",
            &[
                "clusters/c: limit.burst:",
                "0 is out of bounds: use 1 to 10000000",
            ],
        ),
        (
            "round_robin\n",
            "round_robin\n  limit: { rate: 1/h, burst: 2000 }\n",
            "9:30",
            &["use 1 to 1000", "within 1000h"],
        ),
        (
            "round_robin\n",
            "round_robin\n  limit: { max_in_flight: lots }\n",
            "9:27",
            &["1 to 1000000, or auto", "\"lots\""],
        ),
        (
            "round_robin\n",
            "round_robin\n  limit: { max_in_flight: 5, queue: { size: 0, wait: 1s } }\n",
            "9:45",
            &["limit.queue.size:", "1 to 100000"],
        ),
        (
            "round_robin\n",
            "round_robin\n  limit: { max_in_flight: 5, queue: { size: 5, wait: 2m } }\n",
            "9:54",
            &["limit.queue.wait:", "2m is out of bounds: use 1ms to 1m"],
        ),
        (
            "round_robin\n",
            "round_robin\n  limit: { max_in_flight: 5, queue: { size: 5 } }\n",
            "9:37",
            &["limit.queue:", "\"wait\" is missing"],
        ),
        (
            "round_robin\n",
            "round_robin\n  limit: { max_inflight: 5 }\n",
            "9:12",
            &["did you mean \"max_in_flight\"?"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn members_of_limits_that_do_not_go_together_are_found_at_their_place() {
    found(&[
        (
            "weight: 1\n",
            "limit: { requests_per_second: 5, rate: 5/s }\n",
            "4:42",
            &["limit.rate:", "given twice"],
        ),
        (
            "weight: 1\n",
            "limit: { max_in_flight: 5, burst: 5 }\n",
            "4:37",
            &["limit.burst:", "needs a rate"],
        ),
        (
            "weight: 1\n",
            "limit: { rate: 5/s, queue: { size: 5, wait: 1s } }\n",
            "4:30",
            &["limit.queue:", "needs \"max_in_flight\""],
        ),
        (
            "weight: 1\n",
            "limit: { mode: shadow }\n",
            "4:10",
            &["limits nothing", "\"requests_per_second\""],
        ),
        (
            "weight: 1\n",
            "limit: { rate: 5/s, key: client_ip }\n",
            "4:28",
            &["limit.key:", "only a route's limit", "a server's"],
        ),
        (
            "weight: 1\n",
            "limit: { max_in_flight: auto }\n",
            "4:27",
            &["only a cluster's limit", "a server's", "1 to 1000000"],
        ),
        (
            "priority: 0\n",
            "limit: { max_in_flight: auto }\n",
            "16:27",
            &["only a cluster's limit", "a route's"],
        ),
        (
            "priority: 0\n",
            "limit: { rate: 5/s, missing: share }\n",
            "16:32",
            &["there is no \"key\"", "leave \"missing\" out"],
        ),
        (
            "priority: 0\n",
            "limit: { max_in_flight: 5, key: host, queue: { size: 5, wait: 1s } }\n",
            "16:48",
            &["limit.queue:", "has no queue"],
        ),
        (
            "priority: 0\n",
            "limit: { rate: 5/s, key: [client_ip, body.a] }\n",
            "16:40",
            &["limit.key[1]:", "cannot be a key"],
        ),
        (
            "priority: 0\n",
            "limit: { rate: 5/s, key: param.nope }\n",
            "16:28",
            &["there is no parameter \"nope\"", "the path has: id, n"],
        ),
        (
            "priority: 0\n",
            "limit: { rate: 5/s, key: [host, path, scheme, method, query] }\n",
            "16:28",
            &["1 to 4", "5 values"],
        ),
        (
            "priority: 0\n",
            "priority_class: urgent\n",
            "16:19",
            &["priority_class:", "sheddable, normal, critical"],
        ),
    ])
    .await;
}
