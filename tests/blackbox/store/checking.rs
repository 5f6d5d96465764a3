//! `gateway -t` and the start-up file, with a store in etcd.

use super::{at, on, reply};
use crate::support::{Etcd, Exited, Gateway, Port};

async fn test(store: &str) -> Exited {
    let directory = tempfile::tempdir().unwrap();
    let startup = format!("listeners: [{{ address: \"127.0.0.1:8080\" }}]\n{store}");
    std::fs::write(directory.path().join("gateway.yaml"), startup).unwrap();
    Gateway::run(directory.path(), &["-c", "gateway.yaml", "-t"]).await
}

#[tokio::test]
async fn the_objects_in_etcd_are_checked_if_it_answers() {
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    keys.put("routes/a", reply("a", "one")).await;
    let exited = test(&on(&etcd)).await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(exited.stdout.contains("1 routes"), "{exited:?}");
    keys.put("routes/b", "{ nonsense").await;
    let exited = test(&on(&etcd)).await;
    assert_eq!(exited.code, Some(78), "{exited:?}");
    assert!(exited.stderr.contains("etcd:/gateway: routes/b: "), "{exited:?}");
}

#[tokio::test]
async fn without_an_answer_of_etcd_the_start_up_file_alone_is_checked_and_that_is_said() {
    let nobody = Port::reserve();
    let exited = test(&at(&format!("http://{}", nobody.address()))).await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(
        exited.stderr.contains("the objects are not checked"),
        "{exited:?}"
    );
}

#[tokio::test]
async fn a_mistake_in_the_section_of_etcd_is_told_with_its_place() {
    let http = "endpoints: [\"http://127.0.0.1:2379\"]";
    for (section, place, part) in [
        ("{ etcd: {} }", "2:16: ", "\"endpoints\" is missing"),
        ("{ etcd: { endpoints: [] } }", "2:29: ", "1 to 16"),
        (
            "{ etcd: { endpoints: [\"127.0.0.1:2379\"] } }",
            "2:29: ",
            "http://HOST:PORT",
        ),
        (
            &format!("{{ etcd: {{ {http}, prefix: gateway }} }}"),
            "",
            "\"/gateway\"",
        ),
        (
            &format!("{{ etcd: {{ {http}, prefx: /g }} }}"),
            "",
            "did you mean \"prefix\"?",
        ),
        (&format!("{{ etcd: {{ {http}, timeout: 1ms }} }}"), "", "timeout"),
        (
            &format!("{{ etcd: {{ {http}, username: ann }} }}"),
            "",
            "go together",
        ),
        (
            &format!("{{ file: meta.yaml, etcd: {{ {http} }} }}"),
            "2:8: ",
            "not both",
        ),
    ] {
        let exited = test(&format!("store: {section}\n")).await;
        assert_eq!(exited.code, Some(78), "{section}: {exited:?}");
        let lines: Vec<&str> = exited.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{section}: {exited:?}");
        assert!(
            lines[0].starts_with(&format!("gateway.yaml:{place}")) && lines[0].contains(part),
            "{section}: {}",
            lines[0]
        );
    }
    let exited = test(&format!(
        "store: {{ etcd: {{ {http} }} }}\nsnapshot: \"\"\nid: No_Id\n"
    ))
    .await;
    assert_eq!(exited.code, Some(78), "{exited:?}");
}
