//! The commands that talk to an admin: the real binary against a gateway that hosts one, and against what is none.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::support::{BINARY, Backend, Exited, Gateway, Port, Received, Reply, Running, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

const OBJECTS: &str = "\
servers:
- id: s
  address: 127.0.0.1:1
clusters:
- id: c
  servers: [s]
routes:
- id: a
  match: { path: /a }
  to: [{ cluster: c }]
- id: b
  match: { path: /b, methods: [GET] }
  filters: [{ reply: { body: one } }]
";

/// A gateway that hosts an admin, and the address of that.
struct Hosted {
    gateway: Gateway,
    port: Port,
}

impl Hosted {
    async fn start(objects: &str) -> Self {
        let port = Port::reserve();
        let admin = format!("admin: {{ address: \"{}\" }}\n", port.address());
        Self {
            gateway: Gateway::start_with(&admin, objects).await,
            port,
        }
    }

    /// Writes a file beside the gateway's own.
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.gateway.directory().join(name), text).unwrap();
    }

    fn objects(&self) -> String {
        std::fs::read_to_string(self.gateway.objects_file()).unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> Exited {
        let url = format!("http://{}", self.port.address());
        run(self.gateway.directory(), &url, arguments).await
    }

    /// What a command prints that succeeds.
    async fn says(&self, arguments: &[&str]) -> String {
        let exited = self.run(arguments).await;
        assert_eq!(exited.code, Some(0), "{arguments:?}: {exited:?}");
        exited.stdout
    }
}

async fn run(directory: &Path, url: &str, arguments: &[&str]) -> Exited {
    let environment = [("GATEWAY_ADMIN", url), ("USER", "ada")];
    Running::spawn_with(directory, arguments, &environment)
        .until_exit()
        .await
}

/// Runs a command against this answer, as if an admin had given it.
async fn against(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static, arguments: &[&str]) -> Exited {
    let backend = Backend::start(answer).await;
    run(
        Path::new("/"),
        &format!("http://{}", backend.address()),
        arguments,
    )
    .await
}

fn problem(status: u16, code: &str) -> Reply {
    let body = format!("{{\"status\":{status},\"title\":\"t\",\"code\":\"{code}\",\"detail\":\"why not\"}}");
    Reply::with_headers(status, &[("content-type", "application/problem+json")], body)
}

#[tokio::test]
async fn what_is_exported_can_be_applied_and_changes_nothing() {
    let hosted = Hosted::start(OBJECTS).await;
    let before = hosted.objects();
    for form in ["yaml", "json"] {
        hosted.says(&["export", "-o", form, "whole"]).await;
        for apply in [&["apply", "whole"][..], &["apply", "whole", "--prune"]] {
            assert_eq!(hosted.says(apply).await, "revision 1: nothing to change\n");
        }
        assert_eq!(hosted.says(&["diff", "whole", "--prune"]).await, "");
        let printed = hosted.says(&["export", "-o", form]).await;
        let written = std::fs::read_to_string(hosted.gateway.directory().join("whole")).unwrap();
        assert_eq!(printed, written);
    }
    assert_eq!(hosted.objects(), before);
}

#[tokio::test]
async fn apply_adds_and_changes_and_takes_away_only_when_it_is_told_to_prune() {
    let hosted = Hosted::start(OBJECTS).await;
    hosted.write(
        "part.yaml",
        "routes:\n- { id: b, match: { path: /b }, filters: [{ reply: { body: two } }] }\n\
         - { id: n, match: { path: /n }, filters: [{ reply: { body: n } }] }\n",
    );
    let said = hosted.says(&["apply", "part.yaml", "--dry-run"]).await;
    let changes = "~ routes/b\n+ routes/n\n";
    assert_eq!(
        said,
        format!("{changes}not written, would be: 1 added, 1 changed\n")
    );
    let said = hosted.says(&["apply", "part.yaml", "-m", "the part"]).await;
    assert_eq!(said, format!("{changes}revision 2: 1 added, 1 changed\n"));
    eventually("it serves", PATIENCE, || async {
        hosted.gateway.get("/b").await.text() == "two"
    })
    .await;
    assert!(hosted.objects().contains("id: a"));

    let said = hosted.says(&["apply", "--prune", "part.yaml"]).await;
    assert!(said.ends_with("revision 3: 3 removed\n"), "{said}");
    assert!(said.contains("- servers/s\n") && said.contains("- routes/a\n"));

    let history = hosted.says(&["history"]).await;
    let lines: Vec<&str> = history.lines().collect();
    assert_eq!(lines.len(), 4, "{history}");
    assert!(lines[0].starts_with("REVISION  TIME"), "{history}");
    assert!(
        lines[2].starts_with("2 ") && lines[2].ends_with("ada     the part"),
        "{history}"
    );

    let said = hosted.says(&["rollback", "1", "--dry-run"]).await;
    assert!(
        said.contains("not written, would be: 3 added, 1 changed, 1 removed"),
        "{said}"
    );
    let said = hosted.says(&["rollback", "1"]).await;
    assert!(
        said.ends_with("revision 4: 3 added, 1 changed, 1 removed\n"),
        "{said}"
    );
    let json = hosted.says(&["history", "-o", "json"]).await;
    assert!(json.contains("\"rollback to revision 1\""), "{json}");
    let gone = hosted.run(&["rollback", "77"]).await;
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(gone.stderr.contains("revision 77 is not kept"), "{gone:?}");
}

