//! Somebody who watches a record: one question, and an answer for each change until it ends.

use services::client::{Heard as Answer, User};
use services::member::Member;

use super::users::{Ask, Heard, note, write_down};
use crate::fabric::TrueTime;

/// A message arrives no later than this after its decision: one that waits longer for its entry is
/// not sent, and a connection that is silent for longer is given up.
const DELIVERY_MAX_US: u64 = 5_000_000;

/// Follows a stream to its end. Each message, and the end, is one line of history: `alice-3`,
/// `alice-3.1`, `alice-3.2`, named as the node's log names its decisions. The first answers the
/// question; the others may have been decided, and sent, long before they are heard.
pub(super) async fn watch(
    (user, token): (&User, Option<&str>),
    ask: &Ask,
    member: &Member,
    region: &str,
    heard: &Heard,
) {
    let opened_us = TrueTime::Sim.micros();
    let mut messages = 0_u64;
    let mut hear = |answer: Answer| {
        let mut ask = ask.clone();
        let (mut started_us, mut since_us) = (opened_us, None);
        if messages > 0 {
            ask.id = format!("{}.{messages}", ask.id);
            started_us = TrueTime::Sim.micros();
            since_us = Some(opened_us.max(started_us.saturating_sub(DELIVERY_MAX_US)));
        }
        messages += 1;
        let mut request = write_down(&ask, started_us, answer, member, region);
        request.since_us = since_us;
        note(heard, &ask, request);
    };
    let end = user.watch_with(&ask.resource, &ask.id, token, &mut hear);
    let end = end.await;
    hear(end);
}
