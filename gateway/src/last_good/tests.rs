#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use meta::store::{Revision, State};
use tempfile::TempDir;

use super::*;

/// The variable that makes [`a_writer_that_is_to_be_killed`] write, and where.
const WRITE_TO: &str = "GATEWAY_TEST_LAST_GOOD";

struct Place {
    directory: TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("data/last-good.json");
        Self { directory, file }
    }

    fn keeper(&self) -> Arc<Keeper> {
        Arc::new(Keeper::new(self.file.clone(), here()))
    }

    fn read(&self, origin: &Origin) -> Option<LastGood> {
        read(&self.file, origin, &FilterKinds::default())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path().join("data")).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        entries.map(name).collect()
    }
}

fn etcd(prefix: &str, endpoints: &[&str]) -> Origin {
    Origin::Etcd {
        prefix: prefix.into(),
        endpoints: endpoints.iter().map(ToString::to_string).collect(),
    }
}

fn here() -> Origin {
    etcd("/gateway", &["http://a:1", "http://b:1"])
}

fn checked(text: &str) -> Arc<Checked> {
    let report = check(&Document::read(text), None, &FilterKinds::default());
    assert!(!report.has_errors(), "{:?}", report.problems);
    Arc::new(report.checked)
}

fn servers(count: u64) -> Arc<Checked> {
    let server = |n| format!("- {{ id: s{n}, address: \"127.0.0.1:1\", description: \"{n} {n} {n}\" }}\n");
    checked(&format!(
        "servers:\n{}",
        (0..count).map(server).collect::<String>()
    ))
}

fn numbered(revision: u64) -> State {
    State {
        revision: Revision(revision),
        document: Arc::new(Document::of(Vec::new())),
    }
}

fn keep_now(keeper: &Keeper, revision: u64, checked: &Arc<Checked>) {
    keeper.keep(&numbered(revision), checked.clone());
    keeper.flush();
}

#[test]
fn what_is_kept_is_read_again_as_it_was() {
    let place = Place::new();
    let quick_start = checked(include_str!("../../../conf/quickstart/meta.yaml"));
    keep_now(&place.keeper(), 7, &quick_start);
    let last = place.read(&here()).unwrap();
    assert_eq!(last.revision, 7);
    let text = |checked: &Checked| serde_json::to_value(checked).unwrap();
    assert_eq!(text(&last.checked), text(&quick_start));
    let routes = |checked: &Checked| checked.routes().cloned().collect::<Vec<_>>();
    assert_eq!(routes(&last.checked), routes(&quick_start));
    let aggregations = |checked: &Checked| checked.aggregations().cloned().collect::<Vec<_>>();
    assert_eq!(aggregations(&last.checked), aggregations(&quick_start));
    assert_eq!(place.names(), ["last-good.json"]);
}

#[test]
fn the_state_of_another_store_is_not_used() {
    let place = Place::new();
    keep_now(&place.keeper(), 1, &servers(1));
    for (origin, is_same) in [
        (here(), true),
        (etcd("/gateway", &["http://c:1", "http://b:1"]), true),
        (etcd("/gateway", &["http://c:1"]), false),
        (etcd("/other", &["http://a:1", "http://b:1"]), false),
        (Origin::File("/gateway".into()), false),
    ] {
        assert_eq!(place.read(&origin).is_some(), is_same, "{origin:?}");
    }
}

