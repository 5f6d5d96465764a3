//! The `gateway-demo` command: a small service that stands in for a backend.
//!
//! It answers `users`, `orders` or `logistics` with a handful of fixed records and can be told, for one
//! request or for all, to be slow, fail, hang, close or talk nonsense (see `behaviour`). It exists for the
//! quick start and for trying things out by hand; it speaks just enough HTTP/1.1 for that (see `wire`)
//! and keeps nothing on disk.

mod behaviour;
mod data;
mod service;
mod wire;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;

use service::{Kind, Service};

/// Stands in for a backend: a few records over HTTP, slow or broken on demand.
#[derive(Parser)]
#[command(name = "gateway-demo", version)]
struct Arguments {
    /// Which records to answer.
    #[arg(long, value_enum)]
    service: Kind,
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Exit when standard input reaches its end: the starter holds the other end of the pipe, so this
    /// process ends with it, however it ends.
    #[arg(long)]
    exit_with_parent: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.exit_with_parent {
        std::thread::spawn(|| {
            // Whether it ends or breaks: nobody holds the other end any more.
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            std::process::exit(0)
        });
    }
    match serve(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway-demo: cannot listen on {}: {error}", arguments.listen);
            ExitCode::FAILURE
        }
    }
}

/// Accepts until the process ends; fails only if it cannot listen at all.
async fn serve(arguments: &Arguments) -> io::Result<()> {
    let listener = TcpListener::bind(arguments.listen).await?;
    let address = listener.local_addr()?;
    let service = Arc::new(Service::new(arguments.service, address));
    // The starter may have closed our standard output: not being heard is no reason to stop.
    let _ = writeln!(
        io::stdout(),
        "{} listening on {address}",
        arguments.service.name()
    );
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = Arc::clone(&service);
                tokio::spawn(async move { service.converse(stream).await });
            }
            // Out of file descriptors, most likely: connections that end give some back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
