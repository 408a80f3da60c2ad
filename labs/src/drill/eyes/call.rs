//! A question to the target, and the token that comes with it.
//!
//! Nothing is sent from here. A gRPC body is given as bytes ([`crate::drill::describe`] makes
//! them), so that a call is the same on every connection.

use bytes::Bytes;
use http::Method;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// An HTTP request.
    Http {
        /// Such as GET.
        method: Method,
        /// The path, with its query.
        path: String,
        /// The body, often empty.
        body: Bytes,
    },
    /// A gRPC method: unary with [`super::Connection::ask`], a server stream with `watch`.
    Grpc {
        /// `package.Service/Method`, without a slash in front.
        method: String,
        /// The message, already encoded; none of its bytes are looked at.
        message: Bytes,
    },
}

impl Call {
    /// `GET` of a path.
    pub fn get(path: &str) -> Self {
        Self::Http {
            method: Method::GET,
            path: path.to_owned(),
            body: Bytes::new(),
        }
    }

    /// A gRPC method with an empty message.
    pub fn grpc(method: &str) -> Self {
        Self::Grpc {
            method: method.trim_start_matches('/').to_owned(),
            message: Bytes::new(),
        }
    }

    /// The path on the wire.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Http { path, .. } => path.clone(),
            Self::Grpc { method, .. } => format!("/{method}"),
        }
    }

    /// The body on the wire.
    pub(super) fn wire_body(&self) -> Bytes {
        match self {
            Self::Http { body, .. } => body.clone(),
            Self::Grpc { message, .. } => super::grpc::frame(message),
        }
    }

    /// The method on the wire.
    pub(super) const fn wire_method(&self) -> &Method {
        match self {
            Self::Http { method, .. } => method,
            Self::Grpc { .. } => &Method::POST,
        }
    }

    /// Whether it is a gRPC call.
    pub(super) const fn is_grpc(&self) -> bool {
        matches!(self, Self::Grpc { .. })
    }
}

/// A token, and the header in which it travels.
#[derive(Clone, PartialEq, Eq)]
pub struct Badge {
    header: String,
    value: String,
}

impl Badge {
    /// `authorization: Bearer ..`.
    pub fn bearer(token: &str) -> Self {
        Self {
            header: "authorization".to_owned(),
            value: format!("Bearer {token}"),
        }
    }

    /// The bare token in a header of the target's choice; `authorization` stays a bearer's.
    pub fn under(header: &str, token: &str) -> Self {
        let header = header.to_ascii_lowercase();
        if header == "authorization" {
            return Self::bearer(token);
        }
        Self {
            header,
            value: token.to_owned(),
        }
    }

    pub(super) fn header(&self) -> &str {
        &self.header
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }
}

impl std::fmt::Debug for Badge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Badge({}, ..)", self.header)
    }
}
