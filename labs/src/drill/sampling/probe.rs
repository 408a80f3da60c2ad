//! The paths that can be watched: each one looks once, the same way every time.
//!
//! A probe never mends its path: an established connection that is gone is not opened again, and
//! a session that was not taken up again is no success, whoever was served.

use crate::drill::eyes::{Badge, Call, Client, Connection, Reply, Stream};

use super::Sample;

/// Looks once.
pub trait Probe: Send {
    /// One sample.
    fn sample(&mut self) -> impl Future<Output = Sample> + Send;
}

impl<F, Said> Probe for F
where
    F: FnMut() -> Said + Send,
    Said: Future<Output = Sample> + Send,
{
    fn sample(&mut self) -> impl Future<Output = Sample> + Send {
        self()
    }
}

/// A new connection for each question. With a token that was used before, this is also the path
/// of the cached token.
#[derive(Debug)]
pub struct New<'a> {
    /// The caller; it must keep no sessions.
    pub client: &'a Client,
    /// What is asked.
    pub call: &'a Call,
    /// With which token.
    pub badge: Option<&'a Badge>,
}

impl Probe for New<'_> {
    async fn sample(&mut self) -> Sample {
        let reply = match self.client.connect().await {
            Ok(connection) => connection.ask(self.call, self.badge).await,
            Err(reply) => reply,
        };
        Sample::of_new(&reply)
    }
}

/// A new connection for each question, which takes up a session from before.
#[derive(Debug)]
pub struct Resumed<'a> {
    /// The caller, with tickets.
    pub client: &'a Client,
    /// What is asked.
    pub call: &'a Call,
    /// With which token.
    pub badge: Option<&'a Badge>,
}

impl Probe for Resumed<'_> {
    async fn sample(&mut self) -> Sample {
        if self.client.tickets() == 0 {
            return Sample::Untaken("no ticket is left to come back with".to_owned());
        }
        let (reply, resumed) = match self.client.connect().await {
            Ok(connection) => {
                let reply = connection.ask(self.call, self.badge).await;
                (reply, connection.resumed())
            }
            Err(reply) => (reply, false),
        };
        Sample::of_resumed(&reply, resumed)
    }
}

/// Questions on one connection that was opened before.
#[derive(Debug)]
pub struct Established<'a> {
    /// The connection.
    pub connection: &'a Connection,
    /// What is asked.
    pub call: &'a Call,
    /// With which token.
    pub badge: Option<&'a Badge>,
}

impl Probe for Established<'_> {
    async fn sample(&mut self) -> Sample {
        if self.connection.given_up() {
            let why = "the drill gave the connection up, since an answer was late";
            return Sample::Untaken(why.to_owned());
        }
        let reply: Reply = self.connection.ask(self.call, self.badge).await;
        if self.connection.given_up() {
            return Sample::Failed(reply.to_string());
        }
        Sample::of_established(&reply, self.connection.is_open())
    }
}

/// Messages of one stream that was opened before.
#[derive(Debug)]
pub struct Open<'a> {
    /// The stream, drained of what came before the change.
    pub stream: &'a mut Stream,
}

impl Probe for Open<'_> {
    async fn sample(&mut self) -> Sample {
        Sample::of_stream(&self.stream.next().await)
    }
}
