//! A member of the world: a node that has, or is getting, an identity, and knows where others are.

use std::sync::Arc;
use std::time::Duration;

use ca::agent::{Agent, AgentConfig, BearerSource, Met, Published};
use ca::chain::InvalidChain;
use ca::conn::{Connection, Deadline, Dialer, Door, PeerIdentity};
use ca::identity::{SpiffeId, TrustDomain, Untimely};
use ca::net::Address;
use ca::seams::Seams;
use ca::tls::Trust;
use ca::tls::danger::Sessions;
use tokio::sync::watch;
use tonic::Status;

use crate::courier::Courier;
use crate::guard::status;
use crate::posture::{ConnectionDeadline, Posture, Recheck, Resumption};
use crate::refusal::Refusal;

/// The port that every service listens on, on a host of its own.
pub const PORT: u16 = 7443;

/// How long until a lost stream is asked for again, before jitter.
const AGAIN: Duration = Duration::from_secs(1);

/// What a node is started with.
#[derive(Clone)]
pub struct Start {
    /// Its host name: `records.south`, `policy`, `mallory`.
    pub name: String,
    /// What it may touch.
    pub seams: Seams,
    /// Who carries its messages.
    pub courier: Arc<dyn Courier>,
    /// How it gets its identity.
    pub agent: AgentConfig,
    /// Its dials.
    pub posture: Posture,
}

/// A node with an agent under way.
#[derive(Clone)]
pub struct Member {
    /// What it was started with.
    pub start: Start,
    /// Its identity as it changes; nothing before the first.
    pub identity: watch::Receiver<Option<Arc<Published>>>,
    /// Where it is noted whom it let in.
    pub met: Met,
}

impl Member {
    /// Starts the agent. Must be called inside a tokio runtime.
    pub fn join(start: Start, bearers: Option<Arc<dyn BearerSource>>) -> Self {
        for (dial, value, shipped_by) in start.posture.dangers() {
            tracing::warn!(node = start.name, dial, value, shipped_by, "exposed");
        }
        let (agent, identity) = Agent::new(start.seams.clone(), start.agent.clone(), bearers);
        let met = agent.met();
        tokio::spawn(agent.run());
        Self {
            start,
            identity,
            met,
        }
    }

    /// A member whose identity comes from elsewhere. It has no agent, and tells the CA nothing.
    pub fn known(start: Start, identity: watch::Receiver<Option<Arc<Published>>>) -> Self {
        let met = Met::default();
        Self {
            start,
            identity,
            met,
        }
    }

    /// Waits for the first identity.
    pub async fn ready(&mut self) {
        // The agent's task holds the sender for as long as the node runs.
        let _ = self.identity.wait_for(Option::is_some).await;
    }

    /// How this node judges those it is connected to.
    pub fn trust(&self) -> Trust {
        trust(&self.start)
    }

