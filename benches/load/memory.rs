//! Memory after a flood: 10,000 connections opened, each used once and kept, then all closed.

use std::time::Duration;

use futures::stream::{self, StreamExt};

use crate::Result;
use crate::client::Connection;
use crate::scenario::Scenario;
use crate::target::{Running, Target};

const CONNECTIONS: usize = 10_000;
/// Connections being opened at a time: the upstream side shall not grow with the flood.
const AT_A_TIME: usize = 32;
/// Allocators give memory back with a delay (jemalloc's default decay is 10 s).
const SETTLING: Duration = Duration::from_secs(15);

/// Prints resident memory at the start, with all connections open, and after they were closed.
pub(crate) async fn measure(target: Target, running: &Running) -> Result<()> {
    let before = running.resident_kib()?;
    let address = running.address();
    let opened: Vec<_> = stream::iter(0..CONNECTIONS)
        .map(|index| async move {
            let mut connection = Connection::open(address).await?;
            connection.ask(&Scenario::Memory.ask(target, index)).await?;
            Ok(connection)
        })
        .buffer_unordered(AT_A_TIME)
        .collect::<Vec<std::io::Result<Connection>>>()
        .await;
    let failed = opened.iter().filter(|result| result.is_err()).count();
    if let Some(Err(error)) = opened.iter().find(|result| result.is_err()) {
        eprintln!(
            "  {}: {failed} of {CONNECTIONS} connections failed, the first: {error}",
            target.name()
        );
    }
    let open = running.resident_kib()?;
    drop(opened);
    tokio::time::sleep(SETTLING).await;
    let closed = running.resident_kib()?;
    println!(
        "memory   {:9} {:7.1} MB at start   {:7.1} MB with {CONNECTIONS} connections ({:.1} KB each)   {:7.1} MB {} s after closing",
        target.name(),
        mb(before),
        mb(open),
        (open.saturating_sub(before)) as f64 / (CONNECTIONS - failed).max(1) as f64,
        mb(closed),
        SETTLING.as_secs(),
    );
    Ok(())
}

fn mb(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
