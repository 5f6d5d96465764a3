//! Puts a gateway together and runs it.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use admin::Admin;
use arc_swap::ArcSwap;
use pingora_core::{
    apps::http_app::HttpServer,
    listeners::TcpSocketOptions,
    server::{RunArgs, Server, configuration::ServerConf},
    services::{background::background_service, listening::Service},
};

use crate::{
    aggregate::Room,
    commandline,
    edge::{Connections, Open},
    filters::{Filter, Filters},
    hosted::HostedAdmin,
    last_good::Keeper,
    live::{Configurator, Live},
    manage::ManageApp,
    metrics::Metrics,
    mirror::Mirrors,
    process::{
        Adjustable, Farewell, Lasting, Life, Notifier, Origin, Process, ReadyForParent, Reload, Sockets,
        Stop, Waits,
    },
    proxy::{Proxy, Terms},
    registration::Registrar,
    share::{Answers, NodeSharing, RouteSharing},
    startup::{self, Opened, Settings, Startup},
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
    /// (configuration); of what is asked of an admin 0, 1 (refused, or different), 2 or 3 (the admin cannot be reached).
    pub fn run(self) -> ExitCode {
        commandline::run(self)
    }

    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Runs until a signal ends it. Returns only if it cannot start.
    pub(crate) fn serve(self, settings: Settings, start: Start) -> ExitCode {
        match Prepared::new(settings, start, self.filters) {
            Ok(prepared) => prepared.run(),
            Err((problem, code)) => {
                eprintln!("{problem}");
                code
            }
        }
    }
}

/// How a process is started.
#[derive(Default)]
pub(crate) struct Start {
    /// The start-up file.
    pub(crate) file: Option<PathBuf>,
    pub(crate) daemon: bool,
    /// Whether the sockets of the running process are to be taken over.
    pub(crate) upgrade: bool,
}

/// A gateway of which everything is done that can fail while there is somebody to tell: before a daemon's fork. Threads would not
/// survive that, so there are none yet.
struct Prepared {
    startup: Startup,
    engine: ServerConf,
    manage: ManageApp,
    clients: Connections<Proxy>,
    configurator: Configurator,
    process: Process,
}

impl Prepared {
    fn new(settings: Settings, start: Start, filters: Filters) -> Result<Self, (String, ExitCode)> {
        let fails = |error: std::io::Error| (error.to_string(), ExitCode::FAILURE);
        let bad = |problem| (problem, ExitCode::from(EXIT_CONFIG));
        let opened = Opened::new(&settings.startup.store).map_err(bad)?;
        let parts = Parts::new(&settings.startup, &opened);
        let file = start.file.map(std::path::absolute).transpose().map_err(fails)?;
        let mut reload = Reload::new(file, &settings, parts.adjustable());
        let Settings {
            startup,
            engine,
            manage_token,
        } = settings;
        let engine = startup::to_run(engine, start.daemon).map_err(fails)?;
        if engine.daemon {
            reload.error_log = engine.error_log.as_ref().map(PathBuf::from);
        }
        let sockets = match start.upgrade {
            true => None,
            false => Some(Sockets::bind(&addresses(&startup)).map_err(fails)?),
        };
        let clients = parts.clients();
        Ok(Self {
            process: Process {
                life: parts.life.clone(),
                live: parts.live.clone(),
                sockets: origin(sockets, &startup, &engine),
                admin: hosted(&startup, &opened, &filters),
                notifier: Arc::new(Notifier::from_environment()),
                reload,
                farewell: Farewell {
                    clients: clients.clone(),
                    addresses: startup.client_addresses().collect(),
                    pid_file: engine.daemon.then(|| PathBuf::from(&engine.pid_file)),
                },
            },
            configurator: parts.configurator(opened, filters, &startup),
            manage: parts.manage(manage_token),
            clients,
            startup,
            engine,
        })
    }

