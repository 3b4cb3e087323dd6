use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::lib0::{DecodeError, write_var_string};

fn message(frame: &[u8]) -> HocuspocusMessage<'_> {
    match decode(frame) {
        Ok(HocuspocusFrame::Message(envelope)) => envelope.message,
        other => panic!("{frame:?} is {other:?}"),
    }
}

/// A frame of each message, with the message.
fn each<'a>(
    address: &str,
    payload: &'a [u8],
    text: &'a str,
) -> Vec<(Bytes, HocuspocusMessage<'a>)> {
    let reply = |step| {
        (
            sync_reply(address, step),
            HocuspocusMessage::SyncReply(step),
        )
    };
    vec![
        (
            step1_bytes(address, payload),
            HocuspocusMessage::Sync(SyncStep::Step1(payload)),
        ),
        (
            step2(address, payload),
            HocuspocusMessage::Sync(SyncStep::Step2(payload)),
        ),
        (
            update(address, payload),
            HocuspocusMessage::Sync(SyncStep::Update(payload)),
        ),
        reply(SyncStep::Step1(payload)),
        reply(SyncStep::Step2(payload)),
        reply(SyncStep::Update(payload)),
        (
            awareness(address, payload),
            HocuspocusMessage::Awareness(payload),
        ),
        (query_awareness(address), HocuspocusMessage::QueryAwareness),
        (
            token(address, text, Some("4.8.0")),
            HocuspocusMessage::Token {
                token: text,
                version: Some("4.8.0"),
            },
        ),
        (
            token(address, text, None),
            HocuspocusMessage::Token {
                token: text,
                version: None,
            },
        ),
        (token_request(address), HocuspocusMessage::TokenRequest),
        (
            authenticated(address, AccessScope::ReadWrite),
            HocuspocusMessage::Authenticated(AccessScope::ReadWrite),
        ),
        (
            authenticated(address, AccessScope::ReadOnly),
            HocuspocusMessage::Authenticated(AccessScope::ReadOnly),
        ),
        (
            permission_denied(address, text),
            HocuspocusMessage::PermissionDenied(text),
        ),
        (stateless(address, text), HocuspocusMessage::Stateless(text)),
        (
            broadcast_stateless(address, text),
            HocuspocusMessage::BroadcastStateless(text),
        ),
        (close(address, text), HocuspocusMessage::Close(Some(text))),
        (close_request(address), HocuspocusMessage::Close(None)),
        (
            sync_status(address, true),
            HocuspocusMessage::SyncStatus(true),
        ),
        (
            sync_status(address, false),
            HocuspocusMessage::SyncStatus(false),
        ),
    ]
}

#[test]
fn frames_are_laid_out_as_the_published_provider_and_server_write_them() {
    // Traced from @hocuspocus/provider 4.8.0 and @hocuspocus/server 4.7.0, document `d`.
    let traced: [(Bytes, &[u8]); 3] = [
        (
            token("d", "rw", Some("4.8.0")),
            &[
                1, 0x64, 2, 0, 2, 0x72, 0x77, 5, 0x34, 0x2e, 0x38, 0x2e, 0x30,
            ],
        ),
        (
            authenticated("d", AccessScope::ReadWrite),
            b"\x01\x64\x02\x02\x0aread-write",
        ),
        (sync_status("d", true), &[1, 0x64, 8, 1]),
    ];
    for (frame, trace) in &traced {
        assert_eq!(&frame[..], *trace);
    }
    // The layout that their sources state.
    assert_eq!(&step1_bytes("d", &[0])[..], [1, b'd', 0, 0, 1, 0]);
    assert_eq!(&step2("d", &[0, 0])[..], [1, b'd', 0, 1, 2, 0, 0]);
    assert_eq!(&update("d", &[0, 0])[..], [1, b'd', 0, 2, 2, 0, 0]);
    assert_eq!(&awareness("d", &[0])[..], [1, b'd', 1, 1, 0]);
    assert_eq!(&query_awareness("d")[..], [1, b'd', 3]);
    assert_eq!(
        &sync_reply("d", SyncStep::Step1(&[0]))[..],
        [1, b'd', 4, 0, 1, 0]
    );
    assert_eq!(&token_request("d")[..], [1, b'd', 2, 0]);
    assert_eq!(
        &permission_denied("d", "no")[..],
        [1, b'd', 2, 1, 2, b'n', b'o']
    );
    assert_eq!(&stateless("d", "{}")[..], [1, b'd', 5, 2, b'{', b'}']);
    assert_eq!(
        &broadcast_stateless("d", "{}")[..],
        [1, b'd', 6, 2, b'{', b'}']
    );
    assert_eq!(&close_request("d")[..], [1, b'd', 7]);
    assert_eq!(&close("d", "no")[..], [1, b'd', 7, 2, b'n', b'o']);
    assert_eq!(&ping()[..], [9]);
    assert_eq!(&pong()[..], [10]);
}

