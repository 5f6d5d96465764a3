//! What `conf/` ships to run a gateway with: it names files and options that there are, and its commands do what they say.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gateway::startup::Settings;
use meta::timespan::Timespan;

use crate::support::Gateway;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The value after this at the beginning of a line, trimmed.
fn values<'t>(text: &'t str, before: &str) -> Vec<&'t str> {
    let value = |line: &'t str| line.trim_start().strip_prefix(before).map(str::trim);
    text.lines().filter_map(value).collect()
}

fn settings(text: &str) -> Settings {
    Settings::parse(text).unwrap_or_else(|problems| panic!("{problems:?}:\n{text}"))
}

/// What the unit runs on the binary, without it.
fn gateway_commands<'t>(unit: &'t str, key: &str) -> Vec<&'t str> {
    let commands = values(unit, key).into_iter();
    commands
        .filter_map(|command| command.strip_prefix("/usr/local/bin/gateway "))
        .collect()
}

#[test]
fn the_unit_and_its_start_up_file_belong_together() {
    let (unit, startup) = (
        read("conf/systemd/gateway.service"),
        read("conf/systemd/gateway.yaml"),
    );
    let conf = "-c /etc/gateway/gateway.yaml";
    assert_eq!(gateway_commands(&unit, "ExecStart="), [conf]);
    // life::systemd runs the last of these and the signal that follows.
    let reload = gateway_commands(&unit, "ExecReload=");
    assert_eq!(reload, [format!("{conf} -t"), format!("{conf} -u -d")]);
    assert_eq!(
        values(&unit, "ExecReload=").last(),
        Some(&"/bin/kill -QUIT $MAINPID")
    );
    let settings = settings(&startup);
    for path in [&settings.engine.upgrade_sock, &settings.engine.pid_file] {
        assert!(
            path.starts_with("/run/gateway/"),
            "{path} is not in its RuntimeDirectory"
        );
    }
    assert_eq!(values(&unit, "RuntimeDirectory="), ["gateway"]);
    let stop: u64 = values(&unit, "TimeoutStopSec=")[0].parse().unwrap();
    assert!(Duration::from_secs(stop) > settings.grace());
    assert_eq!(values(&unit, "RestartPreventExitStatus="), ["2 78"]);
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("gateway.service");
    // It asks whether the binary is there.
    let text = read("conf/systemd/gateway.service").replace("/usr/local/bin/gateway", crate::support::BINARY);
    std::fs::write(&unit, text).unwrap();
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&unit)
        .output()
        .expect("systemd-analyze: apt-get install systemd");
    let said = String::from_utf8_lossy(&verified.stderr);
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("gateway.service"))
        .collect();
    assert_eq!(ours, [""; 0]);
}

#[test]
fn the_image_is_made_of_what_there_is() {
    let docker = read("conf/docker/Dockerfile");
    for copied in values(&docker, "COPY ")
        .into_iter()
        .filter(|copy| !copy.starts_with("--from"))
    {
        let (from, _) = copied.split_once(' ').unwrap();
        assert!(root().join(from).exists(), "{from}");
    }
    let cargo = docker.lines().find(|line| line.contains("cargo build")).unwrap();
    assert!(cargo.contains("--package gateway --bin gateway"), "{cargo}");
    assert!(docker.contains("COPY --from=build /gateway /usr/local/bin/gateway"));
    assert_eq!(
        values(&docker, "CMD "),
        ["[\"-c\", \"/etc/gateway/gateway.yaml\"]"]
    );
    let user = values(&docker, "USER ");
    assert!(
        user.iter()
            .all(|user| !user.starts_with('0') && !user.starts_with("root"))
    );
    let settings = settings(&read("conf/docker/gateway.yaml"));
    let ports: Vec<String> = settings
        .startup
        .listeners
        .iter()
        .map(|l| l.address.port().to_string())
        .collect();
    assert_eq!(values(&docker, "EXPOSE "), ports);
}

/// The command of the image's `HEALTHCHECK`, for another port.
fn healthcheck(port: u16) -> Command {
    let docker = read("conf/docker/Dockerfile");
    let (_, command) = docker
        .lines()
        .find_map(|line| line.strip_prefix("HEALTHCHECK ")?.split_once("CMD "))
        .expect("a HEALTHCHECK");
    let words: Vec<String> = serde_json::from_str(command).expect("a list of words");
    let mut run = Command::new(&words[0]);
    run.args(
        words[1..]
            .iter()
            .map(|word| word.replace("9092", &port.to_string())),
    );
    run
}

#[tokio::test]
async fn the_images_health_check_tells_a_ready_gateway_from_one_that_is_not() {
    let gateway = Gateway::start("{}").await;
    let port = gateway.manage().port();
    let healthy = || healthcheck(port).output().expect("bash").status.success();
    assert!(healthy());
    gateway.edit("{}");
    gateway.signal("TERM");
    assert_eq!(gateway.until_exit().await.code, Some(0));
    assert!(!healthy());
}

#[test]
fn the_compose_file_names_what_there_is_and_its_start_up_file_is_sound() {
    let compose = read("conf/docker/compose.yaml");
    assert_eq!(values(&compose, "context:"), ["../.."]);
    assert!(root().join(values(&compose, "dockerfile:")[0]).exists());
    let startup: String = compose
        .lines()
        .skip_while(|line| line.trim() != "content: |")
        .skip(1)
        .take_while(|line| line.starts_with("      "))
        .map(|line| format!("{}\n", line.trim_start()))
        .collect();
    assert!(startup.contains("store: { etcd: { endpoints: [\"http://etcd:2379\"], prefix: /gateway } }"));
    let settings = settings(&startup);
    let stop: Timespan = values(&compose, "stop_grace_period:")[0].parse().unwrap();
    assert!(stop.get() > settings.grace());
}
