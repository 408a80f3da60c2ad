//! What a gRPC method takes: the body of a request, from JSON and the method's description.
//!
//! The description is a file (`protoc --descriptor_set_out`, with imports) or the server's own
//! (reflection v1, then v1alpha). Without a body a message is empty, which every method can read.
//! Nothing is guessed: a field that the message lacks, or a value that does not fit, is refused.

mod body;
mod reflection;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use serde_json::Value;

use super::eyes::{Badge, Call, Connection, Reply};

/// Why a request cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Unsaid {
    /// The descriptor file is none, or its imports are missing.
    #[error("the descriptor set cannot be read: {0}: make it with all imports in it")]
    Set(String),
    /// The method is not written as one.
    #[error("`{0}` is no gRPC method: write package.Service/Method")]
    Method(String),
    /// The description lacks the method.
    #[error("the description has no method `{0}`: look at its spelling")]
    NoMethod(String),
    /// The server does not describe itself.
    #[error("the server does not describe `{service}`: {reply}: name a descriptor file instead")]
    Undescribed {
        /// The service asked for.
        service: String,
        /// What the server said.
        reply: Box<Reply>,
    },
    /// The server's description is broken.
    #[error(
        "the server's description of `{service}` cannot be read: {why}: name a descriptor file"
    )]
    Description {
        /// The service asked for.
        service: String,
        /// What is wrong with it.
        why: String,
    },
    /// The body does not fit the message.
    #[error("the body does not fit: `{at}` {why}")]
    Body {
        /// Where in the body.
        at: String,
        /// What is wrong there.
        why: String,
    },
}

/// The description of services.
#[derive(Clone, Debug)]
pub struct Description(DescriptorPool);

impl Description {
    /// Reads a descriptor set.
    ///
    /// # Errors
    ///
    /// If it is none, or an import is missing in it.
    pub fn read(set: &[u8]) -> Result<Self, Unsaid> {
        let mut pool = DescriptorPool::global();
        pool.decode_file_descriptor_set(set)
            .map_err(|error| Unsaid::Set(error.to_string()))?;
        Ok(Self(pool))
    }

    /// Asks the server to describe the service of a method.
    ///
    /// # Errors
    ///
    /// If it does not, or what it says cannot be read.
    pub async fn ask(
        connection: &Connection,
        method: &str,
        badge: Option<&Badge>,
    ) -> Result<Self, Unsaid> {
        let (service, _) = parts(method)?;
        reflection::pool(connection, service, badge).await.map(Self)
    }

    /// Whether the method answers with a stream.
    ///
    /// # Errors
    ///
    /// If the description lacks the method.
    pub fn streams(&self, method: &str) -> Result<bool, Unsaid> {
        Ok(self.method(method)?.is_server_streaming())
    }

    /// The call of a method with this body.
    ///
    /// # Errors
    ///
    /// If the description lacks the method, or the body does not fit its message.
    pub fn call(&self, method: &str, body: &Value) -> Result<Call, Unsaid> {
        let message = body::message(self.method(method)?.input(), body, "body")?;
        Ok(Call::Grpc {
            method: method.trim_start_matches('/').to_owned(),
            message: Bytes::from(message.encode_to_vec()),
        })
    }

    fn method(&self, method: &str) -> Result<MethodDescriptor, Unsaid> {
        let (service, name) = parts(method)?;
        let missing = || Unsaid::NoMethod(method.to_owned());
        let service = self.0.get_service_by_name(service).ok_or_else(missing)?;
        let mut methods = service.methods();
        methods
            .find(|method| method.name() == name)
            .ok_or_else(missing)
    }
}

/// The service and the name of a method.
fn parts(method: &str) -> Result<(&str, &str), Unsaid> {
    let wrong = || Unsaid::Method(method.to_owned());
    let (service, name) = method
        .trim_start_matches('/')
        .split_once('/')
        .ok_or_else(wrong)?;
    if service.is_empty() || name.is_empty() || name.contains('/') {
        return Err(wrong());
    }
    Ok((service, name))
}