#[test]
fn a_byte_alone_is_a_sign_of_life_and_the_same_byte_before_more_is_a_length() {
    assert_eq!(decode(&[9]), Ok(HocuspocusFrame::Ping));
    assert_eq!(decode(&[10]), Ok(HocuspocusFrame::Pong));
    let nine = query_awareness("ninebytes");
    assert_eq!(nine[0], 9);
    assert_eq!(message(&nine), HocuspocusMessage::QueryAwareness);
    assert!(decode(&[9, 9]).is_err());
}

#[test]
fn an_address_is_a_document_or_a_document_and_a_session() {
    let parse = Address::parse;
    assert_eq!(
        (parse("d").document, parse("d").session, parse("d").raw),
        ("d", None, "d")
    );
    assert_eq!(
        (
            parse("d\0s").document,
            parse("d\0s").session,
            parse("d\0s").raw
        ),
        ("d", Some("s"), "d\0s")
    );
    assert_eq!(
        (parse("d\0s\0t").document, parse("d\0s\0t").session),
        ("d", Some("s\0t"))
    );
    assert_eq!(
        (parse("d\0").document, parse("d\0").session),
        ("d", Some(""))
    );
    assert_eq!((parse("").document, parse("\0").document), ("", ""));
}

#[test]
fn bytes_behind_a_token_are_ignored_whatever_they_are() {
    // An unmerged branch of the provider appends a number, with which it negotiates encodings.
    for more in [&[1][..], &[0xff; 9], &[3, 1, 2, 3]] {
        let frame = [&token("d", "rw", Some("4.9.0")), more].concat();
        assert_eq!(
            message(&frame),
            HocuspocusMessage::Token {
                token: "rw",
                version: Some("4.9.0")
            }
        );
    }
    // A version that cannot be read is none.
    for more in [&[5, b'4'][..], &[1, 0xff], &[0x80, 0]] {
        let frame = [&token("d", "rw", None), more].concat();
        assert_eq!(
            message(&frame),
            HocuspocusMessage::Token {
                token: "rw",
                version: None
            }
        );
    }
}

#[test]
fn bytes_behind_any_other_message_are_refused_rather_than_lost() {
    for (frame, expected) in each("d", &[0, 0], "text") {
        if matches!(
            expected,
            HocuspocusMessage::Token { .. }
                | HocuspocusMessage::TokenRequest
                | HocuspocusMessage::Close(None)
        ) {
            continue;
        }
        let longer = [&frame[..], &[0, 0]].concat();
        let refused = HocuspocusError::Malformed(DecodeError::TrailingBytes { count: 2 });
        assert_eq!(decode(&longer), Err(refused), "{expected:?}");
    }
}

#[test]
fn an_unknown_type_is_no_error_whatever_follows() {
    assert_eq!(message(&[1, b'd', 11]), HocuspocusMessage::Unknown(11));
    assert_eq!(
        message(&[1, b'd', 0xac, 2, 0xff, 0xff]),
        HocuspocusMessage::Unknown(300)
    );
    // Ping and Pong have no address.
    assert_eq!(message(&[1, b'd', 9]), HocuspocusMessage::Unknown(9));
}

