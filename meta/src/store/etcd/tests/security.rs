use etcd_client::{Permission, PermissionType};

use std::{path::Path, process::Command};

use super::*;

#[tokio::test]
async fn a_user_with_a_password_is_let_in_and_nobody_else() {
    let etcd = Etcd::start_with(&["--auth-token-ttl", "1"]).await;
    let mut client = etcd.client().await;
    // The one secret that this process has for sure.
    let (variable, password) = ("PATH", std::env::var("PATH").unwrap());
    client.user_add("root", "root", None).await.unwrap();
    client.role_add("root").await.unwrap();
    client.user_grant_role("root", "root").await.unwrap();
    client.user_add("ann", password, None).await.unwrap();
    client.role_add("gateway").await.unwrap();
    let mut permission = Permission::new(PermissionType::Readwrite, "/gateway/");
    permission = permission.with_prefix();
    client.role_grant_permission("gateway", permission).await.unwrap();
    client.user_grant_role("ann", "gateway").await.unwrap();
    client.auth_enable().await.unwrap();

    let mut named = settings(&etcd.endpoint());
    named.username = Some("ann".into());
    named.password_env = Some(variable.into());
    let store = EtcdStore::paced(&named, PACE).unwrap();
    let revision = commit(&store, vec![put("a", 1)]).await;
    let seen = store.load().await.unwrap();
    // The token runs out in between.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let revision = store.commit(revision, vec![put("a", 2)], note("")).await.unwrap();
    until(&store, &seen, |state| state.revision == revision).await;
    assert_eq!(store.history().await.unwrap().len(), 2);

    let error = etcd.store().load().await.unwrap_err();
    assert!(
        error.to_string().contains("set `username` and `password_env`"),
        "{error}"
    );
    let mut wrong = named.clone();
    wrong.password_env = Some("HOME".into());
    let error = EtcdStore::paced(&wrong, PACE).unwrap().load().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Refused { reason, .. } if reason.contains("password")),
        "{error}"
    );
    let mut elsewhere = named.clone();
    elsewhere.prefix = "/other".into();
    let error = EtcdStore::paced(&elsewhere, PACE)
        .unwrap()
        .load()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::Refused { reason, .. } if reason.contains("permission")),
        "{error}"
    );
}

/// Makes a key and a certificate for 127.0.0.1 with the name `name`, signed by `ca` or by itself.
fn certify(directory: &Path, name: &str, ca: Option<&str>) {
    let path = |name: &str, end: &str| directory.join(format!("{name}.{end}")).display().to_string();
    let mut command = Command::new("openssl");
    command
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-keyout", &path(name, "key"), "-out", &path(name, "pem")]);
    if let Some(ca) = ca {
        command.args(["-CA", &path(ca, "pem"), "-CAkey", &path(ca, "key")]);
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    }
    let made = command
        .output()
        .expect("openssl is installed: apt-get install openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test]
async fn tls_asks_for_the_right_authority_and_shows_a_certificate_where_one_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    certify(directory.path(), "ca", None);
    certify(directory.path(), "server", Some("ca"));
    certify(directory.path(), "client", Some("ca"));
    certify(directory.path(), "stranger", None);
    let argument = |option: &str, name: &str| format!("--{option}={}", file(name).display());
    let arguments = [
        argument("cert-file", "server.pem"),
        argument("key-file", "server.key"),
        argument("trusted-ca-file", "ca.pem"),
        "--client-cert-auth".into(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let etcd = Etcd::start_with(&arguments).await;

    let mut settings = settings(&format!("https://{}", etcd.address()));
    settings.ca = Some(file("ca.pem"));
    settings.certificate = Some(file("client.pem"));
    settings.key = Some(file("client.key"));
    let store = EtcdStore::paced(&settings, PACE).unwrap();
    let revision = commit(&store, vec![put("a", 1)]).await;
    assert_eq!(store.load().await.unwrap().revision, revision);

    let refused = async |settings: &EtcdSettings| {
        let outcome = EtcdStore::paced(settings, PACE).unwrap().load().await;
        matches!(outcome, Err(StoreError::Unreachable { .. }))
    };
    let mut stranger = settings.clone();
    stranger.ca = Some(file("stranger.pem"));
    assert!(refused(&stranger).await, "an etcd that it does not know");
    (settings.certificate, settings.key) = (None, None);
    assert!(refused(&settings).await, "a client that etcd does not know");
}
