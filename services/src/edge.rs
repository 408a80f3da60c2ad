//! An edge: it ends the callers' connections and passes their requests on over its own.
//!
//! It decides nothing about records. What it says of a caller is what its own handshake saw, in a
//! header; whoever it no longer believes has no request passed on. Invariant: a request that leaves
//! it bears its word about the caller, and, unless a posture says otherwise, nobody else's.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use ca::clock::BoxFuture;
use ca::conn::{Dialer, PeerIdentity};
use http::{HeaderValue, Request, Response};
use proto::records::v1::records_server::SERVICE_NAME;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::forwarded::{HEADER, Shown, danger};
use crate::guard::status;
use crate::member::{Member, connect};
use crate::posture::Forwarding;

/// The edge before one region's records.
#[derive(Clone)]
pub struct Edge {
    member: Member,
    records: Arc<Dialer>,
}

impl Edge {
    /// An edge before the records on `host`.
    pub fn new(member: &Member, host: &str) -> Self {
        Self {
            member: member.clone(),
            records: Arc::new(member.dialer(host)),
        }
    }

    async fn pass_on(&self, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        let peer = request.extensions().get::<PeerIdentity>().cloned();
        let peer = peer.ok_or_else(|| Status::unauthenticated("a certificate is needed"))?;
        self.member.stands(&peer).map_err(status)?;
        self.sign(&mut request, &peer)?;
        let mut connection = connect(&self.records).await?;
        let gone = |_| Status::unavailable("the records are gone");
        std::future::poll_fn(|cx| connection.poll_ready(cx))
            .await
            .map_err(gone)?;
        let response = connection.call(request).await.map_err(gone)?;
        Ok(response.map(Body::new))
    }

    /// Writes the header.
    fn sign(&self, request: &mut Request<Body>, peer: &PeerIdentity) -> Result<(), Status> {
        let brought = request.headers().contains_key(HEADER);
        let goes_on = match self.member.start.posture.identity.forwarding {
            Forwarding::Replaced => false,
            Forwarding::Passed => danger::goes_on(brought),
        };
        if goes_on {
            return Ok(());
        }
        let shown = HeaderValue::try_from(Shown::of(&peer.facts).to_string());
        let shown = shown.map_err(|_| Status::internal("not a header"))?;
        request.headers_mut().insert(HEADER, shown);
        Ok(())
    }
}

impl NamedService for Edge {
    const NAME: &'static str = SERVICE_NAME;
}

impl Service<Request<Body>> for Edge {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let edge = self.clone();
        Box::pin(async move {
            let passed = edge.pass_on(request).await;
            Ok(passed.unwrap_or_else(Status::into_http))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posture::Posture;
    use crate::specimen::{Specimen, from, leaf};

    /// The header that leaves the edge, of a caller who is mallory and brought `header`.
    fn sent(forwarding: Forwarding, header: Option<&str>) -> String {
        let mut posture = Posture::hardened();
        posture.identity.forwarding = forwarding;
        let edge = Edge::new(&Specimen::new(posture, |_| {}).member, "records.south");
        let mut request = Request::new(Body::empty());
        if let Some(header) = header {
            request
                .headers_mut()
                .insert(HEADER, header.parse().unwrap());
        }
        let peer = from(leaf("/user/mallory"), ());
        let peer = peer.extensions().get::<PeerIdentity>().unwrap();
        edge.sign(&mut request, peer).unwrap();
        request.headers()[HEADER].to_str().unwrap().to_owned()
    }

    #[test]
    fn an_edge_says_whom_it_saw_whatever_the_caller_brought_unless_that_is_passed_on() {
        let own = Shown::of(&leaf("/user/mallory")).to_string();
        let other = Shown::of(&leaf("/user/chief")).to_string();
        for forwarding in [Forwarding::Replaced, Forwarding::Passed] {
            assert_eq!(sent(forwarding, None), own);
        }
        assert_eq!(sent(Forwarding::Replaced, Some(&other)), own);
        assert_eq!(sent(Forwarding::Passed, Some(&other)), other);
    }
}