#[test]
fn a_file_that_was_cut_off_or_changed_anywhere_is_not_used() {
    let place = Place::new();
    keep_now(&place.keeper(), 1, &servers(2));
    let whole = fs::read(&place.file).unwrap();
    assert!(place.read(&here()).is_some());
    for length in 0..whole.len() {
        fs::write(&place.file, &whole[..length]).unwrap();
        assert!(place.read(&here()).is_none(), "cut off at {length}");
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&place.file, &damaged).unwrap();
        assert!(place.read(&here()).is_none(), "changed at {at}");
    }
    fs::write(&place.file, [whole.as_slice(), b"x"].concat()).unwrap();
    assert!(place.read(&here()).is_none());
    let later = String::from_utf8(whole)
        .unwrap()
        .replacen("\"format\":1", "\"format\":2", 1);
    fs::write(&place.file, later).unwrap();
    assert!(place.read(&here()).is_none());
    fs::remove_file(&place.file).unwrap();
    assert!(place.read(&here()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_states_a_second_are_not_a_thousand_writes_and_the_last_one_is_written() {
    let place = Place::new();
    let keeper = place.keeper();
    let running = tokio::spawn(keeper.clone().run());
    let state = servers(1);
    let mut writes = std::collections::BTreeSet::new();
    for revision in 1..=3_000 {
        keeper.keep(&numbered(revision), state.clone());
        tokio::time::sleep(Duration::from_millis(1)).await;
        writes.extend(place.read(&here()).map(|last| last.revision));
    }
    assert!(writes.len() <= 5, "{writes:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    // The write is another thread's.
    let since = Instant::now();
    while place.read(&here()).unwrap().revision != 3_000 {
        assert!(since.elapsed() < Duration::from_secs(20));
        tokio::task::yield_now().await;
    }
    running.abort();
}

#[test]
fn a_write_that_fails_is_told_and_leaves_the_file_as_it_was() {
    let place = Place::new();
    let keeper = place.keeper();
    keep_now(&keeper, 1, &servers(1));
    let data = place.directory.path().join("data");
    let aside = place.directory.path().join("aside");
    fs::rename(&data, &aside).unwrap();
    fs::write(&data, "no directory").unwrap();
    keep_now(&keeper, 2, &servers(2));
    let status = serde_json::to_value(keeper.status().clone()).unwrap();
    assert!(status["error"].is_string(), "{status}");
    assert_eq!(status["revision"], 1);
    fs::remove_file(&data).unwrap();
    fs::rename(&aside, &data).unwrap();
    assert_eq!(place.read(&here()).unwrap().revision, 1);
    keeper.flush();
    assert_eq!(place.read(&here()).unwrap().revision, 2);
    let status = serde_json::to_value(keeper.status().clone()).unwrap();
    assert!(status["error"].is_null(), "{status}");
}

#[test]
fn what_a_killed_writer_left_is_removed_and_what_is_being_written_is_not() {
    let place = Place::new();
    keep_now(&place.keeper(), 1, &servers(1));
    let beside = |name: &str| place.file.with_file_name(name);
    fs::write(beside(".last-good.json.0.unfinished"), "left").unwrap();
    fs::write(beside(".other.json.0.unfinished"), "of another").unwrap();
    let being_written = fs::File::create(beside(".last-good.json.1.unfinished")).unwrap();
    being_written.lock().unwrap();
    place.keeper().read(&FilterKinds::default()).unwrap();
    let mut names = place.names();
    names.sort();
    assert_eq!(
        names,
        [
            ".last-good.json.1.unfinished",
            ".other.json.0.unfinished",
            "last-good.json"
        ]
    );
}

/// Writes without a pause if it is told where, for the test below.
#[test]
fn a_writer_that_is_to_be_killed() {
    let Some(file) = std::env::var_os(WRITE_TO) else {
        return;
    };
    let keeper = Keeper::new(file.into(), here());
    let states: Vec<Arc<Checked>> = (1..=4).map(|n| servers(n * 25)).collect();
    for revision in 1.. {
        let state = &states[revision as usize % states.len()];
        keep_now(&keeper, revision, state);
    }
}

/// 25 kills, or as many as `GATEWAY_TEST_KILLS` says.
#[test]
fn whenever_a_writer_is_killed_there_is_a_whole_state() {
    let kills = std::env::var("GATEWAY_TEST_KILLS").map_or(25, |kills| kills.parse().unwrap());
    let place = Place::new();
    let mut unfinished = 0;
    for kill in 0..kills {
        // The states of this writer begin with 1 again.
        let _ = fs::remove_file(&place.file);
        let mut writer = spawn_writer(&place);
        let since = Instant::now();
        while place.read(&here()).is_none() {
            assert!(since.elapsed() < Duration::from_secs(20), "nothing is written");
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..5_000)));
        writer.kill().unwrap();
        writer.wait().unwrap();
        unfinished += place.names().len() - 1;
        let last = place.keeper().read(&FilterKinds::default());
        let last = last.unwrap_or_else(|| panic!("kill {kill} left no whole state"));
        let expected = (last.revision as usize % 4 + 1) * 25;
        assert_eq!(last.checked.servers().len(), expected, "kill {kill}");
        assert_eq!(place.names(), ["last-good.json"], "kill {kill}");
    }
    assert!(unfinished > 0, "no kill came in the middle of a write");
}

fn spawn_writer(place: &Place) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "last_good::tests::a_writer_that_is_to_be_killed"])
        .env(WRITE_TO, &place.file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
