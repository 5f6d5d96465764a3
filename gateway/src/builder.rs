//! Puts a gateway together and runs it.

use std::{
    net::TcpListener,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use meta::pattern::MergeSlashes;
use pingora_core::{
    listeners::TcpSocketOptions,
    server::{Server, ShutdownWatch, configuration::Opt},
    services::{
        background::{BackgroundService, background_service},
        listening::Service,
    },
};

use crate::{
    admission::ProxyGuard,
    aggregate::Room,
    commandline,
    edge::{Connections, Open, TrustedProxies},
    filters::{Filter, Filters},
    last_good::Keeper,
    live::{Configurator, Live},
    manage::ManageApp,
    metrics::Metrics,
    mirror::Mirrors,
    proxy::Proxy,
    registration::Registrar,
    share::{Answers, NodeSharing, RouteSharing},
    startup::{Opened, Settings, Startup},
};

/// A gateway to be run, with the filters it knows.
#[derive(Default)]
pub struct Builder {
    filters: Filters,
}

/// Exit code for what is wrong with a configuration (`EX_CONFIG` of BSD's sysexits).
pub(crate) const EXIT_CONFIG: u8 = 78;

impl Builder {
    /// A gateway with the built-in filters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of filter; one of the same name is replaced.
    #[must_use]
    pub fn filter<F: Filter>(mut self) -> Self {
        self.filters.add::<F>();
        self
    }

    /// Does what the command line says, as the command `gateway` does; its exit code is 0, 1 (cannot run), 2 (usage) or 78
    /// (configuration).
    pub fn run(self) -> ExitCode {
        commandline::run(self)
    }

    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Runs until a signal ends it. Returns only if it cannot start.
    pub(crate) fn serve(self, settings: Settings, upgrade: bool) -> ExitCode {
        if let Err(busy) = free(&settings, upgrade) {
            eprintln!("{busy}");
            return ExitCode::FAILURE;
        }
        let Settings {
            startup,
            engine,
            manage_token,
        } = settings;
        let opened = match Opened::new(&startup.store) {
            Ok(opened) => opened,
            Err(reason) => {
                eprintln!("{reason}");
                return ExitCode::from(EXIT_CONFIG);
            }
        };
        let opt = Opt {
            upgrade,
            daemon: engine.daemon,
            ..Opt::default()
        };
        let mut server = Server::new_with_opt_and_conf(opt, engine);
        server.bootstrap();

        let parts = Parts::new(&startup, &opened);
        let configurator = Configurator {
            live: parts.live.clone(),
            store: opened.store,
            filters: self.filters,
            metrics: parts.metrics.clone(),
            keeper: parts.keeper.clone(),
            registrar: opened.shared.map(|store| Registrar::new(store, &startup)),
        };
        let configuration = server.add_service(background_service("configuration", configurator));

        let open = Arc::new(Open::default());
        let connections = Connections {
            proxy: parts.proxy(&startup),
            open: open.clone(),
        };
        let mut service = Service::new("proxy".to_owned(), connections);
        for listener in &startup.listeners {
            service.add_tcp_with_settings(&listener.address.to_string(), TcpSocketOptions::default());
        }
        server.add_service(service).add_dependency(&configuration);

        let manage = parts.manage(&startup, manage_token);
        let mut service = Service::new("manage".to_owned(), manage_server(manage));
        service.add_tcp(&startup.manage.address.to_string());
        server.add_service(service);
        server.add_service(background_service("leave", Leave { open }));
        server.run_forever()
    }
}

/// What the proxy serves with and the manage listener tells of.
struct Parts {
    live: Arc<Live>,
    keeper: Option<Arc<Keeper>>,
    metrics: Arc<Metrics>,
    guard: Option<Arc<ProxyGuard>>,
    room: Arc<Room>,
    answers: Arc<Answers>,
}

impl Parts {
    fn new(startup: &Startup, opened: &Opened) -> Self {
        let aggregation = startup.aggregation;
        let keeper = startup.snapshot();
        let keeper = keeper.map(|file| Arc::new(Keeper::new(file, opened.origin.clone())));
        Self {
            live: Arc::new(Live::new(opened.store.clone(), opened.kind, keeper.clone())),
            keeper,
            metrics: Arc::default(),
            guard: startup
                .limit
                .as_ref()
                .map(|limit| Arc::new(ProxyGuard::new(limit))),
            room: Room::new(
                aggregation.max_calls.get() as usize,
                aggregation.max_bytes.get() as usize,
            ),
            answers: Arc::new(Answers::new(startup.cache.max_bytes.get().into())),
        }
    }

    fn proxy(&self, startup: &Startup) -> Proxy {
        Proxy {
            live: self.live.clone(),
            metrics: self.metrics.clone(),
            mirrors: Arc::new(Mirrors::default()),
            trusted: TrustedProxies::new(startup.trusted_proxies.clone()),
            slashes: match startup.merge_slashes {
                true => MergeSlashes::Yes,
                false => MergeSlashes::No,
            },
            guard: self.guard.clone(),
            room: self.room.clone(),
            node_sharing: Arc::new(NodeSharing::new(self.answers.clone())),
            route_sharing: RouteSharing::new(self.answers.clone()),
        }
    }

    fn manage(self, startup: &Startup, token: Option<String>) -> ManageApp {
        ManageApp {
            live: self.live,
            metrics: self.metrics,
            guard: self.guard,
            room: self.room,
            answers: self.answers,
            token,
            listeners: startup
                .listeners
                .iter()
                .map(|listener| listener.address)
                .collect(),
            started: Instant::now(),
            listening: AtomicBool::new(false),
        }
    }
}

fn manage_server(app: ManageApp) -> pingora_core::apps::http_app::HttpServer<ManageApp> {
    pingora_core::apps::http_app::HttpServer::new_app(app)
}

/// Whether every address can be listened on. The engine would go on without a listener; a process that cannot serve ends instead.
fn free(settings: &Settings, upgrade: bool) -> Result<(), String> {
    if upgrade {
        // The addresses are the running process's, which hands them over.
        return Ok(());
    }
    let manage = std::iter::once(settings.startup.manage.address);
    for address in settings
        .startup
        .listeners
        .iter()
        .map(|listener| listener.address)
        .chain(manage)
    {
        TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    }
    Ok(())
}

/// Ends the process after a signal to stop as soon as no client is connected, which is a second after the last request that was in
/// flight. The engine itself would sleep its grace period in full; whoever is not done by its end is cut off.
struct Leave {
    open: Arc<Open>,
}

#[async_trait]
impl BackgroundService for Leave {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let _ = shutdown.changed().await;
        loop {
            // First a moment for what has been accepted and not begun.
            tokio::time::sleep(Duration::from_millis(100)).await;
            if self.open.count() == 0 {
                std::process::exit(0);
            }
        }
    }
}
