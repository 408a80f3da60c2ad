//! Claims about the way back and the power: what is decided is whole or not at all, and what was
//! answered was durable.

use super::*;
use crate::issuance::Issuance;

#[test]
fn a_power_cut_at_any_change_spends_no_serial_for_nothing_and_none_twice() {
    for confirm in [Confirm::ByHand, Confirm::AtOnce] {
        let (mut cut, mut whole, mut between) = (0, 0, 0);
        for changes in 0..60 {
            let disk = MemDisk::new();
            let mut ca = open_as(&disk, NOW, config(confirm));
            let member = Member::joins(&mut ca, "/records", NOW);
            let (now, key) = (member.over(), fresh());
            let csr = csr::request(&key).unwrap();
            let nonce = ca.challenge(&member.facts().leaf_sha256, now);
            let hash = member.facts().leaf_sha256;
            let proof = way_back::prove(&member.key, &nonce, &hash, &csr).unwrap();
            let (leaf, csr, nonce, proof) = (member.leaf(), &csr[..], &nonce[..], &proof[..]);
            let asked = Comeback {
                leaf,
                csr,
                nonce,
                proof,
            };
            disk.cut_power_after(changes);
            let heard = ca.recover(&asked, now).ok();
            disk.cut_power();
            drop(ca);
            disk.restore(&SeededRng::new(changes));
            let mut ca = open_as(&disk, now, config(confirm));
            let spent = ca.returns.used(&member.facts().serial_hex()).is_some();
            assert!(spent || heard.is_none(), "answered before it was durable");
            between += usize::from(spent && heard.is_none());
            if spent {
                let thief = member.returns(&mut ca, &fresh(), now);
                assert_eq!(refused(thief), "way-back-serial-used");
            }
            let again = member.returns(&mut ca, &key, now).unwrap().identity;
            if let Some(heard) = &heard {
                assert_eq!(again.chain, heard.chain, "after {changes} changes");
            }
            let entries = ca.log().entries(0..ca.log().committed());
            let of = entries.filter_map(|entry| Issuance::parse(entry).ok());
            let returned = of.filter(|it| it.kind == Kind::Return).count();
            assert_eq!(returned, 1, "after {changes} changes");
            let journaled = logged(&ca).into_iter();
            let journaled = journaled.filter(|it| matches!(it, Journaled::Returned(_)));
            assert_eq!(journaled.count(), 1, "after {changes} changes");
            cut += usize::from(heard.is_none());
            whole += usize::from(heard.is_some());
        }
        assert!(
            cut > 5 && whole > 5 && between > 0,
            "{cut} {whole} {between}"
        );
    }
}

#[test]
fn a_power_cut_at_a_confirmation_leaves_it_whole_or_not_at_all() {
    let (mut kept, mut lost) = (0, 0);
    for changes in 0..40 {
        let disk = MemDisk::new();
        let mut ca = open(&disk, NOW);
        let member = Member::joins(&mut ca, "/records", NOW);
        let now = member.over();
        let apart = member.returns(&mut ca, &fresh(), now).unwrap();
        disk.cut_power_after(changes);
        let said = ca.confirm(&id("/records"), None, now).is_ok();
        disk.cut_power();
        drop(ca);
        disk.restore(&SeededRng::new(changes));
        let mut ca = open(&disk, now);
        let confirmed = ca.waiting(now).is_empty();
        assert!(confirmed || !said, "after {changes} changes");
        let next = apart.renews(&mut ca, now).unwrap();
        assert_eq!(!way_back::is_apart(&next.facts().spiffe_id), confirmed);
        kept += usize::from(confirmed);
        lost += usize::from(!confirmed);
    }
    assert!(kept > 0 && lost > 0, "{kept} {lost}");
}
