//! What came of a question: served, refused, or failed, and never one for the other.
//!
//! *Refused* is the target's word about the caller: a TLS alert on certificates, a status or a code
//! that says so. *Failed* is everything else, a reset, a deadline, a 503. A connection that was
//! closed without a word is failed too; [`Reply::shut_out`] tells it apart, for cases whose
//! controls show that a good caller is served at the same time.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use rustls::AlertDescription;

use super::{Refusing, alert, grpc};

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It was answered.
    Served(Good),
    /// The caller was refused.
    Refused(How),
    /// There was no answer, or none about the caller.
    Failed(Failure),
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Good {
    /// The HTTP status.
    pub status: u16,
    /// The body, or gRPC's message.
    pub body: Bytes,
}

/// How a caller was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By an alert of TLS.
    Alert(AlertDescription),
    /// By an HTTP status.
    Http(u16),
    /// By a gRPC code.
    Grpc(i32),
}

/// A failure: why, where, and what is known of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why there was no answer.
    pub why: Why,
    /// At which step.
    pub stage: Stage,
    /// Whether the target surely did nothing with the request, so that gRPC lets a client ask once
    /// more without being told: it was never sent, refused as a stream, or past a GOAWAY.
    pub unprocessed: bool,
    /// Whether the server had not said a word of HTTP on this connection.
    pub wordless: bool,
}

/// A step on the way to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reaching the address.
    Dial,
    /// TLS's handshake, or HTTP/2's after it.
    Handshake,
    /// From the question to the answer.
    Reply,
    /// Within a stream that had begun.
    Stream,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The address could not be reached.
    Unreachable(String),
    /// This machine could not dial: it has no port or file handle left.
    Here(String),
    /// The step's deadline passed.
    TimedOut(Duration),
    /// The connection was reset.
    Reset,
    /// The connection was closed before the answer was whole.
    Ended,
    /// An alert that says nothing of the caller.
    Alert(AlertDescription),
    /// The stream was reset, with this code of HTTP/2.
    StreamReset(u32),
    /// The server said goodbye (GOAWAY), with this code of HTTP/2.
    GoAway(u32),
    /// A status that is neither an answer nor a refusal.
    Http(u16),
    /// A gRPC code that is no refusal, and its message.
    Grpc(i32, String),
    /// The server cannot sign with the key of the certificate that it shows, or TLS failed.
    Tls(String),
    /// What came is not what the protocol says.
    Garbled(String),
}

impl Reply {
    /// Whether it was answered.
    pub const fn is_served(&self) -> bool {
        matches!(self, Self::Served(_))
    }

    /// Whether the caller was refused.
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether it is our own doing: this machine could not even dial.
    pub const fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Failed(Failure {
                why: Why::Here(_),
                ..
            })
        )
    }

    /// Whether gRPC lets a client ask once more without being told (a transparent retry).
    pub const fn unprocessed(&self) -> bool {
        matches!(
            self,
            Self::Failed(Failure {
                unprocessed: true,
                ..
            })
        )
    }

    /// Whether the server shut the connection before it had said a word on it: how a server that
    /// sends no alerts refuses a certificate, and how a broken one fails.
    pub const fn shut_out(&self) -> bool {
        matches!(
            self,
            Self::Failed(Failure {
                why: Why::Reset | Why::Ended,
                stage: Stage::Handshake | Stage::Reply,
                wordless: true,
                ..
            })
        )
    }

    /// An alert: a refusal, or not.
    pub(super) fn alert(alert: AlertDescription, stage: Stage) -> Self {
        if alert::refuses(alert) {
            return Self::Refused(How::Alert(alert));
        }
        Self::failed(Why::Alert(alert), stage)
    }

    /// A failure of which no more is known.
    pub(super) const fn failed(why: Why, stage: Stage) -> Self {
        Self::Failed(Failure {
            why,
            stage,
            unprocessed: matches!(stage, Stage::Dial | Stage::Handshake),
            wordless: false,
        })
    }

    /// An HTTP status that is no gRPC answer.
    pub(super) fn http(status: u16, body: Bytes, refusing: &Refusing) -> Self {
        if refusing.http.contains(&status) {
            Self::Refused(How::Http(status))
        } else if (200..300).contains(&status) {
            Self::Served(Good { status, body })
        } else {
            Self::failed(Why::Http(status), Stage::Reply)
        }
    }

    /// A gRPC code.
    pub(super) fn grpc(code: i32, said: String, body: Bytes, refusing: &Refusing) -> Self {
        if refusing.grpc.contains(&code) {
            Self::Refused(How::Grpc(code))
        } else if code == grpc::OK {
            Self::Served(Good { status: 200, body })
        } else {
            Self::failed(Why::Grpc(code, said), Stage::Reply)
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Served(good) => write!(f, "served ({})", good.status),
            Self::Refused(how) => write!(f, "refused by {how}"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(alert) => write!(f, "the TLS alert {}", alert::name(*alert)),
            Self::Http(status) => write!(f, "HTTP {status}"),
            Self::Grpc(code) => write!(f, "gRPC {}", grpc::code_name(*code)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.stage {
            Stage::Dial => "dialling",
            Stage::Handshake => "the handshake",
            Stage::Reply => "the request",
            Stage::Stream => "the stream",
        };
        write!(f, "{step} failed: {}", self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the address cannot be reached: {why}"),
            Self::Here(why) => write!(f, "this machine cannot dial: {why}"),
            Self::TimedOut(span) => write!(f, "nothing came within {} ms", span.as_millis()),
            Self::Reset => f.write_str("the connection was reset"),
            Self::Ended => f.write_str("the connection was closed"),
            Self::Alert(alert) => write!(f, "the TLS alert {}", alert::name(*alert)),
            Self::StreamReset(code) => write!(f, "the stream was reset with code {code}"),
            Self::GoAway(code) => write!(f, "the server said GOAWAY with code {code}"),
            Self::Http(status) => write!(f, "HTTP {status}"),
            Self::Grpc(code, said) if said.is_empty() => {
                write!(f, "gRPC {}", grpc::code_name(*code))
            }
            Self::Grpc(code, said) => write!(f, "gRPC {}: {said}", grpc::code_name(*code)),
            Self::Tls(why) | Self::Garbled(why) => f.write_str(why),
        }
    }
}
