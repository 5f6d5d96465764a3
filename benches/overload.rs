//! What becomes of a service that is asked for three times what it can do: `cargo bench -p gateway --bench overload`.
//!
//! The backend works on 16 requests at a time, 20 ms each (800 a second), first come first served, and does not notice that a client
//! has gone. Clients give up after 500 ms, come at random times whatever the answers, and are of three classes. Once the gateway
//! lets everything through, once it limits the cluster by itself (`max_in_flight: auto`). Goodput is answers in time.

#![allow(missing_docs, reason = "a bench is a program")]

use std::{
    fs,
    io::{Error, ErrorKind},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, sleep_until, timeout},
};

const PLACES: usize = 16;
const SERVICE: Duration = Duration::from_millis(20);
const CAPACITY: f64 = PLACES as f64 / 0.020;
const PATIENCE: Duration = Duration::from_millis(500);
const WARM_UP: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(15);

/// The classes with their shares of the capacity: three times as much in all.
const CLASSES: [(&str, f64); 3] = [("critical", 0.2), ("normal", 1.4), ("sheddable", 1.4)];

type Result<T> = std::io::Result<T>;

#[tokio::main]
async fn main() -> Result<()> {
    println!("capacity {CAPACITY:.0}/s; p99 of a critical request alone:");
    let alone = run("auto", 0.2).await?;
    print(&alone[..1]);
    let unloaded = alone[0].latency_ms(0.99);
    for (limit, name) in [("", "everything is let through"), ("auto", "max_in_flight: auto")] {
        println!("\n{name}, {:.0}/s offered:", 3.0 * CAPACITY);
        let tallies = run(limit, 1.0).await?;
        print(&tallies);
        let good: f64 = tallies.iter().map(Tally::good_per_second).sum();
        println!(
            "goodput {good:.0}/s, {:.0} % of the capacity; p99 of critical requests {:.2} × that without load",
            100.0 * good / CAPACITY,
            tallies[0].latency_ms(0.99) / unloaded
        );
    }
    Ok(())
}

fn print(tallies: &[Tally]) {
    println!("              offered/s    good/s    late/s refused/s    p50 ms    p99 ms");
    for tally in tallies {
        let per_second = |count: usize| count as f64 / MEASURED.as_secs_f64();
        println!(
            "  {:10} {:10.0} {:9.0} {:9.0} {:9.0} {:9.1} {:9.1}",
            tally.class,
            per_second(tally.good.len() + tally.late + tally.refused),
            tally.good_per_second(),
            per_second(tally.late),
            per_second(tally.refused),
            tally.latency_ms(0.5),
            tally.latency_ms(0.99),
        );
    }
}

/// What the requests of one class came to.
#[derive(Default)]
struct Tally {
    class: &'static str,
    good: Vec<Duration>,
    late: usize,
    refused: usize,
}

impl Tally {
    fn good_per_second(&self) -> f64 {
        self.good.len() as f64 / MEASURED.as_secs_f64()
    }

    fn latency_ms(&self, quantile: f64) -> f64 {
        let mut sorted = self.good.clone();
        sorted.sort_unstable();
        let rank = (quantile * sorted.len() as f64) as usize;
        sorted
            .get(rank)
            .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

/// Offers `scale` of the load (below 1 only the critical part) through a fresh gateway to a fresh backend.
async fn run(limit: &str, scale: f64) -> Result<Vec<Tally>> {
    let gateway = Gateway::start(backend().await?, limit).await?;
    let classes = if scale < 1.0 { &CLASSES[..1] } else { &CLASSES[..] };
    let loads = classes
        .iter()
        .map(|&(class, share)| load(gateway.address, class, share * CAPACITY));
    Ok(futures::future::join_all(loads).await)
}

/// Requests at random times (a Poisson process), each counted if it begins within the measured time.
async fn load(gateway: SocketAddr, class: &'static str, per_second: f64) -> Tally {
    let tally = Arc::new(Mutex::new(Tally {
        class,
        ..Tally::default()
    }));
    let idle = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now();
    let mut next = start;
    let mut requests = tokio::task::JoinSet::new();
    while next < start + WARM_UP + MEASURED {
        next += Duration::from_secs_f64(-(1.0 - fastrand::f64()).ln() / per_second);
        sleep_until(next.into()).await;
        let (tally, idle, counts) = (tally.clone(), idle.clone(), next >= start + WARM_UP);
        requests.spawn(async move {
            let began = Instant::now();
            let answer = timeout(PATIENCE, ask(gateway, class, &idle)).await;
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match answer {
                _ if !counts => {}
                Ok(Ok(200)) => tally.good.push(began.elapsed()),
                Ok(_) => tally.refused += 1,
                Err(_) => tally.late += 1,
            }
        });
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
    Arc::into_inner(tally).map_or_else(Tally::default, |tally| {
        tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    })
}

/// One request on a kept connection or a fresh one; the status.
async fn ask(gateway: SocketAddr, class: &str, idle: &Mutex<Vec<TcpStream>>) -> Result<u16> {
    let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut stream = match kept {
        Some(stream) => stream,
        None => TcpStream::connect(gateway).await?,
    };
    let request = format!("GET /{class} HTTP/1.1\r\nHost: bench\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let (status, length) = loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        if let Ok(httparse::Status::Complete(length)) = head.parse(&answer) {
            let of_body = head
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let of_body: usize = of_body
                .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
                .unwrap_or(0);
            break (head.code.unwrap_or(0), length + of_body);
        }
    };
    while answer.len() < length {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    Ok(status)
}

/// The service: fair, and stubborn about work whose client has gone.
async fn backend() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let places = Arc::new(Semaphore::new(PLACES));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, places.clone()));
        }
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream, places: Arc<Semaphore>) -> Result<()> {
    let mut buffer = Vec::new();
    loop {
        while !buffer.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.clear();
        let places = places.clone();
        let work = tokio::spawn(async move {
            let _place = places.acquire_owned().await;
            sleep(SERVICE).await;
        });
        work.await.map_err(Error::other)?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await?;
    }
}

/// A running gateway; ends with this.
struct Gateway {
    process: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Gateway {
    async fn start(backend: SocketAddr, limit: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (address, manage) = (free_address()?, free_address()?);
        let objects = directory.path().join("meta.yaml");
        let limit = match limit {
            "" => String::new(),
            limit => format!(", limit: {{ max_in_flight: {limit} }}"),
        };
        let routes = CLASSES.map(|(class, _)| {
            format!("- {{ id: {class}, priority_class: {class}, match: {{ path: /{class} }}, to: [{{ cluster: c }}] }}\n")
        });
        fs::write(
            &objects,
            format!(
                "servers: [{{ id: s, address: \"{backend}\" }}]\nclusters: [{{ id: c, servers: [s]{limit} }}]\nroutes:\n{}",
                routes.concat()
            ),
        )?;
        let file = directory.path().join("gateway.yaml");
        fs::write(
            &file,
            format!(
                "threads: 1\nlisteners: [{{ address: \"{address}\" }}]\nstore: {{ file: \"{}\" }}\nmanage: {{ address: \"{manage}\" }}\n",
                objects.display()
            ),
        )?;
        let process = Command::new(env!("CARGO_BIN_EXE_gateway"))
            .arg("-c")
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()?;
        let gateway = Self {
            process,
            address,
            _directory: directory,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).await.is_err() {
            if Instant::now() > deadline {
                return Err(Error::other("the gateway does not listen"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(gateway)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}