    /// Whether the far end of an established connection still stands: its leaf valid on this node's
    /// clock, its chain borne out by what this node believes by now. Not asked again where
    /// `tls.recheck` is `handshake`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn recheck(&self, peer: &PeerIdentity) -> Result<(), Refusal> {
        match self.start.posture.tls.recheck {
            Recheck::Handshake => self.is_own(peer),
            Recheck::Request | Recheck::Message => self.stands(peer),
        }
    }

    /// Whether the far end is of this trust domain. One that is federated can be verified, and its
    /// `/user/alice` is not ours.
    fn is_own(&self, peer: &PeerIdentity) -> Result<(), Refusal> {
        let own = self.start.agent.id.trust_domain() == peer.facts.spiffe_id.trust_domain();
        own.then_some(()).ok_or(Refusal::CertificateUntrusted)
    }

    /// As [`Self::recheck`], whatever the posture says.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn stands(&self, peer: &PeerIdentity) -> Result<(), Refusal> {
        self.is_own(peer)?;
        let (tls, now) = (&self.start.posture.tls, self.start.seams.clock.now());
        let timely = peer.facts.timely(now, tls.tolerance);
        timely.map_err(|untimely| refused(&untimely.into()))?;
        // Whoever has no identity has no beliefs either.
        let own = self.identity.borrow().clone();
        let own = own.ok_or(Refusal::CertificateUntrusted)?;
        let stands = peer.standing.judge(&self.trust(), &own.trusted);
        stands.map_err(|invalid| refused(&invalid))
    }

    /// A dialer to the service on `host`.
    pub fn dialer(&self, host: &str) -> Dialer {
        let Start { seams, agent, .. } = &self.start;
        let to = Address::new(host, PORT);
        let expected = service_id(agent.id.trust_domain(), host);
        Dialer::new(
            seams.clone(),
            self.trust(),
            to,
            expected,
            self.identity.clone(),
        )
        .resuming(self.sessions())
    }

    /// A dialer to the CA.
    pub(crate) fn ca_dialer(&self) -> Dialer {
        let Start { seams, agent, .. } = &self.start;
        let (to, id) = (agent.ca.clone(), agent.ca_id.clone());
        Dialer::new(seams.clone(), self.trust(), to, id, self.identity.clone())
    }

    /// Waits until a stream that was lost is asked for again.
    pub(crate) async fn pause(&self) {
        let seams = &self.start.seams;
        let jitter = seams.rng.span(Duration::ZERO, AGAIN / 4);
        seams.clock.sleep(AGAIN + jitter).await;
    }

    /// Sessions for one port or one way, where the posture takes them up again.
    fn sessions(&self) -> Option<Sessions> {
        let resumption = self.start.posture.tls.resumption;
        (resumption == Resumption::On).then(Sessions::default)
    }

    /// This node's door.
    pub fn door(&self) -> Door {
        let deadline = match self.start.posture.tls.connection_deadline {
            ConnectionDeadline::Leaf => Deadline::Leaf,
            ConnectionDeadline::None => Deadline::None,
        };
        let (seams, identity) = (self.start.seams.clone(), self.identity.clone());
        Door {
            deadline,
            sessions: self.sessions(),
            ..Door::new(seams, identity, self.trust())
        }
    }
}

/// How a node judges those it is connected to.
pub fn trust(start: &Start) -> Trust {
    Trust {
        clock: Arc::clone(&start.seams.clock),
        tolerance: start.posture.tls.tolerance,
    }
}

/// The SPIFFE ID of the service on `host`.
pub fn service_id(domain: &TrustDomain, host: &str) -> SpiffeId {
    SpiffeId::new(domain, &format!("/{host}")).expect("host names fit SPIFFE paths")
}

/// The connection for one call, or why there is none.
pub(crate) async fn connect(dialer: &Dialer) -> Result<Connection, Status> {
    dialer
        .connection()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))
}

/// Admits a peer of this node's own trust domain, that still stands, by the first part of its
/// SPIFFE ID's path: `records` for `/records.south`.
pub(crate) fn peer_is<T>(
    request: &tonic::Request<T>,
    kinds: &[&str],
    member: &Member,
) -> Result<String, Status> {
    let other = || Status::permission_denied("this call is for other services");
    let peer = request
        .extensions()
        .get::<PeerIdentity>()
        .ok_or_else(other)?;
    let id = &peer.facts.spiffe_id;
    let name = id.path().trim_start_matches('/');
    let kind = name.split(['.', '/']).next().unwrap_or_default();
    if id.trust_domain() != member.start.agent.id.trust_domain() || !kinds.contains(&kind) {
        return Err(other());
    }
    member.recheck(peer).map_err(status)?;
    Ok(name.to_owned())
}

