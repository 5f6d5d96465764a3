//! `gateway -t`: what is wrong with the objects, without running them.

use std::{io, path::Path, process::ExitCode};

use meta::{
    check::{Report, check},
    document::Document,
    plan::Plan,
    problem::Severity,
    startup::in_file,
    store::{EtcdSettings, EtcdStore, Store, StoreError},
};

use crate::{Builder, builder::EXIT_CONFIG, startup::StoreSettings};

/// Prints what is wrong with the objects of the store that `startup`, which is sound, names.
pub(crate) fn run(builder: &Builder, startup: &Path, store: &StoreSettings) -> ExitCode {
    let (place, document) = match store {
        StoreSettings::File(file) => match std::fs::read(file) {
            Ok(bytes) => (file.display().to_string(), Document::read_bytes(&bytes)),
            Err(error) => {
                eprintln!("{}: cannot be read: {error}", file.display());
                return ExitCode::from(EXIT_CONFIG);
            }
        },
        StoreSettings::Etcd(etcd) => match read(etcd) {
            Ok(document) => (format!("etcd:{}", etcd.prefix), document),
            // What stands in etcd does not keep the proxy from starting, and etcd itself does not either.
            Err(error) => {
                eprintln!("warning: the objects are not checked: {error}");
                println!(
                    "{}: sound; the objects in etcd are not checked",
                    startup.display()
                );
                return ExitCode::SUCCESS;
            }
        },
    };
    let report = check(&document, None, builder.filters().kinds());
    for problem in &report.problems {
        eprintln!("{}", in_file(Path::new(&place), problem));
    }
    tell(startup, &place, &report)
}

/// What stands in etcd, if that answers within its timeout.
fn read(etcd: &EtcdSettings) -> Result<Document, StoreError> {
    let no_runtime = |error: io::Error| StoreError::Io {
        action: "starting a runtime".into(),
        source: error.into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(no_runtime)?;
    let store = EtcdStore::new(etcd)?;
    let state = runtime.block_on(store.load())?;
    Ok(Document::clone(&state.document))
}

/// Prints a summary and the plans of the aggregations.
fn tell(startup: &Path, place: &str, report: &Report) -> ExitCode {
    let count = |severity| {
        let problems = report.problems.iter();
        problems.filter(|problem| problem.severity == severity).count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let checked = &report.checked;
    println!(
        "{} and {place}: {} servers, {} clusters, {} routes, {} aggregations; {errors} errors, {warnings} warnings",
        startup.display(),
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
    match errors {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_CONFIG),
    }
}
