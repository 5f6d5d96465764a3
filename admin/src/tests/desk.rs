//! An admin to ask, on a store of its own.

use std::sync::Arc;

use actix_web::{
    body::to_bytes,
    http::{Method, StatusCode, header::HeaderMap},
    test::{TestRequest, call_service, init_service},
    web::Data,
};
use meta::{
    filters::FilterKinds,
    store::{FileStore, MemoryStore, Store},
};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{Admin, service::app};

/// Three objects that use each other.
pub(super) const SMALL: &str = "\
servers:
- { id: s1, address: \"127.0.0.1:9001\", tags: [blue], weight: 5 }
- { id: s2, address: \"127.0.0.1:9002\", tags: [blue, old] }
clusters:
- { id: c, servers: [s1] }
- { id: spare, servers: [s2] }
routes:
- { id: r, match: { path: /a }, to: [{ cluster: c }] }
- { id: q, match: { path: /b }, to: [{ cluster: spare }], priority: 3 }
";

pub(super) struct Desk {
    pub(super) admin: Data<Admin>,
    _directory: Option<TempDir>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// A request that is being made.
pub(super) struct Ask<'d> {
    desk: &'d Desk,
    request: TestRequest,
}

impl Desk {
    pub(super) fn on(store: Arc<dyn Store>) -> Self {
        Self {
            admin: Data::new(Admin::new(store, FilterKinds::default())),
            _directory: None,
        }
    }

    pub(super) fn memory(text: &str) -> Self {
        Self::on(Arc::new(MemoryStore::new(text)))
    }

    pub(super) fn file(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meta.yaml");
        std::fs::write(&path, text).unwrap();
        Self {
            _directory: Some(directory),
            ..Self::on(Arc::new(FileStore::new(path)))
        }
    }

    /// One of each sort of store that needs nothing else.
    pub(super) fn each(text: &str) -> [Self; 2] {
        [Self::memory(text), Self::file(text)]
    }

    /// `GET /api/v1/servers`: the path is written without what all have in common.
    pub(super) fn ask(&self, line: &str) -> Ask<'_> {
        let (method, path) = line.split_once(' ').unwrap();
        let path = match path.starts_with("//") {
            true => path[1..].to_owned(),
            false => format!("/api/v1{path}"),
        };
        let request = TestRequest::with_uri(&path).method(Method::from_bytes(method.as_bytes()).unwrap());
        Ask { desk: self, request }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}")).send().await
    }

    pub(super) async fn revision(&self) -> u64 {
        self.admin.store.load().await.unwrap().revision.0
    }
}

impl Ask<'_> {
    pub(super) fn header(self, name: &str, value: &str) -> Self {
        Self {
            request: self.request.insert_header((name, value)),
            ..self
        }
    }

    pub(super) fn json(self, body: &Json) -> Self {
        self.text("application/json", &body.to_string())
    }

    pub(super) fn patch(self, body: &Json) -> Self {
        self.text("application/merge-patch+json", &body.to_string())
    }

    pub(super) fn text(self, media: &str, body: &str) -> Self {
        let ask = self.header("content-type", media);
        Self {
            request: ask.request.set_payload(body.to_owned()),
            ..ask
        }
    }

    pub(super) async fn send(self) -> Answer {
        let service = init_service(app(self.desk.admin.clone())).await;
        let answer = call_service(&service, self.request.to_request()).await;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = to_bytes(answer.into_body()).await;
        let body = body
            .unwrap_or_else(|_| panic!("a body that cannot be read"))
            .to_vec();
        let answer = Answer {
            status,
            headers,
            body,
        };
        answer.is_well_formed();
        answer
    }
}

impl Answer {
    /// What holds for every answer.
    fn is_well_formed(&self) {
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("cache-control"), "no-store");
        if self.status.is_client_error() || self.status.is_server_error() {
            assert_eq!(self.header("content-type"), "application/problem+json");
            let problem = self.json();
            assert_eq!(problem["status"], self.status.as_u16());
            let texts =
                ["title", "detail", "code"].map(|member| problem[member].as_str().unwrap_or_default());
            assert!(texts.iter().all(|text| !text.is_empty()), "{problem}");
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body, if the status is the one expected.
    #[track_caller]
    pub(super) fn ok(self, status: u16) -> Json {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.json()
    }

    /// The problem, if it is the one expected: its status and code.
    #[track_caller]
    pub(super) fn refused(self, status: u16, code: &str) -> Json {
        let problem = self.json();
        assert_eq!(
            (self.status.as_u16(), problem["code"].as_str()),
            (status, Some(code)),
            "{problem}"
        );
        problem
    }
}
