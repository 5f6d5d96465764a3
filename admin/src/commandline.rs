//! The command line of `gateway-admin`.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use actix_web::rt;
use clap::{Parser, error::ErrorKind};
use meta::filters::FilterKinds;

use crate::{Admin, Signals, config::Settings, serve};

/// The control plane of Gateway.
#[derive(Debug, Parser)]
#[command(name = "gateway-admin", version, about, max_term_width = 100)]
struct Arguments {
    /// The start-up file.
    #[arg(short, long, value_name = "FILE")]
    conf: PathBuf,
    /// Checks the start-up file and what it names, prints every problem with its place, and exits with 0 or 78.
    #[arg(short, long)]
    test: bool,
}

/// Exit code for what is wrong with a configuration (`EX_CONFIG` of BSD's sysexits).
const EXIT_CONFIG: u8 = 78;

/// Does what the command line says; the exit code is 0 (ended by a signal, or `-t` found nothing), 1 (cannot run), 2 (usage) or 78
/// (the start-up file is wrong).
pub fn run() -> ExitCode {
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
    let settings = match Settings::read(&arguments.conf) {
        Ok(settings) => settings,
        Err(bad) => {
            eprintln!("{bad}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let open = match settings.store.open() {
        Ok(open) => open,
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if arguments.test {
        println!("{}: sound", arguments.conf.display());
        return ExitCode::SUCCESS;
    }
    start_log();
    let admin = Admin::new(open.store(), FilterKinds::default());
    match serve_until_told(admin, settings.address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot listen on {}: {error}", settings.address);
            ExitCode::FAILURE
        }
    }
}

fn serve_until_told(admin: Admin, address: SocketAddr) -> io::Result<()> {
    rt::System::new().block_on(async move {
        let listener = TcpListener::bind(address)?;
        let server = serve(Arc::new(admin), listener, Signals::Own)?;
        log::info!("listening on {address}");
        server.await
    })
}

/// Logs to standard error; `RUST_LOG` decides what. The server's own lines about its threads are left out.
fn start_log() {
    let default = "info,actix_server=warn";
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(default)).init();
}
