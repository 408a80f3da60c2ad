//! Claims about the policy in force: what it permits, and how old it is.

use super::*;
use crate::policy::entry::Entry;

const DOCTORS: &str = r#"permit (principal in Role::"doctor", action, resource);"#;
/// Valid under strict validation, and overflows for every request.
const BROKEN_FORBID: &str = "forbid (principal, action, resource) \
    when { 9223372036854775807 + 1 > 0 };";

fn state(policy: &str, grants: &[(&str, &str)]) -> PolicyState {
    let mut state = PolicyState::default();
    state
        .apply(&Entry::PutPolicy {
            policy: policy.to_owned(),
            entities: Vec::new(),
        })
        .unwrap();
    for (principal, role) in grants {
        let (principal, role) = ((*principal).to_owned(), (*role).to_owned());
        state.apply(&Entry::Grant { principal, role }).unwrap();
    }
    state
}

fn mark(size: u64) -> Mark {
    Mark {
        size,
        root: [0; 32],
    }
}

fn view(policy: &str, grants: &[(&str, &str)]) -> PolicyView {
    PolicyView::build(None, &state(policy, grants), mark(1), Time::default()).unwrap()
}

fn refused(policy: &str) -> InvalidPolicy {
    Policies::compile(&policy.into()).unwrap_err()
}

#[test]
fn an_empty_policy_permits_nobody_anything() {
    let view = view("", &[("alice", "doctor")]);
    assert_eq!(view.decide("alice", "read", "r1"), Verdict::Deny);
}

#[test]
fn a_role_permits_its_members_and_no_others() {
    let view = view(DOCTORS, &[("alice", "doctor"), ("bob", "nurse")]);
    for action in ["read", "write", "share", "watch"] {
        assert_eq!(view.decide("alice", action, "r1"), Verdict::Permit);
        assert_eq!(view.decide("bob", action, "r1"), Verdict::Deny);
        assert_eq!(view.decide("carol", action, "r1"), Verdict::Deny);
    }
}

#[test]
fn a_principal_named_like_a_role_gains_nothing() {
    let view = view(DOCTORS, &[("alice", "nurse")]);
    assert_eq!(view.decide("doctor", "read", "r1"), Verdict::Deny);
    assert_eq!(
        view.decide("alice\", \"doctor", "read", "r1"),
        Verdict::Deny
    );
}

#[test]
fn a_log_out_ends_what_was_issued_up_to_its_second_and_nothing_else() {
    let mut state = state(DOCTORS, &[("alice", "doctor"), ("bob", "doctor")]);
    let (principal, before) = ("alice".to_owned(), 12);
    state.apply(&Entry::LogOut { principal, before }).unwrap();
    let view = PolicyView::build(None, &state, mark(4), Time::default()).unwrap();
    for (micros, ended) in [(11_000_000, true), (12_999_999, true), (13_000_000, false)] {
        let issued_at = Time::from_micros(micros);
        assert_eq!(view.ends_token("alice", issued_at), ended, "{micros}");
        assert!(!view.ends_token("bob", issued_at));
    }
    assert_eq!(
        view.decide("alice", "read", "r1"),
        Verdict::Permit,
        "tokens alone"
    );
}

#[test]
fn policies_may_name_one_action_and_one_record() {
    let view = view(
        r#"permit (principal, action == Action::"read", resource == Record::"r1");"#,
        &[],
    );
    assert_eq!(view.decide("alice", "read", "r1"), Verdict::Permit);
    assert_eq!(view.decide("alice", "write", "r1"), Verdict::Deny);
    assert_eq!(view.decide("alice", "read", "r2"), Verdict::Deny);
}

#[test]
fn an_unknown_action_is_an_error_and_no_permit() {
    let view = view("permit (principal, action, resource);", &[]);
    let error = Verdict::Error("no action `erase`".to_owned());
    assert_eq!(view.decide("alice", "erase", "r1"), error);
    assert_eq!(
        danger::decide_skipping_errors(&view, "alice", "erase", "r1"),
        error
    );
}

#[test]
fn a_forbid_that_fails_refuses_unless_errors_are_skipped() {
    let view = view(&format!("{DOCTORS}{BROKEN_FORBID}"), &[("alice", "doctor")]);
    assert!(matches!(
        view.decide("alice", "read", "r1"),
        Verdict::Error(_)
    ));
    let skipped = danger::decide_skipping_errors(&view, "alice", "read", "r1");
    assert_eq!(skipped, Verdict::Permit);
}

#[test]
fn reasons_come_in_the_same_order_every_time() {
    let policy = BROKEN_FORBID.repeat(9);
    let view = view(&policy, &[]);
    let Verdict::Error(reasons) = view.decide("alice", "read", "r1") else {
        panic!("nine policies fail");
    };
    let parts: Vec<&str> = reasons.split("; ").collect();
    assert!(parts.is_sorted() && parts.len() == 9, "{reasons}");
}

#[test]
fn what_is_no_policy_is_refused_by_name() {
    assert!(matches!(
        refused("permit (principal"),
        InvalidPolicy::Syntax(_)
    ));
    let typo = r#"permit (principal in Rolle::"doctor", action, resource);"#;
    assert!(matches!(refused(typo), InvalidPolicy::Schema(_)));
    let attribute = "permit (principal, action, resource) when { principal.age > 1 };";
    assert!(matches!(refused(attribute), InvalidPolicy::Schema(_)));
    let template = "forbid (principal == ?principal, action, resource);";
    assert!(matches!(refused(template), InvalidPolicy::Template(_)));
    let deep = format!(
        "permit (principal, action, resource) when {{ {}",
        "(".repeat(60_000)
    );
    assert_eq!(refused(&deep), InvalidPolicy::Deep(1));
}

#[test]
fn a_heartbeat_copies_nothing_and_a_grant_parses_no_policy() {
    let mut state = state(DOCTORS, &[("alice", "doctor")]);
    let first = PolicyView::build(None, &state, mark(2), Time::from_secs(1)).unwrap();
    let beat = PolicyView::build(Some(&first), &state, mark(2), Time::from_secs(2)).unwrap();
    assert!(Arc::ptr_eq(&first.policies, &beat.policies));
    assert!(Arc::ptr_eq(&first.memberships, &beat.memberships));
    let grant = Entry::Grant {
        principal: "bob".to_owned(),
        role: "doctor".to_owned(),
    };
    state.apply(&grant).unwrap();
    let next = PolicyView::build(Some(&beat), &state, mark(3), Time::from_secs(3)).unwrap();
    assert!(Arc::ptr_eq(&first.policies, &next.policies));
    assert_eq!(
        beat.decide("bob", "read", "r1"),
        Verdict::Deny,
        "a view never changes"
    );
    assert_eq!(next.decide("bob", "read", "r1"), Verdict::Permit);
}
