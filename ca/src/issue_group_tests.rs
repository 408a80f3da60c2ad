//! Claims about certificates that wait for one sync together: what it costs, and what a power cut
//! leaves of them. Invariant under test: nobody is answered before its entry is durable.

use super::*;

/// A CA with so many members, each with a leaf.
fn members(disk: &MemDisk, count: usize) -> (Ca, Vec<LeafFacts>) {
    let mut ca = open(disk).unwrap();
    let paths = (0..count).map(|n| format!("/north/n{n}"));
    let members = paths.map(|path| enrolled(&mut ca, &path, NOW).facts);
    let members = members.collect();
    (ca, members)
}

fn fresh_request() -> Request {
    Request::read(&fresh_csr()).unwrap()
}

fn entered(ca: &mut Ca, members: &[LeafFacts]) -> Vec<Entered> {
    let enter = |member| ca.enter_renewal(member, &fresh_request(), NOW).unwrap();
    members.iter().map(enter).collect()
}

#[test]
fn whoever_waits_together_shares_one_sync() {
    let disk = MemDisk::new();
    let (mut ca, members) = members(&disk, 8);
    let before = disk.syncs();
    ca.renew(&members[0], &fresh_csr(), NOW).unwrap();
    let alone = disk.syncs() - before;
    assert!(alone > 0);
    let waiting = entered(&mut ca, &members);
    let last = waiting.last().unwrap().log_index();
    assert!(ca.log().committed() <= waiting[0].log_index());
    let before = disk.syncs();
    for entered in waiting {
        let identity = ca.settle(entered).unwrap();
        assert!(ca.log().committed() > identity.log_index);
    }
    assert_eq!(disk.syncs() - before, alone, "eight for the price of one");
    assert_eq!(ca.log().committed(), last + 1);
}

#[test]
fn a_power_cut_at_any_change_keeps_every_certificate_of_a_group_that_left() {
    let (mut none, mut all) = (0, 0);
    for changes in 0..30 {
        let disk = MemDisk::new();
        let (mut ca, members) = members(&disk, 4);
        disk.cut_power_after(changes);
        let mut left = Vec::new();
        for _ in 0..2 {
            let enter = |member| ca.enter_renewal(member, &fresh_request(), NOW).ok();
            let waiting: Vec<Entered> = members.iter().filter_map(enter).collect();
            let settled = waiting.into_iter().map(|entered| ca.settle(entered));
            left.extend(settled.filter_map(Result::ok));
        }
        disk.cut_power();
        drop(ca);
        disk.restore(&SeededRng::new(changes));
        let ca = open(&disk).unwrap();
        let entries: Vec<_> = ca
            .log()
            .entries(0..ca.log().committed())
            .map(|entry| Issuance::parse(entry).ok())
            .collect();
        for identity in &left {
            let entry = entries[usize::try_from(identity.log_index).unwrap()].as_ref();
            assert_eq!(entry.unwrap().leaf_sha256, hex(&identity.facts.leaf_sha256));
        }
        let entries: Vec<_> = entries.iter().flatten().collect();
        let serials: BTreeSet<_> = entries.iter().map(|entry| &entry.serial).collect();
        assert_eq!(serials.len(), entries.len());
        none += usize::from(left.is_empty());
        all += usize::from(left.len() == 8);
    }
    assert!(none > 0 && all > 0, "{none} {all}");
}

#[test]
fn a_first_leaf_that_waits_is_no_answer_to_whoever_asks_again() {
    let disk = MemDisk::new();
    let mut ca = open(&disk).unwrap();
    let code = ca.new_join_code(&id("/north/sts"), NOW).unwrap();
    let csr = fresh_csr();
    let request = Request::read(&csr).unwrap();
    let first = ca.enter_enrolment(code.reveal(), &request, NOW).unwrap();
    disk.fail(true);
    assert!(matches!(ca.settle(first), Err(CaError::Log(_))));
    let again = ca.enter_enrolment(code.reveal(), &request, NOW);
    let again = again.and_then(|entered| ca.settle(entered));
    assert!(again.is_err(), "its entry is not durable");
    disk.fail(false);
    let again = ca.enroll(code.reveal(), &csr, NOW).unwrap();
    assert!(ca.log().committed() > again.log_index);
}

#[test]
fn entries_that_nobody_settles_do_not_fill_the_log_for_ever() {
    let disk = MemDisk::new();
    let mut ca = open(&disk).unwrap();
    let long = format!("/{}", "n".repeat(1_900));
    let member = enrolled(&mut ca, &long, NOW).facts;
    // Each caller gives up before its sync.
    let given_up = 16 * 1024 * 1024 / long.len();
    for _ in 0..given_up {
        let _ = ca.enter_renewal(&member, &fresh_request(), NOW).unwrap();
    }
    assert!(ca.log().committed() > 1_000, "they were synced on the way");
    ca.renew(&member, &fresh_csr(), NOW).unwrap();
    assert_eq!(ca.log().committed(), ca.log().size());
}
