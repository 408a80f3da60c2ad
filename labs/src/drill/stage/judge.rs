//! What a watch says of a case: its figures held against the longest exposure that is allowed.
//!
//! It looks at nothing. What cannot be told from the figures is no answer, and an end that came for
//! a good caller too is no refusal.

use std::time::Duration;

use super::{Sight, Stage};
use crate::drill::answer::{Answer, Cell, Change, Path, Seen};
use crate::drill::case::Told;
use crate::drill::clock::millis;
use crate::drill::file::Reload;
use crate::drill::sampling::Sampled;

/// How long an exposure may be for a change that needs no delivery, if the owner demands nothing:
/// whole seconds, and clocks that differ a little.
const GRACE: Duration = Duration::from_secs(5);

impl Stage {
    /// How long an exposure may be.
    pub fn allowed(&self, change: Change, path: Path) -> Duration {
        let demanded = self.drill().objectives.of(change, path);
        match (change, demanded) {
            (Change::Expired | Change::TokenWithdrawn, demanded) => demanded.unwrap_or(GRACE),
            (_, Some(demanded)) => demanded + self.delivery(),
            (_, None) => self.settle(),
        }
    }

    /// What an allowed exposure is made of, where it is more than was demanded.
    fn terms(&self, change: Change, path: Path) -> Option<String> {
        let demanded = self.drill().objectives.of(change, path)?;
        let delivery = self.allowed(change, path).checked_sub(demanded)?;
        (delivery > Duration::ZERO).then(|| {
            format!(
                "; allowed are the {} ms demanded and {} ms for delivery",
                demanded.as_millis(),
                delivery.as_millis()
            )
        })
    }

    /// Whether the target was told of this change by a command.
    fn is_told_of(&self, change: Change) -> bool {
        let written = match change {
            Change::LeafRevoked | Change::RootRemoved | Change::KeyRemoved => true,
            Change::Expired | Change::TokenWithdrawn => false,
        };
        written && matches!(self.drill().target.reload, Reload::Command(_))
    }

    /// What a sight says of the case that is about this path.
    pub fn judged(&self, word: &'static str, change: Change, sight: &Sight) -> Told {
        let allowed = self.allowed(change, sight.path);
        let (answer, says, cell) = match &sight.seen {
            Ok(sampled) => {
                let cell = sampled.cell(change, sight.path, Some(allowed));
                let (answer, mut says) = judge(sampled, allowed, self.manner().step);
                says.extend(self.terms(change, sight.path));
                let judged = (answer, says);
                let for_all = sight.for_all.as_deref();
                let (answer, says) = match (judged, for_all) {
                    ((Answer::Pass, says), Some(how)) => {
                        let told = self.is_told_of(change);
                        closed_for_all(told, &says, how)
                    }
                    (judged, _) => judged,
                };
                let seen = match (answer, &cell.seen) {
                    // A watch that was too short still shows how long it saw.
                    (Answer::CannotJudge, Seen::StillServed { .. }) => cell.seen,
                    (Answer::CannotJudge, _) => Seen::CannotJudge { why: says.clone() },
                    _ => cell.seen,
                };
                (answer, says, Cell { seen, ..cell })
            }
            Err(why) => {
                let cell = Cell {
                    change,
                    path: sight.path,
                    seen: Seen::NotApplicable,
                    step_ms: millis(self.manner().step),
                    allowed_ms: None,
                };
                (Answer::NotApplicable, why.clone(), cell)
            }
        };
        Told {
            cells: vec![cell],
            ..Told::new(word, answer, says)
        }
    }
}

/// What the end of a path says that a good caller lost as well. After a `reload` it may be how the
/// target honours a change; otherwise nobody knows why it came.
pub(super) fn closed_for_all(told: bool, says: &str, how: &str) -> (Answer, String) {
    match told {
        true => (
            Answer::Pass,
            format!("closed for everybody, a good caller too ({how}): {says}"),
        ),
        false => (
            Answer::CannotJudge,
            format!("control: a good caller's own ended as well ({how}): {says}"),
        ),
    }
}

/// What a watch says, held against the longest exposure that is allowed; `planned` is how far apart
/// its samples were meant to be.
pub(super) fn judge(sampled: &Sampled, allowed: Duration, planned: Duration) -> (Answer, String) {
    let most = millis(allowed);
    let said = sampled.said.as_deref().unwrap_or("refused");
    let turns = match sampled.returned {
        0 => String::new(),
        n => format!("; {n} times a success came after a refusal, so several backends answer"),
    };
    let planned = millis(planned);
    let step = sampled.step_ms;
    // The truth lies up to a step later, and one planned step is what everybody is given.
    let wide = |after_ms: u64| after_ms + step > most + planned;
    let known = match step > 2 * planned {
        true => format!(", or up to {step} ms later,"),
        false => String::new(),
    };
    let unsure = |says: &str| {
        let says = format!(
            "{says}, and for {step} ms nothing was known, so whether it ended within {most} ms \
             cannot be told: {said}"
        );
        (Answer::CannotJudge, says)
    };
    match &sampled.seen {
        Seen::RefusedAtOnce if wide(0) => unsure("no request succeeded after the change"),
        Seen::RefusedAtOnce => (
            Answer::Pass,
            format!("no request succeeded after the change: {said}"),
        ),
        Seen::LastSuccess { after_ms } => {
            let says = format!("the last success was {after_ms} ms after the change{known}");
            if *after_ms <= most && wide(*after_ms) {
                return unsure(&says);
            }
            let answer = match *after_ms <= most {
                true => Answer::Pass,
                false => Answer::Fail,
            };
            let says = format!("{says}, and {most} ms are allowed{turns}; then: {said}");
            (answer, says)
        }
        Seen::StillServed { watched_ms } if *watched_ms >= most => (
            Answer::Fail,
            format!(
                "still served when the watch ended, {watched_ms} ms after the change, and {most} \
                 ms are allowed"
            ),
        ),
        Seen::StillServed { watched_ms } => (
            Answer::CannotJudge,
            format!(
                "still served when the watch ended after {watched_ms} ms, and {most} ms are \
                 allowed: watch for longer"
            ),
        ),
        Seen::CannotJudge { why } => (Answer::CannotJudge, why.clone()),
        Seen::NotApplicable => (
            Answer::NotApplicable,
            "the target has no such path".to_owned(),
        ),
    }
}
