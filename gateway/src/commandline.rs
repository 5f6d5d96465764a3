//! The command line of `gateway`.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, error::ErrorKind};

use crate::{
    Builder,
    builder::{EXIT_CONFIG, Start},
    examine, quickstart, remote,
    startup::{Settings, StoreKind},
};

/// An L7 API gateway: runs one, or changes the configuration of those that run, over their admin.
#[derive(Debug, Parser)]
#[command(
    name = "gateway",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<remote::Command>,
    /// The start-up file.
    #[arg(short, long, value_name = "FILE")]
    conf: Option<PathBuf>,
    /// Checks the start-up file and the objects, prints every problem with its place, and exits with 0 or 78.
    #[arg(short, long)]
    test: bool,
    /// Runs in the background.
    #[arg(short, long)]
    daemon: bool,
    /// Takes the listening sockets of the running process over.
    #[arg(short, long)]
    upgrade: bool,
    /// Runs with three demo services on a configuration of its own in data/meta.yaml.
    #[arg(long, conflicts_with_all = ["conf", "test", "daemon", "upgrade"])]
    quickstart: bool,
    /// With --quickstart: the configuration is in the etcd on 127.0.0.1:2379 instead, under /gateway.
    #[arg(long, requires = "quickstart")]
    etcd: bool,
}

pub(crate) fn run(builder: Builder) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            let _ = error.print();
            return if asked {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(2)
            };
        }
    };
    if let Some(command) = &arguments.command {
        return remote::run::<Arguments>(command);
    }
    if arguments.quickstart {
        start_log();
        let store = match arguments.etcd {
            true => StoreKind::Etcd,
            false => StoreKind::File,
        };
        return quickstart::run(builder, store);
    }
    let Some(file) = arguments.conf else {
        let missing = "say which start-up file to use, as in: gateway -c conf/gateway.yaml\nor try: gateway --quickstart";
        let _ = Arguments::command()
            .error(ErrorKind::MissingRequiredArgument, missing)
            .print();
        return ExitCode::from(2);
    };
    let settings = match Settings::read(&file) {
        Ok(settings) => settings,
        Err(bad) => {
            eprintln!("{bad}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if arguments.test {
        return examine::run(&builder, &file, &settings.startup.store);
    }
    start_log();
    let start = Start {
        file: Some(file),
        daemon: arguments.daemon,
        upgrade: arguments.upgrade,
    };
    builder.serve(settings, start)
}

/// Logs to standard error; `RUST_LOG` decides what. The engine's own lines about clients that go away are left out.
fn start_log() {
    let default = "info,pingora_core=warn,pingora_proxy=off,actix_server=warn";
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(default)).init();
}
