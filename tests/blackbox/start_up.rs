//! Mistakes in the start-up file: one clear message each, with its place and what is allowed, and exit code 78.

use super::support::{Exited, Gateway, Port};

const GOOD: &str = "listeners: [{ address: \"127.0.0.1:PORT\" }]\nstore: { file: meta.yaml }\nmanage: { address: \"127.0.0.1:MANAGE\" }\n";

/// Runs the gateway to its end on a start-up file, with `-t` or without.
async fn run(startup: &str, arguments: &[&str]) -> Exited {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    std::fs::write(directory.path().join("meta.yaml"), "{}\n").unwrap();
    std::fs::create_dir(directory.path().join("a-directory")).unwrap();
    let arguments = [&["-c", "gateway.yaml"], arguments].concat();
    Gateway::run(directory.path(), &arguments).await
}

/// `(what replaces what, the place, parts of the message)`; the place is that of the culprit in the whole text.
type Mistake<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);

async fn refused(mistakes: &[Mistake<'_>]) {
    for (from, to, place, parts) in mistakes {
        let (port, manage) = (Port::reserve(), Port::reserve());
        let good = GOOD
            .replace("PORT", &port.number().to_string())
            .replace("MANAGE", &manage.number().to_string());
        let bad = match *from {
            "" => format!("{good}{to}"),
            _ => good.replacen(from, to, 1),
        };
        assert_ne!(bad, good, "{from}");
        for arguments in [&["-t"][..], &[]] {
            let exited = run(&bad, arguments).await;
            assert_eq!(exited.code, Some(78), "{to} {arguments:?}: {exited:?}");
            let lines: Vec<&str> = exited.stderr.lines().collect();
            assert_eq!(lines.len(), 1, "{to}: one mistake, one message: {exited:?}");
            assert!(
                lines[0].starts_with(&format!("gateway.yaml:{place}")),
                "{to}: not at {place}: {}",
                lines[0]
            );
            for part in *parts {
                assert!(lines[0].contains(part), "{to}: {part:?} is not in {}", lines[0]);
            }
        }
    }
}

#[tokio::test]
async fn a_misspelled_key_is_answered_with_the_one_that_was_meant() {
    refused(&[
        (
            "",
            "treads: 2\n",
            "4:1: ",
            &["unknown key \"treads\"", "did you mean \"threads\"?"],
        ),
        (
            "",
            "merge_slash: true\n",
            "4:1: ",
            &["did you mean \"merge_slashes\"?"],
        ),
        (
            "",
            "trusted-proxies: []\n",
            "4:1: ",
            &["did you mean \"trusted_proxies\"?"],
        ),
        (
            "",
            "grace_periode_seconds: 1\n",
            "4:1: ",
            &["did you mean \"grace_period_seconds\"?"],
        ),
        ("listeners", "listener", "1:1: ", &["did you mean \"listeners\"?"]),
        ("{ address", "{ adress", "1:15: ", &["did you mean \"address\"?"]),
        ("file", "fil", "2:10: ", &["did you mean \"file\"?"]),
        ("{ file", "{ ectd: x, file", "2:10: ", &["did you mean \"etcd\"?"]),
        (
            "",
            "zzz: 1\n",
            "4:1: ",
            &["unknown key \"zzz\"", "allowed", "listeners", "store"],
        ),
        (
            "manage: { address",
            "manage: { token: x, address",
            "3:11: ",
            &["unknown key \"token\"", "allowed: address, token_env"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_answered_with_the_right_one() {
    refused(&[
        (
            "",
            "threads: many\n",
            "4:10: ",
            &["threads", "whole number", "\"many\""],
        ),
        ("", "threads: [2]\n", "4:10: ", &["whole number", "a list"]),
        ("", "threads: -1\n", "4:10: ", &["-1"]),
        ("", "threads: 1.5\n", "4:10: ", &["1.5"]),
        (
            "",
            "merge_slashes: maybe\n",
            "4:16: ",
            &["true or false", "\"maybe\""],
        ),
        ("", "daemon: 1\n", "4:9: ", &["true or false"]),
        ("", "trusted_proxies: 10.0.0.0/8\n", "4:18: ", &["list"]),
        ("", "trusted_proxies: [10.0.0.0/33]\n", "4:19: ", &["10.0.0.0/33"]),
        (
            "",
            "trusted_proxies: [1, 10.0.0.0/8]\n",
            "4:19: ",
            &["trusted_proxies[0]"],
        ),
        (
            "store: { file: meta.yaml }",
            "store: meta.yaml",
            "2:8: ",
            &["mapping", "\"meta.yaml\""],
        ),
        (
            "store: { file: meta.yaml }",
            "store: { file: [] }",
            "2:16: ",
            &["a list"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_missing_or_cannot_be_is_named() {
    let listeners = "listeners: [{ address: \"127.0.0.1:";
    refused(&[
        ("store: { file: meta.yaml }\n", "", "", &["\"store\" is missing"]),
        ("store: { file: meta.yaml }", "store: {}", "2:8: ", &["{ file: data/meta.yaml }", "etcd"]),
        ("store: { file: meta.yaml }", "store: { file: a-directory }", "2:16: ", &["no file"]),
        ("store: { file: meta.yaml }", "store: { file: \"\" }", "2:16: ", &["no file", "data/meta.yaml"]),
        ("", "threads: 0\n", "4:10: ", &["1 to 1024"]),
        ("", "threads: 5000\n", "4:10: ", &["1 to 1024"]),
        ("", "listener_tasks_per_fd: 0\n", "4:24: ", &["1 to 64"]),
        ("", "max_blocking_threads: 0\n", "4:23: ", &["1 or more"]),
        (listeners, "listeners: [{ address: \"localhost:", "1:24: ", &["address"]),
        (listeners, "listeners: [{ address: \"300.0.0.1:", "1:24: ", &["address"]),
        (listeners, "listeners: [{ address: \"127.0.0.1:9", "1:24: ", &["address"]),
        (listeners, "listeners: [{ address: \"127.0.0.1:0\" }, { address: \"127.0.0.1:", "1:24: ", &["port 0"]),
        (listeners, "listeners: [{}, { address: \"127.0.0.1:", "1:13: ", &["\"address\" is missing"]),
        (listeners, "listeners: [{ address: \"127.0.0.1:4321\" }, { address: \"127.0.0.1:4321\" }, { address: \"127.0.0.1:", "1:55: ", &["taken by listeners[0]"]),
        (
            listeners,
            "manage: { address: \"127.0.0.1:4321\" }\nlisteners: [{ address: \"127.0.0.1:",
            "4:1: ",
            &["\"manage\"", "second time"],
        ),
        ("manage: { address: \"127.0.0.1", "manage: { address: \"0.0.0.0", "3:20: ", &["everyone could reach", "127.0.0.1", "token_env"]),
        ("manage: { address: \"127.0.0.1", "manage: { address: \"[::]", "3:20: ", &["everyone could reach"]),
        ("manage: { ", "manage: { token_env: NO_SUCH_TOKEN_VARIABLE, ", "3:22: ", &["NO_SUCH_TOKEN_VARIABLE", "16 characters"]),
    ])
    .await;
    let exited = run("listeners: []\nstore: { file: meta.yaml }\n", &["-t"]).await;
    assert_eq!(exited.code, Some(78));
    assert!(
        exited
            .stderr
            .starts_with("gateway.yaml:1:12: listeners: there is none"),
        "{exited:?}"
    );
    let exited = run(
        "listeners: [{ address: \"127.0.0.1:9092\" }]\nstore: { file: meta.yaml }\n",
        &["-t"],
    )
    .await;
    assert!(
        exited.stderr.starts_with("gateway.yaml:1:24: ") && exited.stderr.contains("taken by manage"),
        "{exited:?}"
    );
}

#[tokio::test]
async fn a_text_that_is_no_start_up_file_is_refused_with_the_place() {
    for (text, place, part) in [
        ("listeners: [{ address\n", "gateway.yaml:", "1"),
        ("listeners: [\n", "gateway.yaml:2:1: ", ""),
        ("a: 1\na: 2\n", "gateway.yaml:2:1: ", "second time"),
        ("", "gateway.yaml: ", "mapping"),
        ("- a\n", "gateway.yaml:1:1: ", "mapping"),
        ("hello\n", "gateway.yaml:1:1: ", "mapping"),
        ("\tlisteners: []\n", "gateway.yaml:1:", ""),
    ] {
        let exited = run(text, &["-t"]).await;
        assert_eq!(exited.code, Some(78), "{text:?}: {exited:?}");
        assert!(exited.stderr.starts_with(place), "{text:?}: {exited:?}");
        assert!(exited.stderr.contains(part), "{text:?}: {exited:?}");
        assert!(!exited.stderr.contains("panicked"), "{exited:?}");
    }
}

#[tokio::test]
async fn every_mistake_is_reported_at_once() {
    let exited = run(
        "listenrs: []\nthreads: 0\nstore: { fil: x }\nmerge_slashes: 3\ntrusted_proxies: [x]\n",
        &[],
    )
    .await;
    assert_eq!(exited.code, Some(78));
    for place in ["1:1: ", "2:10: ", "3:10: ", "4:16: ", "5:19: "] {
        let at = format!("gateway.yaml:{place}");
        assert!(
            exited.stderr.lines().any(|line| line.starts_with(&at)),
            "{at}: {}",
            exited.stderr
        );
    }
}

#[tokio::test]
async fn a_start_up_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("binary");
    std::fs::write(&binary, b"\xff\xfe\x00").unwrap();
    std::fs::create_dir(directory.path().join("directory")).unwrap();
    for (file, part) in [
        ("missing.yaml", "No such file"),
        ("directory", "directory"),
        ("binary", "UTF-8"),
        ("binary/below", "Not a directory"),
    ] {
        for arguments in [&["-t"][..], &[]] {
            let arguments = [&["-c", file], arguments].concat();
            let exited = Gateway::run(directory.path(), &arguments).await;
            assert_eq!(exited.code, Some(78), "{file}: {exited:?}");
            assert!(
                exited.stderr.starts_with(&format!("{file}: ")),
                "{file}: {exited:?}"
            );
            assert!(exited.stderr.contains(part), "{file}: {exited:?}");
        }
    }
}
