//! One server of this process that listens.

use std::net::SocketAddr;

use baton_server::{Listener, Server, Settings};
use tokio::task::JoinHandle;

use crate::within;

/// See the module.
pub(crate) struct RunningNode {
    address: SocketAddr,
    server: Server,
    listening: JoinHandle<()>,
}

impl RunningNode {
    /// Listens as the settings say.
    pub(crate) fn start(settings: &Settings, server: Server) -> Self {
        let listener = Listener::bind(settings).expect("the port is free");
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.address().unwrap_or(nowhere);
        let listening = tokio::spawn({
            let server = server.clone();
            async move {
                let served = server.listen(listener).await;
                served.expect("it may listen there");
            }
        });
        Self {
            address,
            server,
            listening,
        }
    }

    /// Its address; zeros for a Unix socket.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Stops in order.
    pub(crate) async fn stop(self) {
        let stopped = within("the server to stop", self.server.shutdown()).await;
        stopped.expect("everything can be stored");
        within("the server to stop listening", self.listening)
            .await
            .expect("the server does not panic");
    }
}
