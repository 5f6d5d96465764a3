//! The clock of a proxy's machine is set to another time.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::lab::Lab;
use crate::scale;
use crate::support::Etcd;

/// Where Debian's `faketime` has its library; the loader puts in the folder of the architecture for `$LIB`.
const LIBRARY: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";

fn set(clock: &Path, offset: &str) {
    let draft = clock.with_extension("draft");
    fs::write(&draft, offset).unwrap();
    fs::rename(&draft, clock).unwrap();
}

/// How far from this machine's clock the proxies' are, by when they say they applied the latest revision.
async fn offsets(lab: &Lab) -> Vec<i64> {
    let mut offsets = Vec::new();
    for proxy in &lab.proxies {
        let applied = proxy.status().await["configuration"]["applied_unix_ms"]
            .as_i64()
            .unwrap();
        let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        offsets.push((applied - ours.as_millis() as i64) / 3_600_000);
    }
    offsets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_forward_and_back_fails_no_request() {
    let directory = tempfile::tempdir().unwrap();
    let clock = directory.path().join("clock");
    set(&clock, "+0");
    let environment = [
        ("LD_PRELOAD", LIBRARY),
        ("FAKETIME_TIMESTAMP_FILE", &clock.to_string_lossy()),
        ("FAKETIME_NO_CACHE", "1"),
        // Setting the clock does not move the monotonic one.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let etcd = Etcd::start().await;
    let keys = etcd.keys().await;
    let lab = Lab::start_within(&environment, &keys, &[etcd.endpoint()]).await;
    for (offset, hours) in [("+48h", 48), ("-72h", -72), ("+0", 0)] {
        set(&clock, offset);
        tokio::time::sleep(scale::lasting(10)).await;
        let took = lab.edit(&keys).await;
        assert!(took < scale::promptly(), "clock {offset}: served after {took:?}");
        let shown = offsets(&lab).await;
        assert!(
            shown.iter().all(|shown| (shown - hours).abs() <= 1),
            "the clocks are {shown:?} hours off and not {offset}; is libfaketime there? apt-get install faketime"
        );
        println!("clock set to {offset}: an edit was served in {took:.0?}");
    }
    lab.finish("clock of the proxies set", &keys).await;
}
