//! Claims about the webhook: what is taken, what is refused, and that the log knows which version
//! it was.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::super::{Replicator, Store};
use super::*;
use crate::audit;
use crate::guard::REFUSAL;
use crate::posture::{Posture, Recheck};
use crate::secret::{Held, SecretName, held};
use crate::specimen::{NOW, Specimen, from, leaf};

type Given = watch::Sender<Arc<BTreeMap<SecretName, Held>>>;

fn clinic(versions: Held) -> (Specimen, NoticesService, Given) {
    let node = Specimen::new(Posture::hardened(), |_| {});
    let store = Store::open(&*node.member.start.seams.disk, "south").unwrap();
    let replicator = Replicator::start(&node.member, &[]);
    let changed = Arc::new(watch::Sender::new(0));
    let recheck = Recheck::Message;
    let records = RecordsService::new(node.guard(), store, replicator, recheck, changed);
    let (secrets, given) = Secrets::by_hand([(webhook(), versions)].into());
    let service = NoticesService::new(node.member.clone(), secrets, records);
    (node, service, given)
}

fn signed(version: u64) -> Notice {
    notice::signed(&held(version, &[version]), "results", "potassium 4.1", NOW).unwrap()
}

async fn delivered(service: &NoticesService, who: &str, notice: Notice) -> Result<u64, String> {
    let answer = Notices::deliver(service, from(leaf(who), notice)).await;
    answer
        .map(|reply| reply.get_ref().version)
        .map_err(|status| {
            let name = status.metadata().get(REFUSAL).unwrap();
            name.to_str().unwrap().to_owned()
        })
}

#[tokio::test]
async fn a_notice_is_taken_under_every_version_that_is_held_and_under_no_other() {
    let (_node, service, given) = clinic(held(1, &[1]));
    let unknown = || Err("secret-unknown".to_owned());
    let sender = "/user/pathology";
    assert_eq!(delivered(&service, sender, signed(1)).await, Ok(1));
    assert_eq!(delivered(&service, sender, signed(2)).await, unknown());
    let give = |versions| given.send_replace(Arc::new([(webhook(), versions)].into()));
    give(held(2, &[1, 2]));
    assert_eq!(delivered(&service, sender, signed(1)).await, Ok(2));
    assert_eq!(delivered(&service, sender, signed(2)).await, Ok(3));
    give(held(2, &[2]));
    assert_eq!(delivered(&service, sender, signed(1)).await, unknown());
}

#[tokio::test]
async fn the_signature_alone_says_that_it_is_genuine() {
    let (node, service, _given) = clinic(held(1, &[1]));
    // Whoever holds the secret is believed, and who does not is not, whatever their name.
    assert_eq!(delivered(&service, "/user/mallory", signed(1)).await, Ok(1));
    let mut forged = signed(1);
    forged.text = "potassium 9.9".to_owned();
    let answer = delivered(&service, "/user/pathology", forged).await;
    assert_eq!(answer, Err("notice-forged".to_owned()));
    node.distrust();
    let answer = delivered(&service, "/user/pathology", signed(1)).await;
    assert_eq!(answer, Err("certificate-untrusted".to_owned()));
}

#[tokio::test]
async fn the_audit_log_says_of_each_notice_which_version_it_was() {
    let (node, service, _given) = clinic(held(1, &[1]));
    delivered(&service, "/user/pathology", signed(1))
        .await
        .unwrap();
    delivered(&service, "/user/pathology", signed(2))
        .await
        .unwrap_err();
    let disk = &node.member.start.seams.disk;
    let log = disk.read(&format!("{}/entries", audit::FOLDER));
    let text = String::from_utf8_lossy(&log.unwrap().unwrap()).into_owned();
    for part in [
        r#""action":"notify""#,
        "results@webhook.1",
        "results@webhook.2",
        "secret-unknown",
        r#""principal":"pathology""#,
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}
