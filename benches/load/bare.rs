//! Bare Pingora: its proxy pipeline with one upstream and nothing else. What a gateway on this engine is
//! measured against, built with the same profile and the same allocator.

use std::net::SocketAddr;
use std::process::ExitCode;

use async_trait::async_trait;
use pingora::prelude::{HttpPeer, ProxyHttp, Result, Session};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;

struct Bare {
    peer: HttpPeer,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(self.peer.clone()))
    }
}

/// Serves until killed; `ends` is where to listen and where to forward.
pub(crate) fn run(ends: &[SocketAddr]) -> ExitCode {
    let [listen, backend] = ends else {
        return ExitCode::FAILURE;
    };
    let configuration = ServerConf {
        threads: 1,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let bare = Bare {
        peer: HttpPeer::new(backend, false, String::new()),
    };
    let mut service = pingora::proxy::http_proxy_service(&server.configuration, bare);
    service.add_tcp(&listen.to_string());
    server.add_service(service);
    server.run_forever()
}
