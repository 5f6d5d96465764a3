//! Over a real etcd.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Instant,
};

use actix_web::rt::time::sleep;
use futures::{StreamExt, stream::FuturesUnordered};
use meta::{
    document::decode,
    store::{EtcdSettings, EtcdStore},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Duration;

use super::desk::{Desk, SMALL};

/// An etcd of one member, that ends with this.
struct Etcd {
    directory: TempDir,
    port: u16,
    process: Child,
}

impl Etcd {
    async fn start() -> Self {
        for _ in 0..5 {
            if let Some(etcd) = Self::try_start().await {
                return etcd;
            }
        }
        panic!("etcd does not start");
    }

    /// Nothing if somebody took the ports in between.
    async fn try_start() -> Option<Self> {
        // In memory, if there is such a directory: what is tested is not the disk.
        let shared = Path::new("/dev/shm");
        let directory = match shared.is_dir() {
            true => tempfile::tempdir_in(shared).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let (port, peer) = (free_port(), format!("http://127.0.0.1:{}", free_port()));
        let client = format!("http://127.0.0.1:{port}");
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new("etcd")
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            .args(["--name", "one", "--initial-cluster", &format!("one={peer}")])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args(["--heartbeat-interval", "20", "--election-timeout", "200"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("etcd is installed: apt-get install etcd-server");
        let mut etcd = Self {
            directory,
            port,
            process,
        };
        let until = Instant::now() + Duration::from_secs(15);
        while Instant::now() < until && etcd.process.try_wait().unwrap().is_none() {
            let log = fs::read_to_string(etcd.directory.path().join("log")).unwrap();
            if log.contains("ready to serve client requests") {
                return Some(etcd);
            }
            sleep(Duration::from_millis(10)).await;
        }
        None
    }

    fn desk(&self) -> Desk {
        let settings = json!({ "endpoints": [format!("http://127.0.0.1:{}", self.port)], "timeout": "2s" });
        let settings: EtcdSettings = decode(&settings).unwrap();
        Desk::on(Arc::new(EtcdStore::new(&settings).unwrap()))
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn import(desk: &Desk, yaml: &str) {
    let put = desk.ask("PUT /config").text("application/yaml", yaml);
    put.send().await.ok(200);
}

async fn export(desk: &Desk, media: &str) -> String {
    let answer = desk.ask("GET /config").header("accept", media).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

#[actix_web::test]
async fn a_configuration_goes_to_a_file_and_back_as_it_is() {
    let etcd = Etcd::start().await;
    let (first, file) = (etcd.desk(), Desk::file("{}"));
    import(&first, SMALL).await;
    for media in ["application/yaml", "application/json"] {
        let exported = export(&first, media).await;
        file.ask("PUT /config")
            .text(media, &exported)
            .send()
            .await
            .ok(200);
        assert_eq!(export(&file, media).await, exported);
        import(&first, "{}").await;
        first
            .ask("PUT /config")
            .text(media, &export(&file, media).await)
            .send()
            .await
            .ok(200);
        assert_eq!(export(&first, media).await, exported);
    }
}

#[actix_web::test]
async fn writes_are_seen_by_every_admin_and_can_be_taken_back() {
    let etcd = Etcd::start().await;
    let (one, two) = (etcd.desk(), etcd.desk());
    import(&one, SMALL).await;
    let before = export(&two, "application/json").await;
    let revision = one.revision().await;
    let tag = two.get("/servers/s1").await.header("etag").to_owned();
    one.ask("PATCH /servers/s1")
        .patch(&json!({ "weight": 8 }))
        .send()
        .await
        .ok(200);
    let late = two
        .ask("PATCH /servers/s1")
        .patch(&json!({ "weight": 9 }))
        .header("if-match", &tag);
    late.send().await.refused(412, "precondition_failed");
    assert_eq!(two.get("/servers/s1").await.ok(200)["weight"], 8);
    two.ask("DELETE /clusters/c").send().await.refused(409, "in_use");
    two.ask("DELETE /routes/r?message=bye").send().await.ok(200);
    let items = one.get("/revisions").await.ok(200)["items"].clone();
    assert_eq!(items[0]["message"], "bye");
    one.ask(&format!("POST /revisions/{revision}/rollback"))
        .send()
        .await
        .ok(200);
    assert_eq!(export(&two, "application/json").await, before);
}

#[actix_web::test]
async fn of_400_writes_through_two_admins_at_once_none_is_lost() {
    let etcd = Etcd::start().await;
    let (one, two) = (etcd.desk(), etcd.desk());
    import(&one, SMALL).await;
    // As many at once as clients of a busy admin; the rest as soon as one is answered.
    let mut left = 0..200;
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < 20
            && let Some(n) = left.next()
        {
            for (desk, name) in [(&one, "one"), (&two, "two")] {
                let body = json!({ "id": format!("{name}-{n}"), "address": "h:1" });
                under_way.push(desk.ask("POST /servers").json(&body).send());
            }
        }
        match under_way.next().await {
            Some(answer) => drop(answer.ok(201)),
            None => break,
        }
    }
    for desk in [&one, &two] {
        assert_eq!(desk.get("/servers?limit=1").await.ok(200)["total"], 402);
    }
}

#[actix_web::test]
async fn an_etcd_that_is_gone_is_told_and_what_was_written_is_there_when_it_is_back() {
    let etcd = Etcd::start().await;
    let desk = etcd.desk();
    import(&desk, SMALL).await;
    let signal = |name: &str| {
        let status = Command::new("kill")
            .args([name, &etcd.process.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    };
    signal("-STOP");
    let answer = desk.ask("DELETE /routes/r").send().await;
    signal("-CONT");
    assert_eq!(answer.header("retry-after"), "5");
    answer.refused(503, "store_unavailable");
    let until = Instant::now() + Duration::from_secs(20);
    while desk.get("/routes/r").await.status != 200 {
        assert!(Instant::now() < until, "etcd is back and not read");
        sleep(Duration::from_millis(50)).await;
    }
}
