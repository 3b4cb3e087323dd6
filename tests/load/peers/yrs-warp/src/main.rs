//! yrs-warp as a server of many documents, in memory: `peer-yrs-warp PORT`. It keeps each document for ever.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync::{Mutex, OnceCell};
use warp::Filter;
use warp::ws::{WebSocket, Ws};
use yrs::Doc;
use yrs::sync::Awareness;
use yrs_warp::broadcast::BroadcastGroup;
use yrs_warp::ws::{WarpSink, WarpStream};

type Rooms = Arc<Mutex<HashMap<String, Arc<OnceCell<BroadcastGroup>>>>>;

/// Updates that may wait for a connection before the library leaves some out for it. Room for them is taken for each
/// document at once; with the 32 of its example it loses updates at the first burst.
const CAPACITY: usize = 4096;

#[tokio::main]
async fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let rooms = Rooms::default();
    let rooms = warp::any().map(move || Arc::clone(&rooms));
    let documents = warp::path!("ws" / String)
        .and(warp::ws())
        .and(rooms)
        .map(|name: String, ws: Ws, rooms: Rooms| {
            ws.on_upgrade(move |socket| serve(socket, name, rooms))
        });
    let address = ([127, 0, 0, 1], port.unwrap_or(8000));
    let (_, serving) = warp::serve(documents).bind_with_graceful_shutdown(address, async {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut end) = signal(SignalKind::terminate()) {
            end.recv().await;
            // Connections that are open would be waited for.
            std::process::exit(0);
        }
    });
    serving.await;
}

async fn serve(socket: WebSocket, name: String, rooms: Rooms) {
    let room = Arc::clone(rooms.lock().await.entry(name).or_default());
    let open = || async {
        let awareness = Arc::new(Awareness::new(Doc::new()));
        BroadcastGroup::new(awareness, CAPACITY).await
    };
    let group = room.get_or_init(open).await;
    let (sink, stream) = socket.split();
    let sink = Arc::new(Mutex::new(WarpSink::from(sink)));
    let _ended = group.subscribe(sink, WarpStream::from(stream)).completed().await;
}
