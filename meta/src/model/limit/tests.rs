#![allow(clippy::unwrap_used)]
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::*;
use crate::document::decode;

fn limit(written: &Json) -> Limit {
    decode(written).unwrap_or_else(|flaws| unreachable!("{written}: {flaws:?}"))
}

#[test]
fn a_limit_is_written_as_it_was_read() {
    for written in [
        json!({}),
        json!({"requests_per_second": 100}),
        json!({"requests_per_second": 0.5, "burst": 3}),
        json!({"requests_per_second": 10_000_000}),
        json!({"rate": "100/1m", "mode": "shadow"}),
        json!({"max_in_flight": 200, "queue": {"size": 100, "wait": "200ms"}}),
        json!({"max_in_flight": "auto"}),
        json!({"rate": "1/1h", "key": "client_ip", "missing": "admit"}),
        json!({"rate": "1/1h", "key": ["client_ip", "header.x-tenant", "method", "query"], "missing": "refuse"}),
    ] {
        assert_eq!(serde_json::to_value(limit(&written)).unwrap(), written);
    }
}

#[test]
fn a_rate_is_read_with_its_short_forms_and_written_in_full() {
    for (text, again) in [
        ("100/1m", "100/1m"),
        ("100/m", "100/1m"),
        ("5/s", "5/1s"),
        ("7/h", "7/1h"),
        ("24/24h", "24/24h"),
        ("10000/1ms", "10000/1ms"),
        ("30000/3ms", "30000/3ms"),
        ("10000000/1s", "10000000/1s"),
        ("3/1.5s", "3/1500ms"),
    ] {
        assert_eq!(
            text.parse::<Rate>().map(|rate| rate.to_string()),
            Ok(again.to_owned())
        );
    }
}

#[test]
fn a_rate_that_is_none_or_out_of_bounds_is_told_what_would_be_right() {
    let none = "is no rate: write a whole number of requests, \"/\" and a time from 1ms to 24h, as in \"100/1m\" or \"5/s\"";
    let requests = "is out of bounds: use 1 to 10000000 requests";
    let time = "is out of bounds: use a time from 1ms to 24h";
    let rate = "is out of bounds: use one an hour to 10000000 a second";
    for (text, message) in [
        ("", none),
        ("100", none),
        ("/1m", none),
        ("100/", none),
        ("-1/1m", none),
        ("+1/1m", none),
        ("1.5/1m", none),
        ("1e3/1m", none),
        ("100/1d", none),
        ("100/0s", none),
        ("100/-1s", none),
        ("100/1m/1m", none),
        ("100 / 1m", none),
        ("0/1m", requests),
        ("10000001/1m", requests),
        ("99999999999999999999/1m", requests),
        ("100000/25h", time),
        ("100000/1000h", time),
        ("23/24h", rate),
        ("1/61m", rate),
        ("10001/1ms", rate),
        ("10000000/999ms", rate),
    ] {
        assert_eq!(text.parse::<Rate>(), Err(format!("{text:?} {message}")), "{text}");
    }
}

#[test]
fn an_absent_burst_is_what_the_rate_brings_in_50_ms_within_reason() {
    for (written, burst) in [
        (json!({"requests_per_second": 0.01}), 1),
        (json!({"requests_per_second": 0.999}), 1),
        (json!({"requests_per_second": 1}), 2),
        (json!({"requests_per_second": 40}), 2),
        (json!({"requests_per_second": 60}), 3),
        (json!({"requests_per_second": 79.9}), 3),
        (json!({"requests_per_second": 500}), 25),
        (json!({"requests_per_second": 10_000_000}), 500_000),
        (json!({"rate": "59/1m"}), 1),
        (json!({"rate": "60/1m"}), 2),
        (json!({"rate": "100/1ms"}), 5_000),
        (json!({"rate": "100/1ms", "burst": 1}), 1),
    ] {
        let found = limit(&written).rate_limit().map(|rate| rate.burst);
        assert_eq!(found, Some(burst), "{written}");
    }
}

#[test]
fn the_rate_of_a_limit_keeps_the_time_it_was_written_for() {
    let found = |written: Json| limit(&written).rate_limit();
    let rate = |requests, secs, burst| {
        Some(RateLimit {
            requests,
            per: Duration::from_secs(secs),
            burst,
        })
    };
    assert_eq!(found(json!({"requests_per_second": 0.5})), rate(0.5, 1, 1));
    assert_eq!(found(json!({"rate": "100/1m", "burst": 20})), rate(100.0, 60, 20));
    assert_eq!(found(json!({"max_in_flight": 5})), None);
    assert_eq!(rate(90.0, 60, 1).unwrap().per_second(), 1.5);
}

#[test]
fn what_is_in_flight_at_most_is_a_number_or_found_out() {
    let most = |written: Json| limit(&written).max_in_flight.unwrap().requests();
    assert_eq!(most(json!({"max_in_flight": 7})), Some(7));
    assert_eq!(most(json!({"max_in_flight": "auto"})), None);
}

#[test]
fn a_request_without_the_values_of_the_key_passes_unless_the_limit_says_otherwise() {
    let missing = |written: Json| limit(&written).missing();
    assert_eq!(missing(json!({"key": "cookie.a"})), MissingKey::Admit);
    assert_eq!(
        missing(json!({"key": "cookie.a", "missing": "share"})),
        MissingKey::Share
    );
}

#[test]
fn a_key_is_one_value_or_a_list_of_up_to_four() {
    let count = |written: Json| limit(&written).key.unwrap().values().len();
    assert_eq!(count(json!({"key": "scheme"})), 1);
    assert_eq!(count(json!({"key": ["client_ip"]})), 1);
    assert_eq!(
        count(json!({"key": ["client_ip", "host", "param.id", "query.q"]})),
        4
    );
}
