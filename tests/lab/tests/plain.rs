//! Against a plain y-websocket server, which is no Baton: it knows no lock, and acknowledges nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use baton_client::yrs::updates::decoder::Decode;
use baton_client::yrs::updates::encoder::Encode;
use baton_client::yrs::{Doc, ReadTxn, StateVector, Transact, Update};
use baton_lab::{Chaos, Outcome, Scenario, Target, run};
use baton_sync::y_websocket::{self, Message as Frame};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// What all connections of a document share, as such servers have it: a copy, and whom to tell.
struct Room {
    doc: Doc,
    /// The frame, and who sent it.
    tell: broadcast::Sender<(u32, Bytes)>,
}

#[derive(Default)]
struct Plain {
    rooms: Mutex<HashMap<String, Arc<Room>>>,
    connections: AtomicU32,
    /// Whether deletions are kept from those who are there. (An insertion that were kept from them would be missed, and
    /// asked for, with the author's next.)
    forgets: bool,
}

impl Plain {
    async fn start(forgets: bool) -> String {
        let plain = Arc::new(Self {
            forgets,
            ..Self::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let plain = Arc::clone(&plain);
                // A connection that breaks is the client's affair.
                tokio::spawn(async move { plain.serves(socket).await.ok() });
            }
        });
        format!("ws://{address}/rooms")
    }

    async fn serves(&self, socket: TcpStream) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        let mut path = String::new();
        #[expect(clippy::result_large_err, reason = "the library's own type")]
        let look = |request: &Request, response: Response| {
            request.uri().path().clone_into(&mut path);
            Ok(response)
        };
        let mut socket = accept_hdr_async(socket, look).await?;
        let me = self.connections.fetch_add(1, Ordering::SeqCst);
        let room = Arc::clone(self.rooms.lock().entry(path).or_insert_with(|| {
            Arc::new(Room {
                doc: Doc::new(),
                tell: broadcast::channel(4096).0,
            })
        }));
        let mut told = room.tell.subscribe();
        let vector = room.doc.transact().state_vector().encode_v1();
        let step1 = y_websocket::step1_bytes(&vector);
        socket.send(Message::Binary(step1)).await?;
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Binary(frame))) => {
                        if let Some(answer) = self.answers(&room, me, &frame) {
                            socket.send(Message::Binary(answer)).await?;
                        }
                    }
                    Some(Ok(_)) => {}
                    _ => return Ok(()),
                },
                frame = told.recv() => match frame {
                    Ok((who, frame)) if who != me => socket.send(Message::Binary(frame)).await?,
                    Ok(_) => {}
                    Err(_) => return Ok(()),
                }
            }
        }
    }

    fn answers(&self, room: &Room, me: u32, frame: &Bytes) -> Option<Bytes> {
        let tell = |frame| {
            // Nobody else may be here.
            let _ = room.tell.send((me, frame));
        };
        match y_websocket::decode(frame).ok()? {
            Frame::Step1(vector) => {
                let vector = StateVector::decode_v1(vector).ok()?;
                let update = room.doc.transact().encode_state_as_update_v1(&vector);
                return Some(y_websocket::step2(&update));
            }
            Frame::Step2(update) | Frame::Update(update) => {
                let sound = Update::decode_v1(update).ok()?;
                room.doc.transact_mut().apply_update(sound).ok()?;
                if !(self.forgets && update.starts_with(&[0])) {
                    tell(y_websocket::update(update));
                }
            }
            Frame::Awareness(_) => tell(frame.clone()),
            _ => {}
        }
        None
    }
}

fn scenario() -> Scenario {
    Scenario {
        clients: 4,
        docs: 2,
        lasts: Duration::from_secs(3),
        settle: Duration::from_secs(5),
        pause: Duration::from_millis(40),
        ..Scenario::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_server_converges_and_no_lock_is_judged() {
    let target = Target::Url(Plain::start(false).await);
    let scenario = Scenario {
        chaos: vec![Chaos::Drop, Chaos::Delay, Chaos::Partition, Chaos::Freeze],
        disturbances: 40.0,
        ..scenario()
    };
    let run = run(&scenario, &target, |_| ()).await.expect("a run");
    run.verdict.assert_good();
    assert!(!run.verdict.locks);
    for document in &run.verdict.documents {
        assert!(document.present > 20 && document.deleted > 0);
        assert_eq!((document.lock.grants, document.acknowledged), (0, 0));
    }
    assert!(run.html().contains("no lock"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_server_that_keeps_deletions_to_itself_is_found() {
    let target = Target::Url(Plain::start(true).await);
    let scenario = Scenario {
        leave: 0,
        ..scenario()
    };
    let run = run(&scenario, &target, |_| ()).await.expect("a run");
    assert_eq!(run.verdict.outcome(), Outcome::Finding);
    let problems: Vec<String> = run.verdict.problems().collect();
    assert!(
        problems.iter().all(|one| one.contains("not converged")),
        "{problems:#?}"
    );
}
