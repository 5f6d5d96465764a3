//! Mistakes in servers and clusters.

use super::found;

#[tokio::test]
async fn mistakes_in_servers_are_found_at_their_place() {
    found(&[
        ("- id: s\n", "- id: S\n", "2:7", &["servers/S: id:", "a-z"]),
        ("- id: s\n", "- name: s\n", "2:3", &["\"id\"", "missing"]),
        (
            "127.0.0.1:9001",
            "127.0.0.1",
            "3:12",
            &["servers/s: address:", "port"],
        ),
        (
            "127.0.0.1:9001",
            "127.0.0.1:99999",
            "3:12",
            &["address:", "99999"],
        ),
        ("127.0.0.1:9001", "127.0.0.1:0", "3:12", &["address:", "port"]),
        ("127.0.0.1:9001", "http://x:1", "3:12", &["address:"]),
        ("127.0.0.1:9001", "::1:9001", "3:12", &["address:", "["]),
        ("address:", "adress:", "3:3", &["did you mean \"address\"?"]),
        (
            "  address: \"127.0.0.1:9001\"\n",
            "",
            "2:3",
            &["\"address\" is missing"],
        ),
        ("weight: 1\n", "weight: 0\n", "4:11", &["weight:", "1 to 1000"]),
        ("weight: 1\n", "weight: 1001\n", "4:11", &["weight:", "1 to 1000"]),
        (
            "weight: 1\n",
            "weight: heavy\n",
            "4:11",
            &["weight:", "whole number", "\"heavy\""],
        ),
        ("weight: 1\n", "scheme: https\n", "4:11", &["scheme:", "http"]),
        (
            "weight: 1\n",
            "enabled: perhaps\n",
            "4:12",
            &["enabled:", "true or false"],
        ),
        (
            "path: /health",
            "path: health",
            "5:25",
            &["health_check.path:", "starts with \"/\""],
        ),
        (
            "interval: 5s",
            "interval: 5",
            "5:44",
            &["health_check.interval:", "10s", "the number 5"],
        ),
        ("interval: 5s", "interval: 1ms", "5:44", &["100ms", "1h"]),
        (
            "timeout: 1s, s",
            "timeout: 2m, s",
            "5:57",
            &["out of bounds", "1m"],
        ),
        ("status: [200]", "status: [99]", "5:70", &["200 to 599"]),
        ("status: [200]", "status: []", "5:69", &["at least one"]),
        ("healthy_after: 1", "healthy_after: 0", "5:101", &["1 to 100"]),
        (
            "{ path: /health, interval: 5s, timeout: 1s, status: [200], body: OK,",
            "{ type: tcp, body: OK,",
            "5:36",
            &["only connects", "leave \"body\" out"],
        ),
        ("path: /health", "type: icmp", "5:25", &["type:", "http, tcp"]),
    ])
    .await;
}

#[tokio::test]
async fn mistakes_in_clusters_are_found_at_their_place() {
    found(&[
        (
            "round_robin",
            "round_robbin",
            "8:17",
            &["load_balance:", "did you mean \"round_robin\"?"],
        ),
        (
            "round_robin",
            "{ consistent_hash: x-user }",
            "8:36",
            &["consistent_hash:", "header"],
        ),
        (
            "round_robin",
            "{ consistent_hash: body.id }",
            "8:36",
            &["cannot be a key", "header.NAME"],
        ),
        (
            "servers: [s]",
            "servers: [t]",
            "9:13",
            &[
                "clusters/c: servers[0]:",
                "there is no server \"t\"",
                "did you mean \"s\"?",
            ],
        ),
        ("servers: [s]", "servers: [s, s]", "9:16", &["bound twice"]),
        ("servers: [s]", "servers: s", "9:12", &["servers:", "a list"]),
        (
            "{ id: s, weight: 2 }",
            "{ id: s, wieght: 2 }",
            "13:22",
            &["did you mean \"weight\"?"],
        ),
        (
            "{ id: s, weight: 2 }",
            "{ id: s, weight: -2 }",
            "13:30",
            &["1 to 1000", "-2"],
        ),
        (
            "connect: 1s",
            "connect: soon",
            "10:23",
            &["timeout.connect:", "\"soon\""],
        ),
        (
            "first_byte",
            "firstbyte",
            "10:27",
            &["did you mean \"first_byte\"?"],
        ),
        ("total: 30s", "total: -30s", "10:51", &["timeout.total:"]),
        ("attempts: 2", "attempts: 11", "11:22", &["1 to 10"]),
        ("attempts: 2", "attempts: 0", "11:22", &["1 to 10"]),
        ("503]", "teapot]", "11:39", &["retry.on[1]:", "connect"]),
        ("503]", "200]", "11:39", &["retry.on[1]:", "200"]),
        (
            "budget_percent: 20",
            "budget_percent: 200",
            "11:61",
            &["0 to 100"],
        ),
        ("- id: d\n", "- id: c\n", "12:7", &["two clusters with this id"]),
        (
            "clusters:\n",
            "clusters:\n- just-a-name\n",
            "7:3",
            &["cluster with an id"],
        ),
    ])
    .await;
}
