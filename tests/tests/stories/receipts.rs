//! What a stock client is told of its edits: its own edits back, and the answers to y-sweet's barriers.

use std::time::{Duration, Instant};

use baton_sync::hocuspocus::{self, HocuspocusFrame, HocuspocusMessage};
use baton_sync::y_websocket::{self, Message};
use baton_testkit::websocket;
use baton_tests::WildSocket;
use baton_tests::{TestServer, millis, one_machine};

/// Client 1 writes "hi" into the text "t".
const EDIT: &[u8] = b"\x01\x01\x01\x00\x04\x01\x01t\x02hi\x00";

async fn says(socket: &mut WildSocket, frame: &[u8]) {
    assert!(socket.sends(&websocket::frame(0x82, frame)).await);
}

/// Opens the document, and answers the server's Step1.
async fn opened(server: &TestServer, path: &str) -> WildSocket {
    let mut socket = WildSocket::upgraded(server.address(), path).await;
    says(&mut socket, &y_websocket::step1_bytes(&[0])).await;
    says(&mut socket, &y_websocket::step2(&[0, 0])).await;
    socket
}

/// The next binary frame that is no awareness and no part of the handshake.
async fn told(socket: &mut WildSocket) -> Vec<u8> {
    loop {
        let (opcode, frame) = socket.frame().await.unwrap();
        let passed = opcode != 2
            || matches!(
                y_websocket::decode(&frame),
                Ok(Message::Step1(_) | Message::Step2(_) | Message::Awareness(_))
            );
        if !passed {
            return frame;
        }
    }
}

/// The wait of a commit is long here, so that an echo before it would be seen.
#[tokio::test]
async fn who_asks_for_its_edits_back_has_them_after_the_commit() {
    one_machine!(OwnLog);
    let server = TestServer::with(|settings| settings.commit_delay = millis(400)).await;
    let mut ada = opened(&server, "/ws/notes?token=&echo=saved").await;
    let began = Instant::now();
    says(&mut ada, &y_websocket::update(EDIT)).await;
    assert_eq!(told(&mut ada).await, y_websocket::update(EDIT));
    let echoed = began.elapsed();
    assert!(echoed >= Duration::from_millis(350), "after {echoed:?}");

    // Another one has not asked: the first that it hears is the answer to its barrier.
    let mut bob = opened(&server, "/ws/other").await;
    says(&mut bob, &y_websocket::update(EDIT)).await;
    says(&mut bob, &y_websocket::barrier(&[7])).await;
    assert_eq!(told(&mut bob).await, y_websocket::barrier(&[7]));
}

#[tokio::test]
async fn a_server_sends_edits_back_to_all_but_those_who_do_not_want_them() {
    use baton_server::EchoMode;
    let server = TestServer::with(|settings| settings.echo = EchoMode::Saved).await;
    let mut ada = opened(&server, "/ws/notes").await;
    says(&mut ada, &y_websocket::update(EDIT)).await;
    assert_eq!(told(&mut ada).await, y_websocket::update(EDIT));
    let mut bob = opened(&server, "/ws/other?echo=off").await;
    says(&mut bob, &y_websocket::update(EDIT)).await;
    says(&mut bob, &y_websocket::barrier(&[7])).await;
    assert_eq!(told(&mut bob).await, y_websocket::barrier(&[7]));
}

#[tokio::test]
async fn a_barrier_is_answered_after_the_commit() {
    one_machine!(OwnLog);
    let server = TestServer::with(|settings| settings.commit_delay = millis(400)).await;
    let mut ada = opened(&server, "/ws/notes").await;
    says(&mut ada, &y_websocket::barrier(&[0])).await;
    assert_eq!(told(&mut ada).await, y_websocket::barrier(&[0]));
    let began = Instant::now();
    says(&mut ada, &y_websocket::update(EDIT)).await;
    says(&mut ada, &y_websocket::barrier(&[1])).await;
    assert_eq!(told(&mut ada).await, y_websocket::barrier(&[1]));
    let answered = began.elapsed();
    assert!(answered >= Duration::from_millis(350), "after {answered:?}");
}

#[tokio::test]
async fn an_edit_on_the_hocuspocus_wire_has_its_status_after_the_commit() {
    one_machine!(OwnLog);
    let server = TestServer::with(|settings| settings.commit_delay = millis(400)).await;
    let mut ada = WildSocket::upgraded(server.address(), "/hocuspocus").await;
    says(&mut ada, &hocuspocus::token("notes", "", Some("4.8.0"))).await;
    says(&mut ada, &hocuspocus::step1_bytes("notes", &[0])).await;
    let began = Instant::now();
    says(&mut ada, &hocuspocus::update("notes", EDIT)).await;
    let mut asked = 0;
    loop {
        let (_, frame) = ada.frame().await.unwrap();
        let Ok(HocuspocusFrame::Message(envelope)) = hocuspocus::decode(&frame) else {
            continue;
        };
        match envelope.message {
            HocuspocusMessage::Sync(hocuspocus::SyncStep::Step1(_)) => asked += 1,
            HocuspocusMessage::SyncStatus(saved) => {
                assert!(saved);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(asked, 1, "its Step1 is answered with one");
    let answered = began.elapsed();
    assert!(answered >= Duration::from_millis(350), "after {answered:?}");
}
