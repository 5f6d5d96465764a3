//! The command line of `gateway`.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, error::ErrorKind};
use meta::{check::check, document::Document, plan::Plan, problem::Severity};

use crate::{
    Builder,
    builder::{EXIT_CONFIG, Start},
    quickstart,
    startup::{Settings, in_file},
};

/// An L7 API gateway.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, about, max_term_width = 100)]
struct Arguments {
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
    if arguments.quickstart {
        start_log();
        return quickstart::run(builder);
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
        return test(&builder, &file, &settings);
    }
    start_log();
    let start = Start {
        file: Some(file),
        daemon: arguments.daemon,
        upgrade: arguments.upgrade,
    };
    builder.serve(settings, start)
}

/// Prints what is wrong with the objects.
fn test(builder: &Builder, file: &std::path::Path, settings: &Settings) -> ExitCode {
    let objects = &settings.startup.store.file;
    let bytes = match std::fs::read(objects) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("{}: cannot be read: {error}", objects.display());
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let report = check(&Document::read_bytes(&bytes), None, builder.filters().kinds());
    for problem in &report.problems {
        eprintln!("{}", in_file(objects, problem));
    }
    let count = |severity| {
        report
            .problems
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let checked = &report.checked;
    println!(
        "{} and {}: {} servers, {} clusters, {} routes, {} aggregations; {errors} errors, {warnings} warnings",
        file.display(),
        objects.display(),
        checked.servers().len(),
        checked.clusters().len(),
        checked.routes().len(),
        checked.aggregations().len()
    );
    for aggregation in checked.aggregations() {
        if let Ok(plan) = Plan::new(aggregation) {
            println!("{}", plan.describe(aggregation));
        }
    }
    if errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_CONFIG)
    }
}

/// Logs to standard error; `RUST_LOG` decides what. The engine's own lines about clients that go away are left out.
fn start_log() {
    let default = "info,pingora_core=warn,pingora_proxy=off";
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(default)).init();
}
