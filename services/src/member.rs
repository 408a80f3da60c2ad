//! A member of the world: a node that has, or is getting, an identity, and knows where others are.

use std::sync::Arc;

use ca::agent::{Agent, AgentConfig, BearerSource, Published};
use ca::bundle::Bundles;
use ca::conn::{Connection, Deadline, Dialer, Door, PeerIdentity};
use ca::identity::{SpiffeId, TrustDomain};
use ca::net::Address;
use ca::seams::Seams;
use ca::tls::Trust;
use tokio::sync::watch;
use tonic::Status;

use crate::courier::Courier;
use crate::posture::{ConnectionDeadline, Posture, Recheck};

/// The port that every service listens on, on a host of its own.
pub const PORT: u16 = 7443;

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
}

impl Member {
    /// Starts the agent. Must be called inside a tokio runtime.
    pub fn join(start: Start, bearers: Option<Arc<dyn BearerSource>>) -> Self {
        for (dial, value, shipped_by) in start.posture.dangers() {
            tracing::warn!(node = start.name, dial, value, shipped_by, "exposed");
        }
        let (agent, identity) = Agent::new(start.seams.clone(), start.agent.clone(), bearers);
        tokio::spawn(agent.run());
        Self { start, identity }
    }

    /// Waits for the first identity.
    pub async fn ready(&mut self) {
        // The agent's task holds the sender for as long as the node runs.
        let _ = self.identity.wait_for(Option::is_some).await;
    }

    /// What this node's connections trust.
    pub fn trust(&self) -> Trust {
        trust(&self.start)
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
    }

    /// This node's door.
    pub fn door(&self) -> Door {
        let deadline = match self.start.posture.tls.connection_deadline {
            ConnectionDeadline::Leaf => Deadline::Leaf,
            ConnectionDeadline::None => Deadline::None,
        };
        Door {
            seams: self.start.seams.clone(),
            identity: self.identity.clone(),
            trust: self.trust(),
            deadline,
            anonymous: false,
        }
    }
}

/// What a node's connections trust before it is anyone.
pub fn trust(start: &Start) -> Trust {
    Trust {
        clock: Arc::clone(&start.seams.clock),
        bundles: Bundles::from(start.agent.bundle.clone()),
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

/// Admits a peer of this node's own trust domain, whose leaf is valid now, by the first part of its
/// SPIFFE ID's path: `records` for `/records.south`.
pub(crate) fn peer_is<T>(
    request: &tonic::Request<T>,
    kinds: &[&str],
    start: &Start,
) -> Result<String, Status> {
    let other = || Status::permission_denied("this call is for other services");
    let peer = request
        .extensions()
        .get::<PeerIdentity>()
        .ok_or_else(other)?;
    let id = &peer.facts.spiffe_id;
    let name = id.path().trim_start_matches('/');
    let kind = name.split(['.', '/']).next().unwrap_or_default();
    if id.trust_domain() != start.agent.id.trust_domain() || !kinds.contains(&kind) {
        return Err(other());
    }
    let tls = &start.posture.tls;
    if tls.recheck != Recheck::Handshake {
        let timely = peer.facts.timely(start.seams.clock.now(), tls.tolerance);
        timely.map_err(|untimely| Status::unauthenticated(untimely.to_string()))?;
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use super::*;
    use crate::specimen::{NOW, Specimen, from, leaf};

    fn start(recheck: Recheck) -> Start {
        let mut posture = Posture::hardened();
        posture.tls.recheck = recheck;
        Specimen::new(posture, |_| {}).member.start
    }

    #[test]
    fn a_peer_is_known_by_the_first_part_of_its_path() {
        let start = start(Recheck::Message);
        let asked = |path| peer_is(&from(leaf(path), ()), &["records"], &start);
        assert_eq!(asked("/records.north").unwrap(), "records.north");
        for other in ["/policy", "/user/records", "/recordsx", "/xrecords.north"] {
            assert_eq!(asked(other).unwrap_err().code(), Code::PermissionDenied);
        }
        let nobody = peer_is(&tonic::Request::new(()), &["records"], &start);
        assert_eq!(nobody.unwrap_err().code(), Code::PermissionDenied);
    }

    #[test]
    fn a_peer_of_another_trust_domain_is_nobody() {
        let mut foreign = leaf("/records.north");
        foreign.spiffe_id = SpiffeId::parse("spiffe://rival.example/records.north").unwrap();
        let asked = peer_is(&from(foreign, ()), &["records"], &start(Recheck::Message));
        assert_eq!(asked.unwrap_err().code(), Code::PermissionDenied);
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
                peer_is(&request, &["records"], &start(recheck))
            };
            let refused = asked(Recheck::Message).unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated);
            assert!(asked(Recheck::Handshake).is_ok());
        }
    }
}
