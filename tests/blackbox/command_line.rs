//! The command line: what it prints and how it exits. 0 as asked, 1 cannot run, 2 usage, 78 configuration.

use std::net::TcpListener;
use std::path::Path;

use super::support::{Exited, Gateway, Port};

/// A directory with a start-up file for these ports and these objects.
fn directory(port: &Port, manage: &Port, objects: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let startup = format!(
        "listeners: [{{ address: \"{}\" }}]\nstore: {{ file: meta.yaml }}\nmanage: {{ address: \"{}\" }}\n",
        port.address(),
        manage.address()
    );
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    std::fs::write(directory.path().join("meta.yaml"), objects).unwrap();
    directory
}

async fn test(objects: &str) -> Exited {
    let directory = directory(&Port::reserve(), &Port::reserve(), objects);
    Gateway::run(directory.path(), &["-c", "gateway.yaml", "-t"]).await
}

#[tokio::test]
async fn help_and_version_are_printed_and_exit_with_0() {
    for flag in ["--help", "-h"] {
        let exited = Gateway::run(Path::new("/"), &[flag]).await;
        assert_eq!((exited.code, exited.stderr.as_str()), (Some(0), ""));
        for part in [
            "-c, --conf <FILE>",
            "-t, --test",
            "-d, --daemon",
            "-u, --upgrade",
            "--quickstart",
        ] {
            assert!(exited.stdout.contains(part), "{part}: {}", exited.stdout);
        }
    }
    for flag in ["--version", "-V"] {
        let exited = Gateway::run(Path::new("/"), &[flag]).await;
        assert_eq!(
            (exited.code, exited.stdout.as_str()),
            (Some(0), concat!("gateway ", "0.1.0\n"))
        );
    }
}

#[tokio::test]
async fn wrong_usage_exits_with_2_and_says_what_is_right() {
    for (arguments, part) in [
        (&[][..], "gateway -c conf/gateway.yaml"),
        (&["-t"], "-c"),
        (&["-c"], "--conf <FILE>"),
        (&["--conff", "x"], "--conf"),
        (&["-x"], "-x"),
        (&["surplus"], "surplus"),
        (&["--quickstart", "-c", "x"], "cannot be used with"),
        (&["-c", "x", "-c", "y"], "multiple times"),
    ] {
        let exited = Gateway::run(Path::new("/"), arguments).await;
        assert_eq!(exited.code, Some(2), "{arguments:?}: {exited:?}");
        assert!(exited.stderr.contains(part), "{arguments:?}: {exited:?}");
        assert_eq!(exited.stdout, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn a_busy_port_ends_the_process_with_1_and_names_the_port() {
    for busy_is_manage in [false, true] {
        let (port, manage) = (Port::reserve(), Port::reserve());
        let busy = if busy_is_manage {
            manage.address()
        } else {
            port.address()
        };
        let directory = directory(&port, &manage, "{}\n");
        let _holder = TcpListener::bind(busy).unwrap();
        let exited = Gateway::run(directory.path(), &["-c", "gateway.yaml"]).await;
        assert_eq!(exited.code, Some(1), "{exited:?}");
        assert!(
            exited.stderr.contains(&format!("cannot listen on {busy}")),
            "{exited:?}"
        );
        // Checking needs no port.
        let exited = Gateway::run(directory.path(), &["-c", "gateway.yaml", "-t"]).await;
        assert_eq!(exited.code, Some(0), "{exited:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_not_ours_ends_the_process_with_1() {
    let manage = Port::reserve();
    let directory = directory(&Port::reserve(), &manage, "{}\n");
    let startup = format!(
        "listeners: [{{ address: \"192.0.2.1:8080\" }}]\nstore: {{ file: meta.yaml }}\nmanage: {{ address: \"{}\" }}\n",
        manage.address()
    );
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    let exited = Gateway::run(directory.path(), &["-c", "gateway.yaml"]).await;
    assert_eq!(exited.code, Some(1), "{exited:?}");
    assert!(
        exited.stderr.contains("cannot listen on 192.0.2.1:8080"),
        "{exited:?}"
    );
}

#[tokio::test]
async fn a_file_of_objects_that_is_missing_is_named_with_what_an_empty_one_looks_like() {
    let directory = directory(&Port::reserve(), &Port::reserve(), "{}\n");
    std::fs::remove_file(directory.path().join("meta.yaml")).unwrap();
    for arguments in [&["-c", "gateway.yaml", "-t"][..], &["-c", "gateway.yaml"]] {
        let exited = Gateway::run(directory.path(), arguments).await;
        assert_eq!(exited.code, Some(78), "{exited:?}");
        assert!(exited.stderr.contains("meta.yaml"), "{exited:?}");
    }
}

#[tokio::test]
async fn checking_sound_objects_counts_them_and_exits_with_0() {
    let exited = test(
        "servers: [{ id: s, address: \"127.0.0.1:1\" }]\nclusters: [{ id: c, servers: [s] }]\nroutes: [{ id: r, to: [{ cluster: c }] }]\n",
    )
    .await;
    assert_eq!((exited.code, exited.stderr.as_str()), (Some(0), ""));
    assert!(
        exited
            .stdout
            .contains("1 servers, 1 clusters, 1 routes, 0 aggregations; 0 errors, 0 warnings"),
        "{exited:?}"
    );
}

#[tokio::test]
async fn warnings_are_printed_and_exit_with_0() {
    let exited = test("servers:\n- { id: s, address: \"127.0.0.1:1\" }\n").await;
    assert_eq!(exited.code, Some(0));
    assert!(
        exited
            .stderr
            .starts_with("meta.yaml:2:3: warning: servers/s: no cluster uses this server"),
        "{exited:?}"
    );
    assert!(exited.stdout.contains("0 errors, 1 warnings"), "{exited:?}");
}

#[tokio::test]
async fn checking_prints_every_problem_of_the_objects_with_its_place_and_exits_with_78() {
    let exited = test(
        "servers:\n- { id: s, address: \"nope\" }\nclusters:\n- { id: c, servers: [t] }\nroutes:\n- id: r\n  match: { path: x, when: \"a ==\" }\n  to: [{ cluster: c, weight: 0 }]\n  colour: red\nsurplus: []\n",
    )
    .await;
    assert_eq!(exited.code, Some(78));
    for place in [
        "meta.yaml:2:21: servers/s: address: ",
        "meta.yaml:4:22: clusters/c: servers[0]: ",
        "meta.yaml:7:18: routes/r: match.path: ",
        "meta.yaml:7:28: routes/r: match.when: ",
        "meta.yaml:8:30: routes/r: to[0].weight: ",
        "meta.yaml:9:3: routes/r: colour: ",
        "meta.yaml:10:1: ",
    ] {
        assert!(
            exited.stderr.lines().any(|line| line.starts_with(place)),
            "{place} is not in\n{}",
            exited.stderr
        );
    }
    assert!(exited.stdout.contains("7 errors"), "{exited:?}");
}

#[tokio::test]
async fn objects_that_are_no_configuration_exit_with_78() {
    for (text, place) in [
        ("routes: [}\n", "meta.yaml:1:10: "),
        ("", "meta.yaml:"),
        ("- a\n", "meta.yaml:1:1: "),
    ] {
        let exited = test(text).await;
        assert_eq!(exited.code, Some(78), "{text:?}: {exited:?}");
        assert!(exited.stderr.starts_with(place), "{text:?}: {exited:?}");
    }
}
