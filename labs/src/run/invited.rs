//! Everybody's invitation: a join code and what comes with it, from the CA's own disk before the
//! world begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use ca::agent::AgentConfig;
use ca::bundle::Bundle;
use ca::identity::{SpiffeId, TrustDomain};
use ca::issue::Ca;
use ca::net::Address;
use ca::revocation::Revocation;
use ca::seams::Seams;
use ca::tlog::note::VerifyingKey;
use services::member::Start;
use services::node::NodeError;

use super::RunRequest;
use super::world::{CA, CA_PORT, settings};
use crate::fabric::post::Post;
use crate::scenario::FLEET;

/// What everybody begins with.
pub(super) struct Invited {
    /// Nodes and users, by host.
    pub(super) starts: BTreeMap<String, Start>,
    /// The members of the fleet, in order.
    pub(super) fleet: Vec<AgentConfig>,
    /// What verifies the CA's issuance log.
    pub(super) issuance_key: VerifyingKey,
}

/// Opens the CA's disk once, for a join code a member.
pub(super) fn invite(
    request: &RunRequest,
    places: &BTreeMap<String, Seams>,
    post: &Post,
) -> Result<Invited, NodeError> {
    let settings = settings(request)?;
    let domain = settings.trust_domain.clone();
    let seams = &places[CA];
    let mut ca = Ca::open(seams, settings)?;
    let (bundle, now) = (ca.bundle(), seams.clock.now());
    let mut invite = |path: &str, revocation: Revocation| {
        let id = SpiffeId::new(&domain, path)?;
        let join_code = ca.new_join_code(&id, now)?.reveal().to_owned();
        config(request, (&domain, &bundle), (id, join_code), revocation)
    };
    let is_member = |host: &&String| ![CA, FLEET].contains(&host.as_str());
    let mut starts = BTreeMap::new();
    for (host, seams) in places.iter().filter(|(host, _)| is_member(host)) {
        let agent = if request.scenario.world.user(host).is_some() {
            // A person's device asks for no lists, as browsers do not.
            invite(&format!("/user/{host}"), Revocation::ignore())?
        } else {
            let revocation = request.posture.revocation.without_lists();
            invite(&format!("/{host}"), revocation)?
        };
        let start = Start {
            name: host.clone(),
            seams: seams.clone(),
            courier: Arc::new(post.clone()),
            agent,
            posture: request.posture.clone(),
        };
        starts.insert(host.clone(), start);
    }
    let fleet = (1..=request.scenario.world.fleet)
        .map(|number| invite(&format!("/fleet/{number:03}"), Revocation::ignore()));
    Ok(Invited {
        fleet: fleet.collect::<Result<_, _>>()?,
        starts,
        issuance_key: ca.log_key().clone(),
    })
}

fn config(
    request: &RunRequest,
    (domain, bundle): (&TrustDomain, &Bundle),
    (id, join_code): (SpiffeId, String),
    revocation: Revocation,
) -> Result<AgentConfig, NodeError> {
    Ok(AgentConfig {
        id,
        ca: Address::new(CA, CA_PORT),
        ca_id: SpiffeId::new(domain, ca::node::PATH)?,
        join_code,
        bundle: bundle.clone(),
        tolerance: request.posture.tls.tolerance,
        revocation,
        retry: request.posture.rotation.retrying(),
        swap: request.posture.rotation.swapping(),
    })
}
