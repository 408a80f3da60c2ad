//! gRPC reflection of the planted service: what it serves, for a client that has no descriptor.
//!
//! It describes itself alone, by hand-written bytes of a descriptor, and answers each question of
//! a stream in its turn. A question that it cannot answer gets an error, as the protocol asks.

use bytes::{Buf, Bytes, BytesMut};
use http::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};

use super::body::Body;
use super::grpc::{self, bytes_field, varint};

/// Where reflection is asked for: version 1 and the older name of the same.
pub(super) const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

const FILE: &[u8] = b"schism/drill/v1/orders.proto";
const SERVICE: &[u8] = b"schism.drill.v1.Orders";
const SYMBOLS: [&[u8]; 5] = [
    SERVICE,
    b"schism.drill.v1.Orders.Get",
    b"schism.drill.v1.Orders.Watch",
    b"schism.drill.v1.Order",
    b"schism.drill.v1.Ask",
];

/// The largest question that is read.
const LARGEST: usize = 4096;

/// The status of a symbol that nobody knows.
const NOT_FOUND: u64 = 5;

/// Answers the questions of a stream until it ends.
pub(super) fn answer(questions: Incoming) -> Response<Body> {
    let (sender, body) = Body::stream();
    tokio::spawn(async move {
        let mut questions = questions;
        let mut waiting = BytesMut::new();
        while let Some(Ok(frame)) = questions.frame().await {
            let Ok(data) = frame.into_data() else {
                break;
            };
            waiting.extend_from_slice(&data);
            while let Some(question) = next(&mut waiting) {
                let reply = Frame::data(grpc::frame(&reply(&question)));
                if sender.send(reply).await.is_err() {
                    return;
                }
            }
            if waiting.len() > LARGEST {
                break;
            }
        }
        // Whoever does not read any more is not told.
        let _: Result<(), _> = sender.send(Frame::trailers(grpc::trailers(0))).await;
    });
    grpc::response(body)
}

/// The next whole message of what was read.
fn next(waiting: &mut BytesMut) -> Option<Bytes> {
    let length = waiting.get(1..5)?.try_into().ok()?;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    if length > LARGEST || waiting.len() < 5 + length {
        return None;
    }
    waiting.advance(5);
    Some(waiting.split_to(length).freeze())
}

/// The reply to one question.
fn reply(question: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    bytes_field(&mut out, 2, question);
    let (asked, of) = asked(question).unwrap_or((0, &[]));
    let known = match asked {
        3 => of == FILE,
        4 => SYMBOLS.contains(&of),
        _ => false,
    };
    if asked == 7 {
        let mut service = Vec::new();
        bytes_field(&mut service, 1, SERVICE);
        let mut list = Vec::new();
        bytes_field(&mut list, 1, &service);
        bytes_field(&mut out, 6, &list);
    } else if known {
        let mut files = Vec::new();
        bytes_field(&mut files, 1, &descriptor());
        bytes_field(&mut out, 4, &files);
    } else {
        let mut error = Vec::new();
        varint(&mut error, 1 << 3);
        varint(&mut error, NOT_FOUND);
        bytes_field(&mut error, 2, b"only the planted service is known here");
        bytes_field(&mut out, 7, &error);
    }
    out
}

/// Which question it is, and of what: the last field that is a question.
fn asked(mut question: &[u8]) -> Option<(u64, &[u8])> {
    let mut found = None;
    while !question.is_empty() {
        let tag = read_varint(&mut question)?;
        if tag & 7 != 2 {
            return found;
        }
        let length = usize::try_from(read_varint(&mut question)?).ok()?;
        let (value, rest) = question.split_at_checked(length)?;
        if (3..=7).contains(&(tag >> 3)) {
            found = Some((tag >> 3, value));
        }
        question = rest;
    }
    found
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The `FileDescriptorProto` of the service.
fn descriptor() -> Vec<u8> {
    const TEXT: u64 = 9;
    const UINT64: u64 = 4;
    let mut out = Vec::new();
    bytes_field(&mut out, 1, FILE);
    bytes_field(&mut out, 2, b"schism.drill.v1");
    bytes_field(&mut out, 4, &message(b"Ask", &[(b"id", 1, TEXT)]));
    let order: [(&[u8], u64, u64); 2] = [(b"id", 1, TEXT), (b"number", 2, UINT64)];
    bytes_field(&mut out, 4, &message(b"Order", &order));
    let mut service = Vec::new();
    bytes_field(&mut service, 1, b"Orders");
    bytes_field(&mut service, 2, &method(b"Get", false));
    bytes_field(&mut service, 2, &method(b"Watch", true));
    bytes_field(&mut out, 6, &service);
    bytes_field(&mut out, 12, b"proto3");
    out
}

fn message(name: &[u8], fields: &[(&[u8], u64, u64)]) -> Vec<u8> {
    const OPTIONAL: u64 = 1;
    let mut out = Vec::new();
    bytes_field(&mut out, 1, name);
    for (name, number, kind) in fields {
        let mut field = Vec::new();
        bytes_field(&mut field, 1, name);
        for (key, value) in [(3, *number), (4, OPTIONAL), (5, *kind)] {
            varint(&mut field, key << 3);
            varint(&mut field, value);
        }
        bytes_field(&mut out, 2, &field);
    }
    out
}

fn method(name: &[u8], streams: bool) -> Vec<u8> {
    let mut out = Vec::new();
    bytes_field(&mut out, 1, name);
    bytes_field(&mut out, 2, b".schism.drill.v1.Ask");
    bytes_field(&mut out, 3, b".schism.drill.v1.Order");
    varint(&mut out, 6 << 3);
    varint(&mut out, u64::from(streams));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(field: u64, of: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        bytes_field(&mut out, 1, b"localhost");
        bytes_field(&mut out, field, of);
        out
    }

    #[test]
    fn it_lists_its_service_and_describes_what_it_lists() {
        let has = |reply: &[u8], part: &[u8]| reply.windows(part.len()).any(|w| w == part);
        assert!(has(&reply(&question(7, b"")), SERVICE));
        assert!(has(&reply(&question(4, SERVICE)), &descriptor()));
        assert!(has(&reply(&question(3, FILE)), &descriptor()));
        assert!(!has(
            &reply(&question(4, b"another.Service")),
            &descriptor()
        ));
        assert!(!has(&reply(&question(6, b"")), &descriptor()));
    }

    #[test]
    fn a_message_in_pieces_waits_for_its_end() {
        let whole = grpc::frame(b"question");
        let mut waiting = BytesMut::from(&whole[..7]);
        assert_eq!(next(&mut waiting), None);
        waiting.extend_from_slice(&whole[7..]);
        assert_eq!(next(&mut waiting).as_deref(), Some(&b"question"[..]));
        assert_eq!(next(&mut waiting), None);
    }
}
