//! Two programs that see each other, with cursors, against the real server in this process.

use crate::harness::{Running, agree, append, hears, within};
use baton_client::serde_json::json;
use baton_client::yrs::types::Delta;
use baton_client::yrs::{Any, Text, WriteTxn};
use baton_client::{AwarenessChange, Client, ClientEvent, Cursor, CursorError};
use tokio::sync::broadcast::Receiver;

async fn hears_change(what: &str, events: &mut Receiver<ClientEvent>) -> AwarenessChange {
    hears(what, events, |event| match event {
        ClientEvent::Awareness(change) => Some(change),
        _ => None,
    })
    .await
}

/// Waits until the cursor of one is seen by another.
async fn sees(who: &Client, of: &Client, cursor: Option<Cursor>) {
    let mut events = who.events();
    let seen = async {
        while who.awareness().cursor("t", of.client_id()) != cursor {
            events.recv().await.unwrap();
        }
    };
    within("the cursor", seen).await;
}

#[tokio::test]
async fn two_programs_see_each_others_cursors_until_one_leaves() {
    let running = Running::in_memory().await;
    let (ann, ben) = (running.join("Ann").await, running.join("Ben").await);
    let mut of_ben = ben.events();
    append(&ann, "hello world");
    let selection = Cursor {
        anchor: 6,
        head: 11,
    };
    ann.awareness().set_cursor("t", selection).unwrap();
    let came = hears_change("ann", &mut of_ben).await;
    assert_eq!(came.added, [ann.client_id()]);
    // The cursor came behind the edit that it is in.
    assert_eq!(
        ben.awareness().cursor("t", ann.client_id()),
        Some(selection)
    );
    assert_eq!(
        ann.awareness().cursor("t", ann.client_id()),
        Some(selection)
    );
    assert_eq!(ben.awareness().cursor("other", ann.client_id()), None);
    let states = ben.awareness().states();
    let shown = &states[&ann.client_id()];
    assert_eq!(shown["user"]["name"], "Ann");
    assert_eq!(
        shown["cursor"]["anchor"]["item"]["client"],
        ann.client_id().get()
    );
    assert_eq!(shown["cursor"]["head"], json!({"tname": "t", "assoc": 0}));
    // It stays at its place while another one edits.
    ben.edit(|txn| txn.get_or_insert_text("t").insert(txn, 0, "oh, "))
        .unwrap();
    agree(&ann, &ben, "oh, hello world".len()).await;
    let moved = Cursor {
        anchor: 10,
        head: 15,
    };
    assert_eq!(ben.awareness().cursor("t", ann.client_id()), Some(moved));
    assert_eq!(ann.awareness().cursor("t", ann.client_id()), Some(moved));
    // An editor in a browser writes all members of a position.
    let position = |n: u32| json!({"type": null, "tname": "t", "item": {"client": ben.client_id().get(), "clock": n}, "assoc": 0});
    let end = json!({"type": null, "tname": "t", "item": null, "assoc": 0});
    let cursor = json!({"anchor": position(2), "head": end});
    ben.awareness().set_field("cursor", cursor).unwrap();
    sees(
        &ann,
        &ben,
        Some(Cursor {
            anchor: 2,
            head: 15,
        }),
    )
    .await;
    ben.awareness().clear_cursor().unwrap();
    sees(&ann, &ben, None).await;
    let beyond = ann.awareness().set_cursor("t", Cursor::at(16));
    assert_eq!(beyond, Err(CursorError::Beyond("t".to_owned())));
    // Ann leaves, and her cursor with her.
    let mut of_ben = ben.events();
    let id = ann.client_id();
    ann.close().await;
    assert_eq!(hears_change("her end", &mut of_ben).await.removed, [id]);
    assert!(!ben.awareness().states().contains_key(&id));
    running.stop().await;
}

#[tokio::test]
async fn a_cursor_comes_back_with_its_connection() {
    let running = Running::in_memory().await;
    let (ann, ben) = (running.join("Ann").await, running.join("Ben").await);
    ann.awareness().set_cursor("t", Cursor::at(0)).unwrap();
    append(&ann, "text");
    agree(&ann, &ben, 4).await;
    sees(&ben, &ann, Some(Cursor::at(4))).await;
    ann.disconnect();
    sees(&ben, &ann, None).await;
    ann.reconnect();
    sees(&ben, &ann, Some(Cursor::at(4))).await;
    ann.close().await;
    ben.close().await;
    running.stop().await;
}

#[tokio::test]
async fn a_program_that_watches_a_text_is_told_what_changed_in_it() {
    let running = Running::in_memory().await;
    let ann = running.join("Ann").await;
    append(&ann, "Dear Ben");
    within("the edit to be saved", ann.saved()).await.unwrap();
    let options = running.options("Ben").with_watched_text("t");
    let ben = Client::connect(options).unwrap();
    let mut events = ben.events();
    within("the first sync", ben.ready()).await.unwrap();
    let mut changes = async || {
        hears("a change", &mut events, |event| match event {
            ClientEvent::Changed(change) => Some(change),
            _ => None,
        })
        .await
    };
    let inserted = |text: &str| Delta::Inserted(Any::from(text), None);
    assert_eq!(changes().await.text("t"), [inserted("Dear Ben")]);
    ann.edit(|txn| {
        let text = txn.get_or_insert_text("t");
        text.remove_range(txn, 0, 4);
        text.insert(txn, 0, "Hi");
    })
    .unwrap();
    let change = changes().await;
    assert_eq!(change.text("t"), [Delta::Deleted(4), inserted("Hi")]);
    assert!(!change.update().is_empty() && change.text("other").is_empty());
    assert!(
        !format!("{change:?}").contains("Hi"),
        "content stays out of logs"
    );
    running.stop().await;
}
