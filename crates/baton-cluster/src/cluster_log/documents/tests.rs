//! A step of the stream task costs what is being opened.

use std::sync::atomic::AtomicUsize;

use baton_log::{LogOptions, QueueRoom};
use tokio::sync::oneshot;

use super::super::clock::Clock;
use super::super::node::NodeParts;
use super::*;
use crate::core::{BootId, Envelope, LeaseOptions, NodeLeases, Subject};

const BOOT: BootId = BootId(1);
const NOW: Time = Time::ZERO;

fn documents(inputs: &mpsc::UnboundedSender<StreamInput>) -> Documents {
    let node = Node::new(NodeParts {
        boot: BOOT,
        clock: Clock::start(),
        room: QueueRoom::new(&LogOptions::default()),
        leases: NodeLeases::new(BOOT, 1, LeaseOptions::default(), NOW),
        news: mpsc::unbounded_channel().0,
        relayed: Arc::new(AtomicUsize::new(0)),
        relayed_limit: 1,
        streams: 1,
    });
    let options = OpeningOptions::default();
    Documents::new(Arc::new(node), options, inputs.downgrade())
}

/// Each step went through all open documents of the stream, tens of thousands perhaps.
#[tokio::test]
async fn a_step_looks_at_openings_alone() {
    let (inputs, _task) = mpsc::unbounded_channel();
    let mut documents = documents(&inputs);
    let (reply, opened) = oneshot::channel();
    let listener = AbortOnDrop(tokio::spawn(async {}));
    let name: Arc<str> = "minutes".into();
    let key = DocumentKey::new(&name);
    let history = Incarnations::default();
    let request = OpenRequest {
        name: Arc::clone(&name),
        unread: false,
        reply,
    };
    documents.open(request, history, listener, NOW);
    assert!(documents.openings.len() == 1 && documents.poll_timeout().is_some());
    let mark = RecordId {
        boot: BOOT,
        counter: 1,
    };
    documents.marked(&key, mark);
    let content = Content::Opened {
        name: name.to_string(),
    };
    let message = Delivered {
        sequence: 7,
        subject: Subject::Records(key.clone()),
        envelope: Envelope { id: mark, content },
    };
    documents.delivered(&key, &message, NOW);
    documents.answered(&key, OpeningAnswer::TailRead(Some(vec![message])), NOW);
    documents.answered(&key, OpeningAnswer::Listed(Vec::new()), NOW);
    while let Some((key, output)) = documents.next_output() {
        if let OpeningOutput::Opened(it) = output {
            documents.opened(&key, *it);
        }
    }
    assert!(opened.await.is_ok_and(|opened| opened.is_ok()));
    assert!(documents.openings.is_empty() && documents.is_open(&key, 1));
    assert_eq!(documents.poll_timeout(), None);
    documents.close(&key, 1);
    assert!(documents.open.is_empty());
}
