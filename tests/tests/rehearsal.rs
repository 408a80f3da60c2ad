//! Rotation under load: leaves, roots, issuers and token keys are replaced while a clinic is asked
//! two hundred times a second, and no request fails. The whole of it is `schism ca rehearse`; this
//! is a slice, and its control: an operator who waits for nobody.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::time::Duration;

use labs::rehearsal::{Outcome, Plan, rehearse};
use tokio::task::LocalSet;

const SLICE: Plan = Plan {
    leaves: 200,
    roots: 4,
    keys: 4,
    per_second: 200,
    within: Duration::from_secs(150),
    hasty: false,
};

fn rehearsed(plan: &Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let silent = &mut |_, _: &Outcome| {};
    let ran = rehearse(plan, silent);
    LocalSet::new().block_on(&runtime, ran).unwrap()
}

/// One after the other: they would starve each other.
#[test]
fn no_request_fails_while_everything_is_replaced_unless_the_operator_waits_for_nobody() {
    let outcome = rehearsed(&SLICE);
    assert!(outcome.reached(&SLICE), "{outcome:?}");
    assert_eq!(outcome.failures(), 0, "{outcome:?}");
    assert_eq!(outcome.broken_off, None);
    assert!(outcome.asked >= 5_000, "{outcome:?}");

    let hasty = Plan {
        leaves: 60,
        roots: 2,
        keys: 0,
        within: Duration::from_secs(20),
        hasty: true,
        ..SLICE
    };
    let outcome = rehearsed(&hasty);
    assert!(outcome.failures() > 0, "{outcome:?}");
}
