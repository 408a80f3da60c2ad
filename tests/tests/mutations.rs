//! Planted bugs: each must turn a verdict, or the property it was planted against, red. The other
//! bugs of the list have their tests beside the code: an acknowledgement before the quorum and an
//! as-of from one witness in `services::policy`, a deleted sync in `ca::tlog` and the proving
//! ground, a wall clock in the trace in the proving ground.

use labs::invariant::Verdict;
use labs::report::Attack;
use services::policy::danger::Mutation;
use tests::flagship::{Flagship, Side};

#[test]
fn without_the_staleness_check_the_attack_succeeds_on_the_solution() {
    let mut flagship = Flagship::new(7);
    assert_eq!(flagship.judge(Side::Solution).0.attack, Attack::Refused);
    flagship.mutation = Mutation::NoStalenessCheck;
    let (report, history) = flagship.judge(Side::Solution);
    assert_eq!(report.attack, Attack::Succeeded);
    assert_eq!(report.verdict, Verdict::Broken);
    let broken = Flagship::broken(&history);
    assert!(broken.contains(&"no-permit-after-revoke"), "{broken:?}");
    assert!(broken.contains(&"no-permit-on-stale-policy"), "{broken:?}");
    assert_eq!(flagship.control(), Verdict::Broken);
}

#[test]
fn without_the_audit_append_no_answer_is_backed_by_the_log() {
    let mut flagship = Flagship::new(7);
    flagship.mutation = Mutation::NoAuditAppend;
    let (report, history) = flagship.judge(Side::Solution);
    assert_eq!(report.verdict, Verdict::Broken);
    assert!(Flagship::broken(&history).contains(&"no-unlogged-decision"));
    assert_eq!(flagship.control(), Verdict::Broken);
}
