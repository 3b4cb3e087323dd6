use super::*;

#[test]
fn a_document_name_may_hold_slashes_unicode_and_percent_encoding() {
    let name = |path| document_name(path);
    assert_eq!(name("/ws/notes"), Some("notes".to_owned()));
    assert_eq!(name("/ws/a/b//c"), Some("a/b//c".to_owned()));
    assert_eq!(name("/ws/caf%C3%A9%2F1%25"), Some("café/1%".to_owned()));
    assert_eq!(name("/ws/%ff"), None);
    // A percent sign without an escape stands for itself.
    assert_eq!(name("/ws/50%"), Some("50%".to_owned()));
    assert_eq!(name("/ws/%zz%4"), Some("%zz%4".to_owned()));
    assert_eq!(name("/ws"), Some(String::new()));
}

/// Returns the size of the future of an `async fn`, in bytes.
fn future_bytes<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn the_task_of_an_idle_connection_is_small() {
    let bytes = future_bytes(serve);
    assert!(
        bytes <= 4 * 1024,
        "every connection keeps {bytes} bytes for its task; box what few of them need"
    );
}