#[test]
fn unknown_kinds_of_known_types_are_refused() {
    let cases: [(&[u8], HocuspocusError); 5] = [
        (&[1, b'd', 0, 3, 0], HocuspocusError::UnknownSync(3)),
        (&[1, b'd', 4, 9, 0], HocuspocusError::UnknownSync(9)),
        (&[1, b'd', 2, 3], HocuspocusError::UnknownAuth(3)),
        (&[1, b'd', 2, 2, 1, b'x'], HocuspocusError::UnknownScope),
        (&[1, b'd', 8, 2], HocuspocusError::UnknownStatus(2)),
    ];
    for (frame, error) in cases {
        assert_eq!(decode(frame), Err(error));
    }
}

#[test]
fn a_truncated_message_is_refused_or_is_the_shorter_message_that_it_spells() {
    for (frame, whole) in each("d", &[7; 200], "some text") {
        for end in 0..frame.len() {
            let Ok(read) = decode(&frame[..end]) else {
                continue;
            };
            let HocuspocusFrame::Message(Envelope { message, .. }) = read else {
                panic!("{whole:?} up to {end} is {read:?}");
            };
            // Optional parts of the wire: a close with and without reason, a token and its request,
            // a token with and without version.
            let may = matches!(
                (whole, message),
                (
                    HocuspocusMessage::Close(Some(_)),
                    HocuspocusMessage::Close(None)
                ) | (
                    HocuspocusMessage::Token { .. },
                    HocuspocusMessage::TokenRequest
                        | HocuspocusMessage::Token { version: None, .. }
                )
            );
            assert!(may, "{whole:?} up to {end} is {message:?}");
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let frames: [&[u8]; 6] = [
        &[1, 0xff, 3],
        &[1, b'd', 2, 0, 1, 0xff],
        &[1, b'd', 2, 1, 1, 0xff],
        &[1, b'd', 5, 1, 0xff],
        &[1, b'd', 6, 1, 0xff],
        &[1, b'd', 7, 1, 0xff],
    ];
    for frame in frames {
        assert!(matches!(
            decode(frame),
            Err(HocuspocusError::Malformed(DecodeError::BadUtf8 { .. }))
        ));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_frame_or_refused(bytes: Vec<u8>) {
        let _ = decode(&bytes);
    }

    #[test]
    fn any_bytes_behind_an_address_are_a_frame_or_refused(address: String, bytes: Vec<u8>) {
        let mut frame = Vec::new();
        write_var_string(&mut frame, &address);
        frame.extend_from_slice(&bytes);
        match decode(&frame) {
            Ok(HocuspocusFrame::Message(envelope)) => prop_assert_eq!(envelope.address.raw, address),
            Ok(frame) => prop_assert!(address.is_empty() && bytes.is_empty(), "{:?}", frame),
            Err(_) => {}
        }
    }

    #[test]
    fn what_is_written_is_read_again(
        address: String,
        payload in proptest::collection::vec(any::<u8>(), 0..40_000),
        text: String,
    ) {
        for (frame, expected) in each(&address, &payload, &text) {
            let envelope = Envelope { address: Address::parse(&address), message: expected };
            prop_assert_eq!(decode(&frame), Ok(HocuspocusFrame::Message(envelope)));
        }
    }

    #[test]
    fn a_header_before_its_payload_is_the_frame(
        address: String,
        payload in proptest::collection::vec(any::<u8>(), 0..40_000),
        text: String,
    ) {
        let frames = [
            (HocuspocusPayload::Step1, &payload[..], step1_bytes(&address, &payload)),
            (HocuspocusPayload::Step2, &payload, step2(&address, &payload)),
            (HocuspocusPayload::Update, &payload, update(&address, &payload)),
            (HocuspocusPayload::Awareness, &payload, awareness(&address, &payload)),
            (HocuspocusPayload::Stateless, text.as_bytes(), stateless(&address, &text)),
            (
                HocuspocusPayload::PermissionDenied,
                text.as_bytes(),
                permission_denied(&address, &text),
            ),
            (HocuspocusPayload::Close, text.as_bytes(), close(&address, &text)),
        ];
        for (kind, payload, frame) in frames {
            let header = header(&address, kind, payload.len());
            prop_assert_eq!([&header, payload].concat(), frame);
        }
    }
}