#[tokio::test]
async fn a_file_comes_from_standard_input_too() {
    let hosted = Hosted::start("{}\n").await;
    hosted.write("objects", OBJECTS);
    let mut command = Command::new("sh");
    command
        .args(["-c", "\"$0\" apply - <objects", BINARY])
        .env("GATEWAY_ADMIN", format!("http://{}", hosted.port.address()));
    let exited = Running::spawn_through(hosted.gateway.directory(), command)
        .until_exit()
        .await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(exited.stdout.ends_with("revision 2: 4 added\n"), "{exited:?}");
}

#[tokio::test]
async fn diff_tells_member_by_member_what_was_edited_by_hand_and_exits_with_1() {
    let hosted = Hosted::start(OBJECTS).await;
    hosted.says(&["export", "whole.yaml"]).await;
    hosted.gateway.edit(
        &OBJECTS
            .replace("body: one", "body: two")
            .replace("- id: a", "- id: z"),
    );
    eventually("the edit is seen", PATIENCE, || async {
        hosted.run(&["diff", "whole.yaml"]).await.code == Some(1)
    })
    .await;
    let exited = hosted.run(&["diff", "whole.yaml"]).await;
    let changed = "~ routes/b\n    - /filters/0/reply/body: \"two\"\n    + /filters/0/reply/body: \"one\"\n";
    assert_eq!(exited.stdout, format!("{changed}+ routes/a\n"));
    let exited = hosted.run(&["diff", "whole.yaml", "--prune"]).await;
    assert_eq!(exited.code, Some(1));
    assert_eq!(exited.stdout, format!("- routes/z\n+ routes/a\n{changed}"));
    hosted.says(&["apply", "whole.yaml", "--prune"]).await;
    assert_eq!(hosted.says(&["diff", "whole.yaml", "--prune"]).await, "");
}

#[tokio::test]
async fn every_mistake_is_a_line_with_its_place_in_the_file_and_nothing_is_written() {
    let hosted = Hosted::start("{}\n").await;
    hosted.write(
        "bad.yaml",
        "servers:\n- id: s\n  address: nope\nroutes:\n- id: a\n  match: { path: /a }\n  filters: [{ reply: {} }]\n- id: b\n  match:\n    path: b\n",
    );
    for arguments in [
        &["apply", "bad.yaml"][..],
        &["apply", "bad.yaml", "--prune"],
        &["diff", "bad.yaml"],
    ] {
        let exited = hosted.run(arguments).await;
        assert_eq!((exited.code, exited.stdout.as_str()), (Some(1), ""), "{exited:?}");
        for part in [
            "refused (422): ",
            "bad.yaml:3:12: servers/s: /servers/0/address: ",
            "bad.yaml:10:11: routes/b: /routes/1/match/path: ",
        ] {
            assert!(
                exited.stderr.lines().any(|line| line.starts_with(part)),
                "{part}: {exited:?}"
            );
        }
    }
    for (text, place) in [
        ("routes: [}\n", "bad.yaml:1:10: "),
        ("route: []\n", "bad.yaml:1:1: "),
        ("- a\n", "bad.yaml:1:1: "),
    ] {
        hosted.write("bad.yaml", text);
        let exited = hosted.run(&["apply", "bad.yaml"]).await;
        assert_eq!(exited.code, Some(1), "{exited:?}");
        assert!(exited.stderr.starts_with(place), "{text}: {exited:?}");
    }
    assert_eq!(hosted.objects(), "{}\n");
}

#[tokio::test]
async fn get_shows_a_kind_or_one_object_in_three_forms() {
    let mut objects = OBJECTS.to_owned();
    for number in 0..1001 {
        objects.push_str(&format!(
            "- {{ id: r{number}, match: {{ path: /r{number} }}, filters: [{{ reply: {{}} }}] }}\n"
        ));
    }
    let hosted = Hosted::start(&objects).await;
    let table = hosted.says(&["get", "routes"]).await;
    assert_eq!(table.lines().count(), 1 + 2 + 1001);
    let lines: Vec<Vec<&str>> = table
        .lines()
        .take(3)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["ID", "HOSTS", "METHODS", "PATH", "TO"]);
    assert_eq!(lines[1], ["a", "-", "-", "/a", "c"]);
    assert_eq!(lines[2], ["b", "-", "GET", "/b", "-"]);
    let one = hosted.says(&["get", "route", "a"]).await;
    assert_eq!(one.lines().count(), 2);
    let yaml = hosted.says(&["get", "servers", "s", "-o", "yaml"]).await;
    assert_eq!(yaml, "id: s\naddress: 127.0.0.1:1\n");
    let json = hosted.says(&["get", "clusters", "-o", "json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::json!([{ "id": "c", "servers": ["s"] }]));
    let missing = hosted.run(&["get", "routes", "nope"]).await;
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.contains("there is no route \"nope\""),
        "{missing:?}"
    );
}

