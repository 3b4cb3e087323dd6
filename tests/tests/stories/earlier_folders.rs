//! A data folder that an earlier version wrote opens, is read, and is written on.

use std::path::Path;

use baton_server::Settings;
use baton_sync::yrs::types::ToJson;
use baton_sync::yrs::{GetString, ReadTxn};
use baton_tests::{Join, RawClient, TestServer, one_machine};

/// The folder that `tests/tests/data/store-2026-11/README.md` describes.
fn written_2026_11(settings: &mut Settings) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/store-2026-11");
    let log = "log.redb";
    std::fs::copy(Path::new(folder).join(log), settings.data.join(log)).unwrap();
}

fn text(client: &RawClient, root: &str) -> String {
    let read = |txn: &baton_sync::yrs::Transaction<'_>| {
        let text = txn.get_text(root);
        text.map(|text| text.get_string(txn)).unwrap_or_default()
    };
    client.look(|known| known.memory.document.read(read).unwrap())
}

#[tokio::test]
async fn a_folder_of_2026_11_opens_is_read_and_is_written_on() {
    one_machine!(OwnLog);
    let server = TestServer::with(written_2026_11).await;
    let typed = server.connect(Join::stock("typed")).await;
    let words = text(&typed, "t");
    assert!(
        words.starts_with("bbbb") && words.ends_with("word "),
        "{words}"
    );
    assert_eq!(words.len(), 7207);

    let map = server.connect(Join::stock("map")).await;
    let json = |txn: &baton_sync::yrs::Transaction<'_>| {
        let map = txn.get_map("m").unwrap();
        serde_json::to_value(map.to_json(txn)).unwrap()
    };
    let shown = map.look(|known| known.memory.document.read(json).unwrap());
    let expected = serde_json::json!({
        "k0": 2995, "k1": 2996, "k2": 2997, "k3": 2998, "k4": 2999,
        "o": { "z": 1, "n": "x", "a": [1, null, true] },
        "nested": { "t": "inner" },
        "doc": { "guid": "sub" },
    });
    assert_eq!(shown, expected);

    let xml = server.connect(Join::stock("xml/with slash")).await;
    let paragraphs = |txn: &baton_sync::yrs::Transaction<'_>| {
        let fragment = txn.get_xml_fragment("prosemirror").unwrap();
        fragment.get_string(txn).matches("<paragraph").count()
    };
    let count = xml.look(|known| known.memory.document.read(paragraphs).unwrap());
    assert_eq!(count, 30);

    // Each goes on, and is the same after a snapshot of today and a restart.
    let ada = server.connect(Join::member("typed", "Ada")).await;
    ada.types("written today");
    ada.is_saved().await;
    typed.sees("written today").await;
    let server = server.restart().await;
    let bob = server.connect(Join::stock("typed")).await;
    let again = text(&bob, "t");
    assert_eq!(again.replace("written today", ""), words);
    let map = server.connect(Join::stock("map")).await;
    assert_eq!(
        map.look(|known| known.memory.document.read(json).unwrap()),
        expected
    );

    let room = server.stop().await.room("locked");
    let parks: Vec<_> = room.state().parks().collect();
    assert_eq!(parks.len(), 1);
    let parked = parks[0].updates.concat();
    assert!(parked.windows(11).any(|bytes| bytes == b"parked text"));
}
