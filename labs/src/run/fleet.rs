//! A fleet: members who ask for nothing but their leaves, all on one host.
//!
//! A simulated host is dear and an agent is not: its links to every other host are walked at each
//! tick. Each member has a disk of its own, which outlives a crash of the host; clock, network and
//! randomness are the host's.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use ca::agent::{Agent, AgentConfig};
use ca::disk::MemDisk;
use ca::seams::Seams;

/// What the host of a fleet runs.
pub(super) fn software(
    place: &Seams,
    members: Vec<AgentConfig>,
) -> impl Fn() -> Pin<Box<dyn Future<Output = turmoil::Result>>> + use<> {
    let members: Vec<(Seams, AgentConfig)> = members
        .into_iter()
        .map(|member| {
            let seams = Seams {
                disk: Arc::new(MemDisk::new()),
                ..place.clone()
            };
            (seams, member)
        })
        .collect();
    move || {
        let members = members.clone();
        Box::pin(async move {
            for (seams, member) in members {
                let (agent, published) = Agent::new(seams, member, None);
                tokio::spawn(async move {
                    // Nobody looks at it, and it is kept for as long as its agent runs.
                    let _published = published;
                    agent.run().await;
                });
            }
            match std::future::pending::<Infallible>().await {}
        })
    }
}