    /// Never returns: the process ends itself.
    fn run(self) -> ExitCode {
        let (life, daemon) = (self.process.life.clone(), self.engine.daemon);
        let mut server = Server::new_with_opt_and_conf(None, self.engine);
        let configuration = server.add_service(background_service("configuration", self.configurator));
        let takes_over = self.process.sockets.bound.is_none();
        let process = server.add_service(self.process);
        if takes_over {
            process.add_dependency(&configuration);
        }
        let mut proxy = Service::new("proxy".to_owned(), self.clients);
        for address in self.startup.client_addresses() {
            proxy.add_tcp_with_settings(&address.to_string(), TcpSocketOptions::default());
        }
        let proxy = server.add_service(proxy);
        proxy.add_dependencies([&configuration, &process]);
        let mut manage = Service::new("manage".to_owned(), HttpServer::new_app(self.manage));
        manage.add_tcp(&self.startup.manage.address.to_string());
        let manage = Lasting {
            service: manage,
            life: life.clone(),
        };
        server.add_service(manage).add_dependency(&process);
        if daemon {
            let came_up = ReadyForParent {
                life: life.clone(),
                parent: std::process::id(),
            };
            let came_up = server.add_service(background_service("came up", came_up));
            // All that the engine's bootstrap does here is to tell a daemon's parent.
            server.bootstrap_as_a_service().add_dependency(&came_up);
        }
        server.run(RunArgs {
            shutdown_signal: Box::new(Stop(life)),
        });
        ExitCode::FAILURE
    }
}

/// Where the process listens: for clients, then to be managed, then to manage all.
fn addresses(startup: &Startup) -> Vec<SocketAddr> {
    startup
        .client_addresses()
        .chain([startup.manage.address])
        .chain(startup.admin.iter().map(|admin| admin.address))
        .collect()
}

/// The admin on the store of this proxy, if this process is to host it.
fn hosted(startup: &Startup, opened: &Opened, filters: &Filters) -> Option<HostedAdmin> {
    let address = startup.admin.as_ref()?.address;
    let admin = Admin::new(opened.store.clone(), filters.kinds().clone());
    Some(HostedAdmin::new(admin, address))
}

/// The sockets that were bound, or where to take them over.
fn origin(bound: Option<Sockets>, startup: &Startup, engine: &ServerConf) -> Origin {
    Origin {
        bound,
        addresses: addresses(startup),
        upgrade_sock: PathBuf::from(&engine.upgrade_sock),
        waits: Waits::of(engine.upgrade_sock_connect_accept_max_retries),
    }
}

/// What the proxy serves with, the manage listener tells of, and a changed start-up file reaches.
struct Parts {
    life: Life,
    live: Arc<Live>,
    keeper: Option<Arc<Keeper>>,
    metrics: Arc<Metrics>,
    terms: Arc<ArcSwap<Terms>>,
    room: Arc<Room>,
    answers: Arc<Answers>,
}

impl Parts {
    fn new(startup: &Startup, opened: &Opened) -> Self {
        let aggregation = startup.aggregation;
        let keeper = startup.snapshot();
        let keeper = keeper.map(|file| Arc::new(Keeper::new(file, opened.origin.clone())));
        Self {
            life: Life::new(),
            live: Arc::new(Live::new(opened.store.clone(), opened.kind, keeper.clone())),
            keeper,
            metrics: Arc::default(),
            terms: Arc::new(ArcSwap::from_pointee(Terms::new(startup))),
            room: Room::new(
                aggregation.max_calls.get() as usize,
                aggregation.max_bytes.get() as usize,
            ),
            answers: Arc::new(Answers::new(startup.cache.max_bytes.get().into())),
        }
    }

    fn clients(&self) -> Connections<Proxy> {
        let proxy = Proxy {
            live: self.live.clone(),
            metrics: self.metrics.clone(),
            mirrors: Arc::new(Mirrors::default()),
            terms: self.terms.clone(),
            room: self.room.clone(),
            node_sharing: Arc::new(NodeSharing::new(self.answers.clone())),
            route_sharing: RouteSharing::new(self.answers.clone()),
        };
        Connections {
            proxy: Arc::new(proxy),
            open: Arc::new(Open::default()),
        }
    }

    fn configurator(&self, opened: Opened, filters: Filters, startup: &Startup) -> Configurator {
        Configurator {
            live: self.live.clone(),
            store: opened.store,
            filters,
            metrics: self.metrics.clone(),
            keeper: self.keeper.clone(),
            registrar: opened.shared.map(|store| Registrar::new(store, startup)),
        }
    }

    fn adjustable(&self) -> Adjustable {
        Adjustable {
            terms: self.terms.clone(),
            room: self.room.clone(),
            answers: self.answers.clone(),
        }
    }

    fn manage(self, token: Option<String>) -> ManageApp {
        ManageApp {
            life: self.life,
            live: self.live,
            metrics: self.metrics,
            terms: self.terms,
            room: self.room,
            answers: self.answers,
            token,
            started: Instant::now(),
        }
    }
}
