//! `[calls]`: what a caller asks of the target, and how the target says no.

use std::path::{Path, PathBuf};

use super::document::Value;
use super::fields::{Fields, Word, word, wrong_kind};
use super::files;
use super::flaw::{Placed, incoherent};
use crate::drill::eyes::CODE_NAMES;

const WANTED: &str = "a gRPC method such as \"shop.Orders/Get\", or { http = \"GET /orders\" }";

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"];

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallWish {
    /// A gRPC method.
    Grpc {
        /// The service with its package.
        service: String,
        /// The method.
        method: String,
        /// The message as JSON; empty if the file says nothing.
        message: Option<String>,
    },
    /// An HTTP request.
    Http {
        /// The method.
        method: String,
        /// The path with its query.
        path: String,
        /// The body, if it has one.
        body: Option<String>,
    },
}

/// How the target says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A gRPC code, by its number.
    Grpc(u8),
    /// An HTTP status.
    Http(u16),
}

/// What is asked of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// What a good caller may.
    pub allowed: CallWish,
    /// Whether the same call with no token must be refused.
    pub refused_without_token: bool,
    /// The code of a refusal that is not one of the usual.
    pub refusal: Option<Code>,
    /// A call that is answered by many messages.
    pub stream: Option<CallWish>,
    /// A file of descriptors, for a target without reflection.
    pub descriptor: Option<PathBuf>,
}

impl Calls {
    pub(super) const KNOWN: [&'static str; 4] = ["allowed", "refused", "stream", "descriptor"];

    pub(super) fn read<'a, 'i>(fields: &Fields<'a, 'i>, folder: &Path) -> Placed<Self> {
        let allowed = fields.need("allowed", fields.get("allowed"), WANTED)?;
        let (refused_without_token, refusal) = match fields.get("refused") {
            Some(value) => refusal(fields, value)?,
            None => (false, None),
        };
        let stream = fields.get("stream");
        let descriptor = fields.word("descriptor")?;
        let descriptor = descriptor.map(|word| files::path(&word, "descriptor", folder));
        Ok(Self {
            allowed: call(fields, "allowed", allowed)?,
            refused_without_token,
            refusal,
            stream: stream.map(|it| call(fields, "stream", it)).transpose()?,
            descriptor: descriptor.transpose()?,
        })
    }
}

fn call<'a, 'i>(fields: &Fields<'a, 'i>, field: &str, value: Value<'a, 'i>) -> Placed<CallWish> {
    if value.get_ref().is_str() {
        return grpc(&word(field, value)?, field, None);
    }
    if !value.get_ref().is_table() {
        return Err(wrong_kind(field, value, WANTED));
    }
    let table = fields.table(field, value, &["grpc", "message", "http", "body"])?;
    let message = table.word("message")?;
    let body = table.word("body")?.map(|word| word.text.to_owned());
    match (table.word("grpc")?, table.word("http")?) {
        (Some(word), None) => {
            if body.is_some() {
                return incoherent(
                    &table.span,
                    "`body` belongs to `http`; here it is `message`",
                );
            }
            grpc(&word, "grpc", message)
        }
        (None, Some(word)) => {
            if message.is_some() {
                return incoherent(
                    &table.span,
                    "`message` belongs to `grpc`; here it is `body`",
                );
            }
            http(&word, body)
        }
        _ => table.need("grpc", None, "this or `http`, and not both"),
    }
}

fn grpc(word: &Word<'_>, field: &str, message: Option<Word<'_>>) -> Placed<CallWish> {
    let legal = |name: &str| {
        let names = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        !name.is_empty() && name.chars().all(names)
    };
    let text = word.text.strip_prefix('/').unwrap_or(word.text);
    let (service, method) = match text.split_once('/') {
        Some((service, method)) if legal(service) && legal(method) => (service, method),
        _ => return Err(word.refused(field, WANTED)),
    };
    if let Some(message) = &message
        && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(message.text).is_err()
    {
        return Err(message.refused("message", "a message as a JSON object in quotes"));
    }
    Ok(CallWish::Grpc {
        service: service.to_owned(),
        method: method.to_owned(),
        message: message.map(|word| word.text.to_owned()),
    })
}

fn http(word: &Word<'_>, body: Option<String>) -> Placed<CallWish> {
    let wanted = "a method and a path, such as \"GET /orders\"";
    let refused = || word.refused("http", wanted);
    let (method, path) = word.text.split_once(' ').ok_or_else(refused)?;
    let method = Word {
        text: method,
        span: word.span.clone(),
    };
    let method = METHODS[method.place("method", &METHODS)?].to_owned();
    let graphic = path.bytes().all(|byte| byte.is_ascii_graphic());
    if !path.starts_with('/') || !graphic {
        return Err(refused());
    }
    Ok(CallWish::Http {
        method,
        path: path.to_owned(),
        body,
    })
}

fn refusal<'a, 'i>(fields: &Fields<'a, 'i>, value: Value<'a, 'i>) -> Placed<(bool, Option<Code>)> {
    let table = fields.table("refused", value, &["token", "code"])?;
    let token = table.word("token")?;
    let without = token
        .map(|word| word.place("token", &["none"]))
        .transpose()?
        .is_some();
    let code = match table.get("code") {
        None => None,
        Some(value) if value.get_ref().is_integer() => {
            let number = table
                .number("code", 599)?
                .and_then(|it| u16::try_from(it).ok());
            let (text, span) = ("the number of a success", value.span());
            let wanted = "an HTTP status from 400 to 599, or a gRPC code's name in quotes";
            let number = number.filter(|number| *number >= 400);
            Some(Code::Http(number.ok_or_else(|| {
                Word { text, span }.refused("code", wanted)
            })?))
        }
        Some(value) => {
            let place = word("code", value)?.place("gRPC code", &CODE_NAMES[1..])?;
            u8::try_from(place + 1).ok().map(Code::Grpc)
        }
    };
    Ok((without, code))
}
