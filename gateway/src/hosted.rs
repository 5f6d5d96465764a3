//! The admin in this process, on the same store: it answers on threads of its own, on a socket that the process owns and hands over
//! like its others, and goes on until the process ends.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use admin::{Admin, Signals, serve};
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};

/// How long the request of a client may take to come who has just been accepted: the server that is told to end reads no more of them.
const MOMENT: Duration = Duration::from_millis(100);

/// The admin that this process hosts.
pub(crate) struct HostedAdmin {
    admin: Arc<Admin>,
    pub(crate) address: SocketAddr,
    running: Option<Running>,
}

struct Running {
    /// `None` once it was told to end.
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl HostedAdmin {
    /// `admin`, to answer on `address`. Nothing runs yet.
    pub(crate) fn new(admin: Admin, address: SocketAddr) -> Self {
        Self {
            admin: Arc::new(admin),
            address,
            running: None,
        }
    }

    /// Begins to answer. Starts threads, so a daemon has forked by then.
    pub(crate) fn start(&mut self, listener: TcpListener) -> io::Result<()> {
        let server = serve(self.admin.clone(), listener, Signals::Theirs)?;
        let handle = server.handle();
        let (stop, stopped) = oneshot::channel();
        let serving = async {
            if let Err(error) = server.await {
                log::error!("the admin has ended: {error}");
            }
        };
        let ending = async move {
            if stopped.await.is_ok() {
                handle.pause().await;
                sleep(MOMENT).await;
                handle.stop(true).await;
            }
        };
        let task = tokio::spawn(async {
            tokio::join!(serving, ending);
        });
        self.running = Some(Running {
            stop: Some(stop),
            task,
        });
        log::info!("admin on http://{}", self.address);
        Ok(())
    }

    /// Takes no new clients any more; those there are get their answers.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.running.as_mut().and_then(|running| running.stop.take()) {
            // Fails only if the task is gone, which is what is asked for.
            let _ = stop.send(());
        }
    }

    /// The same, and waits until they have them: ten seconds at most.
    pub(crate) async fn end(&mut self) {
        self.stop();
        if let Some(running) = self.running.take() {
            // It is not cancelled and does not panic; if it did, there would be nothing to wait for.
            let _ = running.task.await;
        }
    }
}
