//! What an agent tells the CA of those whom its node let in.

use super::*;
use crate::identity::LeafFacts;

#[tokio::test(start_paused = true)]
async fn whom_a_node_let_in_is_told_to_the_ca_at_once_and_again_on_the_next_stream() {
    let mut clinic = Clinic::new();
    let seams_of = |clinic: &Clinic, clock: &JumpyClock| seams(&clinic.net, clock, &MemDisk::new());
    let clock = JumpyClock::new();
    let (agent, mut identity) = Agent::new(seams_of(&clinic, &clock), clinic.config.clone(), None);
    let met = agent.met();
    clinic.running.spawn(agent.run());
    identity.wait_for(Option::is_some).await.unwrap();
    let own = identity.borrow().clone().unwrap().credential.facts.clone();
    met.note(&own);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let found = clinic.ca.lock().unwrap().unlogged();
    assert_eq!(*found.borrow(), [], "the CA issued that one");
    met.note(&LeafFacts {
        leaf_sha256: [7; 32],
        ..own
    });
    tokio::time::sleep(LATENCY * 3).await;
    assert_eq!(found.borrow().len(), 1);
    assert_eq!(found.borrow()[0].met_by, clinic.config.id);

    // A CA that was started again knows nothing of it, and a stream is no older than a leaf.
    clinic.ca.lock().unwrap().unlogged.send_replace(Vec::new());
    tokio::time::sleep(Duration::from_secs(110)).await;
    assert_eq!(found.borrow().len(), 1, "it was told again");
}
