//! What is where, and the server that listens.

use std::{io, net::TcpListener, sync::Arc};

use actix_web::{
    App, Error, FromRequest, Handler, HttpRequest, HttpResponse, HttpServer, Resource, Responder, Route,
    body::MessageBody,
    dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse},
    guard,
    http::{
        Method,
        header::{ALLOW, HeaderValue},
    },
    middleware::{DefaultHeaders, from_fn},
    web::{self, Data},
};
use tokio::time::Duration;

use crate::{
    base::Admin,
    bind, host, openapi,
    problem::{Code, Problem},
    resource::{self, Answered},
    revisions, transaction, whole,
};

/// How many threads serve. A control plane waits for its store, not for processors.
const WORKERS: usize = 2;
/// How many seconds requests in flight have when the process is told to end.
const GRACE: u64 = 10;
/// How long a head may take to come.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// Who acts on SIGINT and SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    /// The server: it ends.
    Own,
    /// Whoever runs the server in his process; its handle ends it.
    Theirs,
}

/// Serves `admin` on `listener`. The server runs when it is awaited.
pub fn serve(admin: Arc<Admin>, listener: TcpListener, signals: Signals) -> io::Result<Server> {
    let admin = Data::from(admin);
    let mut server = HttpServer::new(move || app(admin.clone()))
        .workers(WORKERS)
        .shutdown_timeout(GRACE)
        .client_request_timeout(HEAD_PATIENCE);
    if signals == Signals::Theirs {
        server = server.disable_signals();
    }
    Ok(server.listen(listener)?.run())
}

/// All endpoints.
pub(crate) fn app(
    admin: Data<Admin>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    // No browser shall guess a type, nor keep what may be another in a moment.
    let headers = DefaultHeaders::new()
        .add(("x-content-type-options", "nosniff"))
        .add(("cache-control", "no-store"));
    App::new()
        .app_data(admin)
        .wrap(from_fn(host::own))
        .wrap(headers)
        .configure(endpoints)
        .default_service(web::to(nowhere))
}

fn endpoints(to: &mut web::ServiceConfig) {
    let api = |path: &str| at(&format!("/api/v1{path}"));
    // Ahead of what has the same shape.
    to.service(
        api("/clusters/{cluster}/servers/{server}")
            .on(Method::PUT, bind::bind)
            .on(Method::DELETE, bind::unbind)
            .resource(),
    );
    to.service(
        api("/transactions")
            .on(Method::POST, transaction::transact)
            .resource(),
    );
    to.service(
        api("/config")
            .read(whole::get)
            .on(Method::PUT, whole::put)
            .resource(),
    );
    to.service(api("/check").on(Method::POST, whole::check).resource());
    to.service(api("/revisions").read(revisions::list).resource());
    to.service(api("/revisions/{revision}").read(revisions::get).resource());
    to.service(api("/revisions/{revision}/diff").read(revisions::diff).resource());
    to.service(
        api("/revisions/{revision}/rollback")
            .on(Method::POST, revisions::rollback)
            .resource(),
    );
    to.service(
        api("/{kind:servers|clusters|routes|aggregations}")
            .read(resource::list)
            .on(Method::POST, resource::create)
            .resource(),
    );
    to.service(
        api("/{kind:servers|clusters|routes|aggregations}/{id}")
            .read(resource::get)
            .on(Method::PUT, resource::put)
            .on(Method::PATCH, resource::patch)
            .on(Method::DELETE, resource::delete)
            .resource(),
    );
    to.service(at("/openapi.json").read(openapi::get).resource());
}

/// What a path does, method by method.
struct Endpoint {
    path: String,
    routes: Vec<Route>,
    allowed: Vec<Method>,
}

fn at(path: &str) -> Endpoint {
    Endpoint {
        path: path.to_owned(),
        routes: Vec::new(),
        allowed: vec![Method::OPTIONS],
    }
}

impl Endpoint {
    /// GET, and HEAD, which is GET without what is read.
    fn read<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let either = guard::Any(guard::Get()).or(guard::Head());
        self.routes.push(web::route().guard(either).to(handler));
        self.allowed.extend([Method::GET, Method::HEAD]);
        self
    }

    fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.routes.push(web::method(method.clone()).to(handler));
        self.allowed.push(method);
        self
    }

    /// With an answer to OPTIONS, and to every method that is not there.
    fn resource(self) -> Resource {
        let allowed: Vec<&str> = self.allowed.iter().map(Method::as_str).collect();
        let allowed = allowed.join(", ");
        let other = move |request: HttpRequest| {
            let answer = otherwise(&request, &allowed);
            async move { answer }
        };
        let resource = web::resource(self.path);
        let resource = self.routes.into_iter().fold(resource, Resource::route);
        resource.default_service(web::to(other))
    }
}

fn otherwise(request: &HttpRequest, allowed: &str) -> Answered {
    if request.method() == Method::OPTIONS {
        return Ok(HttpResponse::NoContent().insert_header((ALLOW, allowed)).finish());
    }
    let detail = format!("this path knows {allowed}");
    let problem = Problem::new(Code::MethodNotAllowed, detail);
    // Names of methods are plain ASCII.
    let allowed = HeaderValue::from_str(allowed).unwrap_or(HeaderValue::from_static(""));
    Err(problem.header(ALLOW, allowed))
}

async fn nowhere() -> Answered {
    let detail = "there is nothing at this path; /openapi.json tells what there is";
    Err(Problem::new(Code::NotFound, detail))
}
