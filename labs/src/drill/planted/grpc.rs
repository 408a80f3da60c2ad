//! As much of gRPC as the planted service speaks: one message in a frame, a status at the end.
//!
//! `schism.drill.v1.Orders` has `Get` (one order) and `Watch` (orders for ever). Messages are
//! written by hand, so that nothing has to be generated: an order is its id and a number.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::body::Body;

/// The call that answers with one order.
pub const GET: &str = "/schism.drill.v1.Orders/Get";

/// The call that answers with orders for ever.
pub const WATCH: &str = "/schism.drill.v1.Orders/Watch";

/// The status of a caller without a good token.
pub(super) const UNAUTHENTICATED: u8 = 16;

/// The status of a caller without a good certificate.
pub(super) const PERMISSION_DENIED: u8 = 7;

/// The status of a call that nobody serves.
pub(super) const UNIMPLEMENTED: u8 = 12;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// A response whose body follows.
pub(super) fn response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, kind);
    response
}

/// A response that is a status and nothing else.
pub(super) fn refusal(status: u8) -> Response<Body> {
    let mut response = response(Body::empty());
    response
        .headers_mut()
        .insert(STATUS, HeaderValue::from(u16::from(status)));
    response
}

/// The trailers that end a call.
pub(super) fn trailers(status: u8) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from(u16::from(status)));
    trailers
}

/// A message in its frame.
pub(super) fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut out = vec![0];
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    Bytes::from(out)
}

/// An order: `string id = 1; uint64 number = 2;`.
pub(super) fn order(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    bytes_field(&mut out, 1, b"order");
    varint(&mut out, 2 << 3);
    varint(&mut out, number);
    out
}

/// A field of bytes, a text or a message.
pub(super) fn bytes_field(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A number as protobuf writes it.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