#[tokio::test]
async fn wrong_usage_and_a_file_that_is_not_there_exit_with_2() {
    for (arguments, part) in [
        (&["apply"][..], "<FILE>"),
        (&["apply", "/no/such/file"], "/no/such/file: cannot be read"),
        (&["get", "gadgets"], "servers, clusters, routes, aggregations"),
        (&["get", "routes", "No"], "invalid value 'No'"),
        (&["rollback", "x"], "invalid value 'x'"),
        (&["history", "--admin", "127.0.0.1:9093"], "http://127.0.0.1:9093"),
        (&["history", "--timeout", "5"], "no duration"),
        (&["history", "--token-env", "NO_SUCH_VARIABLE"], "holds no token"),
        (&["-c", "x", "history"], "cannot be used with"),
        (&["history", "-c", "x"], "unexpected argument"),
        (&["completions", "tcl"], "bash"),
    ] {
        let exited = run(Path::new("/"), "http://127.0.0.1:1", arguments).await;
        assert_eq!(exited.code, Some(2), "{arguments:?}: {exited:?}");
        assert!(exited.stderr.contains(part), "{arguments:?}: {exited:?}");
        assert_eq!(exited.stdout, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn an_admin_that_cannot_be_reached_or_cannot_do_it_exits_with_3_and_says_what_helps() {
    let nobody = Port::reserve();
    let url = format!("http://{}", nobody.address());
    let exited = run(
        Path::new("/"),
        "http://127.0.0.1:1",
        &["history", "--admin", &url],
    )
    .await;
    assert_eq!(exited.code, Some(3), "{exited:?}");
    let helps = format!("nobody listens at {url}: start a gateway that has `admin:`");
    assert!(exited.stderr.starts_with(&helps), "{exited:?}");
    let late = against(|_| Reply::hang(), &["history", "--timeout", "200ms"]).await;
    assert_eq!(late.code, Some(3), "{late:?}");
    assert!(late.stderr.contains("has not answered within 200ms"), "{late:?}");
    for (status, body) in [(200, "hello"), (404, "no such page"), (302, "")] {
        let other = against(move |_| Reply::new(status, body), &["get", "routes"]).await;
        assert_eq!(other.code, Some(3), "{other:?}");
        assert!(
            other.stderr.contains("does not answer as an admin does"),
            "{other:?}"
        );
    }
    let busy = against(|_| problem(503, "store_unavailable"), &["history"]).await;
    assert_eq!(
        (busy.code, busy.stderr.as_str()),
        (Some(3), "refused (503): why not\n")
    );
}

#[tokio::test]
async fn a_token_is_shown_and_who_has_none_is_told_how_to_give_one() {
    let answer = |request: &Received| {
        let bearer = |(name, value): &(String, String)| {
            name.eq_ignore_ascii_case("authorization") && value == "Bearer secret-of-ada"
        };
        match request.headers.iter().any(bearer) {
            true => Reply::new(200, "{\"items\":[],\"revision\":1}"),
            false => problem(401, "unauthorized"),
        }
    };
    let backend = Backend::start(answer).await;
    let url = format!("http://{}", backend.address());
    let refused = run(Path::new("/"), &url, &["history"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("GATEWAY_TOKEN"), "{refused:?}");
    for (name, arguments) in [
        ("GATEWAY_TOKEN", &["history"][..]),
        ("OTHER", &["history", "--token-env", "OTHER"]),
    ] {
        let environment = [("GATEWAY_ADMIN", url.as_str()), (name, "secret-of-ada")];
        let exited = Running::spawn_with(Path::new("/"), arguments, &environment)
            .until_exit()
            .await;
        assert_eq!(exited.code, Some(0), "{exited:?}");
        assert_eq!(exited.stdout, "REVISION  TIME  AUTHOR  MESSAGE\n");
    }
}

#[tokio::test]
async fn completions_know_the_commands_of_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let exited = Gateway::run(Path::new("/"), &["completions", shell]).await;
        assert_eq!(exited.code, Some(0), "{exited:?}");
        for part in ["apply", "rollback", "dry-run", "quickstart"] {
            assert!(exited.stdout.contains(part), "{shell}: {part}");
        }
    }
}
