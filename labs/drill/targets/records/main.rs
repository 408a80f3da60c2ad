//! Schism's own records service as a target of the drill.
//!
//! A clinic runs in this process, as in `schism ca rehearse`: CA, witnesses, policy, three regions.
//! One more region's records stand beside them: what it is among the others it has from the CA, and
//! whom it lets in it judges by the files of `.schism/tls`, which are the drill's. The arguments
//! are a port and a posture file; without a file it is hardened.

mod files;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ca::net::TcpNet;
use ca::offered::Offered;
use labs::rehearsal::clinic::{Clinic, RECORDS, Terms};
use services::client::User;
use services::member::{Member, PORT, Start, service_id};
use services::node::{NodeError, RecordsNode};
use services::posture::Posture;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::files::Files;

/// The node that is drilled.
const DRILLED: &str = "records.west";
/// Who writes the record that is read, so that a watch has something to tell.
const WRITER: &str = "bob";
const RECORD: &str = "r1";
const PACE: Duration = Duration::from_millis(200);
const LEAF: Duration = Duration::from_secs(600);

/// Writes the record again and again, from another region.
async fn write_on(clinic: &Clinic) -> Result<(), NodeError> {
    let writer = User::new(&clinic.user(WRITER)?, RECORDS);
    for number in 0_u64.. {
        writer
            .ask("write", RECORD, &format!("write-{number}"))
            .await;
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

async fn serve(port: u16, posture: Posture) -> Result<(), NodeError> {
    let terms = Terms {
        beside: vec![DRILLED.to_owned()],
        ..Terms::new(LEAF, &["alice", WRITER])?
    };
    let clinic = Clinic::start(&terms)?;
    let start = Start {
        posture,
        ..clinic.node(DRILLED)?
    };
    let own = clinic.records("west")?;
    let among = Member::join(start.clone(), None);
    let (publish, published) = watch::channel(None);
    let id = service_id(start.agent.id.trust_domain(), DRILLED);
    let files = Files::of(
        Path::new(".schism/tls"),
        Arc::clone(&start.seams.clock),
        id,
        &start.posture,
    );
    let mut outside = start;
    outside.seams.net = Arc::new(TcpNet::default());
    let callers = Member::known(outside, published);
    let node = RecordsNode::start(&callers, &among, own)?;
    tokio::select! {
        () = files.follow(publish) => Ok(()),
        written = write_on(&clinic) => written,
        served = among.door().serve(PORT, Offered::of(node.replication)) => Ok(served?),
        served = callers.door().serve(port, Offered::of(node.records)) => Ok(served?),
    }
}

fn main() -> Result<(), NodeError> {
    let mut words = std::env::args().skip(1);
    let port = words.next().ok_or("no port")?.parse()?;
    let posture = match words.next() {
        Some(file) => Posture::parse(&file, &std::fs::read_to_string(&file)?)?.0,
        None => Posture::hardened(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, serve(port, posture))
}
