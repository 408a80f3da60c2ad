//! A user: someone with a leaf and a token, who calls the records service and says what they heard.

use std::time::Duration;

use ca::conn::{Connection, Dialer, MAX_MESSAGE, Refused};
use proto::policy::v1::ActRequest;
use proto::policy::v1::policy_client::PolicyClient;
use proto::records::v1::notices_client::NoticesClient;
use proto::records::v1::records_client::RecordsClient;
use proto::records::v1::{ReadRequest, ShareRequest, WatchRequest, WriteRequest};
use tonic::{Code, Request, Status};

use crate::courier::{Delivery, Message};
use crate::forwarded::HEADER;
use crate::guard::REFUSAL;
use crate::member::{Member, connect};
use crate::policy::entry::Entry;
use crate::refusal::Refusal;
use crate::secret::{Secrets, notice, webhook};

/// What precedes a refusal's name where no request was decided: the certificate was refused when
/// the connection was made.
pub const IN_HANDSHAKE: &str = "handshake: ";

/// Where a failure carries such a refusal on its way to the user.
const HANDSHAKE: &str = "x-handshake";

/// How long a user waits for an answer.
pub const DEADLINE: Duration = Duration::from_secs(1);

/// What a user heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What they asked for, decided under a policy of this size.
    Served {
        /// Size of the policy log.
        policy_size: u64,
    },
    /// A refusal by name, after [`IN_HANDSHAKE`] where no request was decided, or a failure of the
    /// transport: `unreachable`, `other`.
    Refused(String),
    /// Nothing in time: it may have happened or not.
    Unknown,
}

/// What a request shows beside the connection's certificate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Show<'a> {
    /// Another token than the connection's own.
    pub token: Option<&'a str>,
    /// A word about whose certificate it comes with.
    pub header: Option<&'a str>,
}

/// One user's way to one region's records.
pub struct User {
    member: Member,
    host: String,
    dialer: Dialer,
    deadline: Duration,
    secrets: Option<Secrets>,
}

impl User {
    /// A user of the records on `host`.
    pub fn new(member: &Member, host: &str) -> Self {
        Self {
            member: member.clone(),
            host: host.to_owned(),
            dialer: member.dialer(host),
            deadline: DEADLINE,
            secrets: None,
        }
    }

    /// The same, who signs notices with what these hold.
    #[must_use]
    pub fn signing(self, secrets: Option<Secrets>) -> Self {
        Self { secrets, ..self }
    }

    /// The same, waiting longer or shorter than [`DEADLINE`] for an answer.
    #[must_use]
    pub fn waiting(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Asks once, and waits no longer than [`DEADLINE`]. `request` is carried through every hop.
    pub async fn ask(&self, action: &str, resource: &str, request: &str) -> Heard {
        self.ask_with(action, resource, request, None).await
    }

    /// As [`Self::ask`], with another token than the connection's own.
    pub async fn ask_with(
        &self,
        action: &str,
        resource: &str,
        request: &str,
        token: Option<&str>,
    ) -> Heard {
        let header = None;
        self.ask_showing(action, resource, request, Show { token, header })
            .await
    }

    /// As [`Self::ask`], showing that.
    pub async fn ask_showing(
        &self,
        action: &str,
        resource: &str,
        request: &str,
        show: Show<'_>,
    ) -> Heard {
        let attempt = self.attempt(action, resource, request, show);
        match tokio::time::timeout(self.deadline, attempt).await {
            Ok(Ok(policy_size)) => Heard::Served { policy_size },
            Ok(Err(status)) => heard(&status),
            Err(_) => Heard::Unknown,
        }
    }

    /// Watches a record until the stream ends, and gives every message to `hear` as it comes. Gives
    /// how it ended: a refusal, or nothing if the connection was lost.
    pub async fn watch(&self, resource: &str, request: &str, hear: impl FnMut(Heard)) -> Heard {
        self.watch_with(resource, request, None, hear).await
    }

    /// As [`Self::watch`], with another token than the connection's own.
    pub async fn watch_with(
        &self,
        resource: &str,
        request: &str,
        token: Option<&str>,
        mut hear: impl FnMut(Heard),
    ) -> Heard {
        let open = async {
            let connection = connect(&self.dialer).await?;
            let own = connection.bearer.clone();
            let bearer = token.or(own.as_ref().map(|bearer| &*bearer.text));
            let client = RecordsClient::<Connection>::new(connection);
            let mut client = client.max_decoding_message_size(MAX_MESSAGE);
            let (id, at_least) = (resource.to_owned(), 0);
            let ask = signed(WatchRequest { id, at_least }, (bearer, None), request)?;
            Ok::<_, Status>(client.watch(ask).await?.into_inner())
        };
        let mut stream = match tokio::time::timeout(DEADLINE, open).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(status)) => return heard(&status),
            Err(_) => return Heard::Unknown,
        };
        loop {
            match stream.message().await {
                Ok(Some(message)) => hear(Heard::Served {
                    policy_size: message.policy_size,
                }),
                Ok(None) => return Heard::Unknown,
                Err(status) => return heard(&status),
            }
        }
    }

    async fn attempt(
        &self,
        action: &str,
        resource: &str,
        request: &str,
        show: Show<'_>,
    ) -> Result<u64, Status> {
        let (from, to) = (self.member.start.name.clone(), self.host.clone());
        match self
            .member
            .start
            .courier
            .carry(Message {
                kind: "request",
                from,
                to,
            })
            .await
        {
            Delivery::Lost => std::future::pending().await,
            Delivery::Sent(_) => {}
        }
        let connection = connect(&self.dialer)
            .await
            .map_err(|_| Status::unavailable(""))?;
        let asked = self.asked(connection.clone(), (action, resource), request, show);
        asked.await.map_err(|status| told(status, &connection))
    }

    /// Delivers a notice over that connection, signed now: each is a record of its own, which
    /// nobody has to read before it is written.
    async fn deliver(
        &self,
        connection: Connection,
        about: &str,
        request: &str,
    ) -> Result<u64, Status> {
        let (id, text) = (format!("{about}.{request}"), format!("{request} says so"));
        // Whoever holds no version of the secret has nothing to send.
        let none = || Status::unavailable("");
        let held = self.secrets.as_ref().ok_or_else(none)?.get(&webhook());
        let now = self.member.start.seams.clock.now();
        let notice = notice::signed(&held, &id, &text, now).ok_or_else(none)?;
        let client = NoticesClient::<Connection>::new(connection);
        let mut client = client.max_decoding_message_size(MAX_MESSAGE);
        let ask = signed(notice, (None, None), request)?;
        Ok(client.deliver(ask).await?.into_inner().policy_size)
    }

    /// Asks over that connection.
    async fn asked(
        &self,
        connection: Connection,
        (action, resource): (&str, &str),
        request: &str,
        show: Show<'_>,
    ) -> Result<u64, Status> {
        if action == "notify" {
            return self.deliver(connection, resource, request).await;
        }
        let own = connection.bearer.clone();
        let bearer = show.token.or(own.as_ref().map(|bearer| &*bearer.text));
        let shown = (bearer, show.header);
        let client = RecordsClient::<Connection>::new(connection);
        let mut client = client.max_decoding_message_size(MAX_MESSAGE);
        let (id, at_least) = (resource.to_owned(), 0);
        let size = match action {
            "write" => {
                let text = format!("{request} was here");
                let ask = signed(WriteRequest { id, text, at_least }, shown, request)?;
                client.write(ask).await?.into_inner().policy_size
            }
            "share" => {
                let with = "registry".to_owned();
                let ask = signed(ShareRequest { id, with, at_least }, shown, request)?;
                client.share(ask).await?.into_inner().policy_size
            }
            _ => {
                let ask = signed(ReadRequest { id, at_least }, shown, request)?;
                client.read(ask).await?.into_inner().policy_size
            }
        };
        Ok(size)
    }
}

