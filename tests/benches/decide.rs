//! What a decision costs: the policy view against Cedar alone.
//!
//! The floor has request, policies and entities ready; the view makes the request and the caller's
//! entities anew each time, so that no decision outlives its checkpoint.

mod pace;

use std::collections::HashSet;
use std::hint::black_box;

use ca::clock::Time;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request,
};
use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use services::policy::entry::Entry;
use services::policy::fold::PolicyState;
use services::policy::view::{Mark, PolicyView, Verdict};

/// Who asks in every line.
const CALLER: &str = "user-0";

/// The first lab's policy: two roles, a permit for each.
fn policy() -> &'static str {
    let lab = labs::catalog::find("stale-acl").expect("the first lab is built in");
    lab.solution_policy
}

/// A view in which this many principals have a role.
fn view(memberships: u64) -> PolicyView {
    let mut state = PolicyState::default();
    let grants = (0..memberships).map(|n| Entry::Grant {
        principal: format!("user-{n}"),
        role: "doctor".to_owned(),
    });
    let policy = Entry::PutPolicy {
        policy: policy().to_owned(),
        entities: Vec::new(),
    };
    for entry in grants.chain([policy]) {
        state.apply(&entry).expect("fewer than the bounds");
    }
    let mark = Mark {
        size: memberships + 1,
        root: [0; 32],
    };
    PolicyView::build(None, &state, mark, Time::from_secs(0)).expect("a built-in policy is valid")
}

fn uid(text: &str) -> EntityUid {
    text.parse().expect("a literal names an entity")
}

fn floor(group: &mut BenchmarkGroup<'_, WallTime>) {
    let policies: PolicySet = policy().parse().expect("a built-in policy is valid");
    let (user, role) = (uid(r#"User::"user-0""#), uid(r#"Role::"doctor""#));
    let entities = [
        Entity::new_no_attrs(role.clone(), HashSet::new()),
        Entity::new_no_attrs(user.clone(), HashSet::from([role])),
    ];
    let entities = Entities::from_entities(entities, None).expect("two entities, no cycle");
    let (action, record) = (uid(r#"Action::"read""#), uid(r#"Record::"r1""#));
    let request = Request::new(user, action, record, Context::empty(), None)
        .expect("without a schema any request is one");
    let authorizer = Authorizer::new();
    let ask = || authorizer.is_authorized(black_box(&request), &policies, &entities);
    assert_eq!(ask().decision(), Decision::Allow);
    group.bench_function("floor: Cedar alone", |bencher| bencher.iter(ask));
}

fn main() {
    let mut criterion = pace::criterion();
    let mut group = criterion.benchmark_group("decide");
    floor(&mut group);
    for memberships in [10, 100] {
        let view = view(memberships);
        let ask = || view.decide(black_box(CALLER), black_box("read"), black_box("r1"));
        assert_eq!(ask(), Verdict::Permit);
        let name = format!("policy view, {memberships} memberships");
        group.bench_function(name, |bencher| bencher.iter(ask));
    }
    group.finish();
    criterion.final_summary();
}
