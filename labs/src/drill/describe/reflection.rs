//! The server's own description: `grpc.reflection`, v1 and then v1alpha.
//!
//! The messages are written by hand, the few fields that are needed, which are the same in both
//! versions. One file is asked for at a time, since a server need not send what a file imports;
//! how many are taken is bounded.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;

use super::Unsaid;
use crate::drill::eyes::{Badge, Call, Connection, Reply, code_of};

/// The most files that are taken from a server.
const MOST: usize = 256;

/// The two versions, the newer first.
const VERSIONS: [&str; 2] = ["v1", "v1alpha"];

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(oneof = "Wanted", tags = "3, 4")]
    pub(super) wanted: Option<Wanted>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Wanted {
    #[prost(string, tag = "3")]
    File(String),
    #[prost(string, tag = "4")]
    Symbol(String),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(message, optional, tag = "4")]
    pub(super) files: Option<Files>,
    #[prost(message, optional, tag = "7")]
    pub(super) error: Option<Refusal>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) files: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Refusal {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) said: String,
}

/// The service's file, and all that it imports.
pub(super) async fn pool(
    connection: &Connection,
    service: &str,
    badge: Option<&Badge>,
) -> Result<DescriptorPool, Unsaid> {
    let broken = |why: String| Unsaid::Description {
        service: service.to_owned(),
        why,
    };
    let mut asker = Asker {
        connection,
        badge,
        service,
        version: VERSIONS[0],
    };
    let known = DescriptorPool::global();
    let mut files = BTreeMap::new();
    let mut asked = BTreeSet::new();
    let mut wanted = Some(Wanted::Symbol(service.to_owned()));
    while let Some(next) = wanted {
        for file in asker.files(next).await? {
            files.insert(file.name().to_owned(), file);
        }
        if files.len() > MOST {
            return Err(broken(format!("it has more than {MOST} files")));
        }
        let missing = files
            .values()
            .flat_map(|file| &file.dependency)
            .find(|name| !files.contains_key(*name) && known.get_file_by_name(name).is_none());
        if let Some(name) = missing
            && !asked.insert(name.clone())
        {
            return Err(broken(format!(
                "it imports `{name}`, which the server does not have"
            )));
        }
        wanted = missing.cloned().map(Wanted::File);
    }
    let mut pool = known;
    pool.add_file_descriptor_protos(files.into_values())
        .map_err(|error| broken(error.to_string()))?;
    Ok(pool)
}

struct Asker<'a> {
    connection: &'a Connection,
    badge: Option<&'a Badge>,
    service: &'a str,
    version: &'static str,
}

impl Asker<'_> {
    /// The files that the server sends for one question.
    async fn files(&mut self, wanted: Wanted) -> Result<Vec<FileDescriptorProto>, Unsaid> {
        let request = Request {
            wanted: Some(wanted),
        };
        let mut reply = self.ask(&request).await;
        if is_unimplemented(&reply) && self.version == VERSIONS[0] {
            self.version = VERSIONS[1];
            reply = self.ask(&request).await;
        }
        let good = match reply {
            Reply::Served(good) => good,
            reply => {
                return Err(Unsaid::Undescribed {
                    service: self.service.to_owned(),
                    reply: Box::new(reply),
                });
            }
        };
        let response = Response::decode(good.body).map_err(|error| self.broken(&error))?;
        if let Some(refusal) = response.error {
            return Err(self.broken(&format!("the server says: {}", refusal.said)));
        }
        let files = response.files.unwrap_or_default().files;
        files
            .into_iter()
            .map(|file| FileDescriptorProto::decode(file).map_err(|error| self.broken(&error)))
            .collect()
    }

    /// Asks once. The method is a stream both ways; one question and one answer are a stream too.
    async fn ask(&self, request: &Request) -> Reply {
        let version = self.version;
        let call = Call::Grpc {
            method: format!("grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"),
            message: Bytes::from(request.encode_to_vec()),
        };
        self.connection.ask(&call, self.badge).await
    }

    fn broken(&self, why: &impl ToString) -> Unsaid {
        Unsaid::Description {
            service: self.service.to_owned(),
            why: why.to_string(),
        }
    }
}

fn is_unimplemented(reply: &Reply) -> bool {
    use crate::drill::eyes::{Failure, Why};
    matches!(reply, Reply::Failed(Failure { why: Why::Grpc(code, _), .. })
        if Some(*code) == code_of("UNIMPLEMENTED"))
}