fn signed<T>(
    message: T,
    (bearer, header): (Option<&str>, Option<&str>),
    request: &str,
) -> Result<Request<T>, Status> {
    let mut asked = Request::new(message);
    let bad = |_| Status::internal("not a header");
    if let Some(bearer) = bearer {
        let value = format!("Bearer {bearer}").parse().map_err(bad)?;
        asked.metadata_mut().insert("authorization", value);
    }
    if let Some(header) = header {
        let value = header.parse().map_err(bad)?;
        asked.metadata_mut().insert(HEADER, value);
    }
    asked
        .metadata_mut()
        .insert("x-request-id", request.parse().map_err(bad)?);
    Ok(asked)
}

/// A failure with what the far end said of this end's certificate, if that is what it was.
fn told(mut status: Status, connection: &Connection) -> Status {
    let refusal = match connection.refused() {
        Some(Refused::Revoked) => Refusal::CertificateRevoked,
        Some(Refused::Expired) => Refusal::CertificateExpired,
        Some(Refused::Untrusted) => Refusal::CertificateUntrusted,
        None => return status,
    };
    if let Ok(name) = refusal.name().parse() {
        status.metadata_mut().insert(HANDSHAKE, name);
    }
    status
}

fn heard(status: &Status) -> Heard {
    let shut = status.metadata().get(HANDSHAKE);
    if let Some(name) = shut.and_then(|name| name.to_str().ok()) {
        return Heard::Refused(format!("{IN_HANDSHAKE}{name}"));
    }
    let named = status
        .metadata()
        .get(REFUSAL)
        .and_then(|name| name.to_str().ok());
    match (named, status.code()) {
        (Some(name), _) => Heard::Refused(name.to_owned()),
        // No answer, and whether it arrived is not known.
        (None, Code::Unknown | Code::Cancelled | Code::Internal) => Heard::Unknown,
        (None, Code::Unavailable) => Heard::Refused("unreachable".to_owned()),
        (None, _) => Heard::Refused("other".to_owned()),
    }
}

/// Someone who may change the policy.
pub struct Administrator {
    dialer: Dialer,
}

impl Administrator {
    /// An administrator of the authority on `host`.
    pub fn new(member: &Member, host: &str) -> Self {
        Self {
            dialer: member.dialer(host),
        }
    }

    /// One act. Gives the log's size with it, and whether it was acknowledged.
    ///
    /// # Errors
    /// When the authority was not reached or refused.
    pub async fn act(&self, entry: &Entry) -> Result<(u64, bool), Status> {
        let entry = entry
            .to_bytes()
            .map_err(|e| Status::invalid_argument(e.to_string()))?;
        let client = PolicyClient::new(connect(&self.dialer).await?);
        let mut client = client.max_decoding_message_size(MAX_MESSAGE);
        let reply = client.act(ActRequest { entry }).await?.into_inner();
        Ok((reply.size, reply.acknowledged))
    }
}
