//! gRPC without generated code: the five bytes before a message, the status in the trailers.
//!
//! Messages are bytes and nothing here reads them. A compressed message is refused by name, since
//! the client offers no compression.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;

pub(super) const OK: i32 = 0;
pub(super) const PERMISSION_DENIED: i32 = 7;
pub(super) const UNAUTHENTICATED: i32 = 16;

/// The largest message that is taken, and the largest body of plain HTTP.
pub(super) const MOST: usize = 4 << 20;

/// gRPC's codes, each at its number (grpc, `doc/statuscodes.md`).
pub const CODE_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The name of a gRPC code, or its number.
pub fn code_name(code: i32) -> String {
    let known = usize::try_from(code).ok().and_then(|at| CODE_NAMES.get(at));
    known.map_or_else(|| format!("code {code}"), |name| (*name).to_owned())
}

/// The code with this name, such as `UNAUTHENTICATED`.
pub fn code_of(name: &str) -> Option<i32> {
    let at = CODE_NAMES.iter().position(|known| *known == name)?;
    i32::try_from(at).ok()
}

/// A message with its five bytes in front.
pub(super) fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// Messages as they come out of the bytes of a body.
#[derive(Debug, Default)]
pub(super) struct Unframed {
    bytes: BytesMut,
}

impl Unframed {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if it is there.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, String> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<5>() else {
            return Ok(None);
        };
        let [flag, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        if flag != 0 {
            return Err("a gRPC message came compressed, which was not asked for".to_owned());
        }
        if length > MOST {
            return Err(format!("a gRPC message of {length} bytes is too long"));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.bytes.advance(5);
        Ok(Some(self.bytes.split_to(length).freeze()))
    }
}

/// The status in headers or trailers: the code and the message.
pub(super) fn status(of: &HeaderMap) -> Option<(i32, String)> {
    let code = of.get("grpc-status")?.to_str().ok()?.trim().parse().ok()?;
    let said = of
        .get("grpc-message")
        .map(|said| unescaped(said.as_bytes()));
    Some((code, said.unwrap_or_default()))
}

/// gRPC writes its message with percent signs.
fn unescaped(said: &[u8]) -> String {
    let digit = |at: usize| said.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(said.len());
    let mut at = 0;
    while let Some(&byte) = said.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            _ => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_out_as_it_went_in_however_it_is_cut() {
        let mut wire = frame(b"first").to_vec();
        wire.extend_from_slice(&frame(b""));
        wire.extend_from_slice(&frame(b"third"));
        let mut unframed = Unframed::default();
        let mut messages = Vec::new();
        for byte in wire {
            unframed.push(&[byte]);
            while let Some(message) = unframed.next().unwrap() {
                messages.push(message);
            }
        }
        assert_eq!(messages, [&b"first"[..], b"", b"third"]);
    }

    #[test]
    fn a_compressed_or_endless_message_is_refused() {
        let mut unframed = Unframed::default();
        unframed.push(&[1, 0, 0, 0, 0]);
        assert!(unframed.next().unwrap_err().contains("compressed"));
        let mut unframed = Unframed::default();
        unframed.push(&[0, 0xff, 0, 0, 0]);
        assert!(unframed.next().unwrap_err().contains("too long"));
    }

    #[test]
    fn a_status_is_read_with_its_message() {
        let mut trailers = HeaderMap::new();
        assert_eq!(status(&trailers), None);
        trailers.insert("grpc-status", "16".parse().unwrap());
        trailers.insert("grpc-message", "no%20token%21 100%".parse().unwrap());
        assert_eq!(status(&trailers), Some((16, "no token! 100%".to_owned())));
        assert_eq!(code_name(16), "UNAUTHENTICATED");
        assert_eq!(code_of("UNAUTHENTICATED"), Some(16));
        assert_eq!(code_name(99), "code 99");
    }
}