/// What a chain that does not stand is refused as.
const fn refused(invalid: &InvalidChain) -> Refusal {
    match invalid {
        InvalidChain::Untimely(Untimely::Expired { .. }) => Refusal::CertificateExpired,
        InvalidChain::Untimely(Untimely::NotYetValid { .. }) => Refusal::CertificateNotYetValid,
        InvalidChain::Revoked(_) => Refusal::CertificateRevoked,
        InvalidChain::RevocationUnknown => Refusal::RevocationUnknown,
        InvalidChain::RevocationStale { .. } => Refusal::RevocationStale,
        _ => Refusal::CertificateUntrusted,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use super::*;
    use crate::specimen::{NOW, Specimen, from, leaf};

    fn member(recheck: Recheck) -> Member {
        let mut posture = Posture::hardened();
        posture.tls.recheck = recheck;
        Specimen::new(posture, |_| {}).member
    }

    #[test]
    fn a_peer_is_known_by_the_first_part_of_its_path() {
        let member = member(Recheck::Message);
        let asked = |path| peer_is(&from(leaf(path), ()), &["records"], &member);
        assert_eq!(asked("/records.north").unwrap(), "records.north");
        for other in ["/policy", "/user/records", "/recordsx", "/xrecords.north"] {
            assert_eq!(asked(other).unwrap_err().code(), Code::PermissionDenied);
        }
        let nobody = peer_is(&tonic::Request::new(()), &["records"], &member);
        assert_eq!(nobody.unwrap_err().code(), Code::PermissionDenied);
    }

    #[test]
    fn somebody_of_a_federated_domain_is_not_ours_of_the_same_path_whatever_the_posture_says() {
        for recheck in [Recheck::Handshake, Recheck::Request, Recheck::Message] {
            let member = member(recheck);
            let peer = |facts| {
                let request = from(facts, ());
                request.extensions().get::<PeerIdentity>().cloned().unwrap()
            };
            let alice = leaf("/user/alice");
            let mut theirs = alice.clone();
            theirs.spiffe_id = SpiffeId::parse("spiffe://rival.example/user/alice").unwrap();
            assert_eq!(member.recheck(&peer(alice)), Ok(()));
            for refused in [
                member.recheck(&peer(theirs.clone())),
                member.stands(&peer(theirs)),
            ] {
                assert_eq!(refused, Err(Refusal::CertificateUntrusted));
            }
        }
    }

    #[test]
    fn a_peer_of_another_trust_domain_is_nobody() {
        let mut foreign = leaf("/records.north");
        foreign.spiffe_id = SpiffeId::parse("spiffe://rival.example/records.north").unwrap();
        let asked = peer_is(&from(foreign, ()), &["records"], &member(Recheck::Message));
        assert_eq!(asked.unwrap_err().code(), Code::PermissionDenied);
    }

    #[test]
    fn a_peer_whose_root_was_withdrawn_is_nobody_unless_nobody_looks_again() {
        for (recheck, admitted) in [
            (Recheck::Message, false),
            (Recheck::Request, false),
            (Recheck::Handshake, true),
        ] {
            let mut posture = Posture::hardened();
            posture.tls.recheck = recheck;
            let specimen = Specimen::new(posture, |_| {});
            let request = from(leaf("/records.north"), ());
            let asked = || peer_is(&request, &["records"], &specimen.member);
            assert!(asked().is_ok());
            specimen.distrust();
            assert_eq!(asked().is_ok(), admitted, "{recheck:?}");
        }
    }

    #[test]
    fn a_peer_whose_leaf_is_not_valid_now_is_nobody_unless_nobody_looks_again() {
        let second = Duration::from_secs(1);
        let mut expired = leaf("/records.north");
        expired.not_after = NOW - second;
        let mut early = leaf("/records.north");
        early.not_before = NOW + second;
        for untimely in [expired, early] {
            let asked = |recheck| {
                let request = from(untimely.clone(), ());
                peer_is(&request, &["records"], &member(recheck))
            };
            let refused = asked(Recheck::Message).unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated);
            assert!(asked(Recheck::Handshake).is_ok());
        }
    }
}
