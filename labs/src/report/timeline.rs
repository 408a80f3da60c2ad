//! What a timeline shows, whoever draws it: which lanes, in whose order, and what each mark says.
//!
//! Nothing is drawn here. A lane is read from a history alone: true time in cells, and in each
//! cell what was heard by the requests that started in it.

use std::collections::BTreeSet;

use super::figure;
use crate::history::{Act, ActKind, Fault, Harm, History, Outcome, Request};
use crate::invariant::{exposure, impersonation};

/// Cells from one label of the axis to the next.
pub(super) const AXIS_STEP: usize = 10;
/// The most lanes of one kind.
pub(super) const LANES_MAX: usize = 4;

/// How true time maps to cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    /// True time in a cell, in microseconds.
    pub(super) cell_us: u64,
    /// How many there are; at least one.
    pub(super) cells: usize,
    /// The last cell that is drawn.
    pub(super) last: usize,
}

impl Scale {
    /// The finest round scale with at most that many cells.
    pub(super) fn new(duration_us: u64, most: usize) -> Self {
        let most = most.max(AXIS_STEP);
        let mut cell_us: u64 = 1_000;
        let mut factors = [2, 5, 10].iter().cycle();
        let mut unit = cell_us;
        while duration_us.div_ceil(cell_us) > most as u64 {
            let factor = *factors.next().expect("a cycle has no end");
            cell_us = unit.saturating_mul(factor);
            if factor == 10 {
                unit = cell_us;
            }
        }
        let cells = duration_us.div_ceil(cell_us).max(1);
        let cells = usize::try_from(cells).unwrap_or(most);
        Self {
            cell_us,
            cells,
            last: cells - 1,
        }
    }

    /// The same scale while time has come no further than that.
    pub(super) fn until(self, at_us: u64) -> Self {
        Self {
            last: self.cell(at_us),
            ..self
        }
    }

    /// The cell of that true time; the last one for what is beyond the end.
    pub(super) fn cell(&self, at_us: u64) -> usize {
        usize::try_from(at_us / self.cell_us).map_or(self.cells - 1, |at| at.min(self.cells - 1))
    }
}

/// What the requests of one cell heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) permitted: u64,
    pub(super) refused: u64,
    pub(super) silent: u64,
    /// Of the permitted: those after the revocation of who asked was acknowledged, or under a name
    /// that is not theirs.
    pub(super) after_revoke: u64,
}

/// What a cell shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// Nothing was asked.
    Empty,
    Permitted,
    /// Refused by name, or with some left unanswered.
    Refused,
    /// Some permitted, some not.
    Mixed,
    /// No answer.
    Silent,
}

impl Heard {
    /// A failure on the way, by whatever name the client gave it, is no answer.
    fn count(&mut self, request: &Request, late: bool) {
        match (&request.outcome, request.outcome.named()) {
            (Outcome::Served { .. }, _) => {
                self.permitted += 1;
                self.after_revoke += u64::from(late);
            }
            (Outcome::Refused(_), Some(_)) => self.refused += 1,
            (Outcome::Refused(_) | Outcome::Unknown, _) => self.silent += 1,
        }
    }

    pub(super) const fn mark(self) -> Mark {
        match (self.permitted, self.refused, self.silent) {
            (0, 0, 0) => Mark::Empty,
            (_, 0, 0) => Mark::Permitted,
            (0, 0, _) => Mark::Silent,
            (0, _, _) => Mark::Refused,
            (_, _, _) => Mark::Mixed,
        }
    }

    /// Whether what was permitted here was mostly permitted to someone already revoked, or to
    /// somebody else than it was meant for.
    pub(super) const fn is_late(self) -> bool {
        self.after_revoke * 2 > self.permitted
    }
}

/// What one principal heard, cell by cell; of one action, or of all.
pub(super) fn heard(
    history: &History,
    scale: Scale,
    who: &str,
    action: Option<&str>,
) -> Vec<Heard> {
    let late: BTreeSet<String> = if history.expect.harm() == Harm::Impersonation {
        let placed = history.placed();
        let all = impersonation::seen(&placed).impostures.into_iter();
        let of = all.filter(|it| it.request.sender() == who);
        of.map(|it| it.request.id.clone()).collect()
    } else {
        let lates = exposure::successes(history).into_iter();
        let of = lates.filter(|late| late.principal == who);
        of.map(|late| late.request).collect()
    };
    let asked = history.requests.iter().filter(|request| {
        history.lane(request) == who && action.is_none_or(|action| action == request.action)
    });
    let mut cells = vec![Heard::default(); scale.cells];
    for request in asked {
        cells[scale.cell(request.started_us)].count(request, late.contains(&request.id));
    }
    cells
}

/// Who attacked: the first by name.
pub(crate) fn attacker(history: &History) -> Option<&str> {
    let attacks = history
        .requests
        .iter()
        .filter(|r| r.tag == history.expect.attack_tag);
    attacks.map(|request| history.lane(request)).min()
}

/// A legitimate user to follow: one in a cut-off region if there is one, the first by name. Where
/// no floor says who is owed anything, it is whoever is no attacker.
pub(super) fn legitimate(history: &History) -> Option<&str> {
    let expect = &history.expect;
    let owed = |tag: &str| match expect.floors.as_slice() {
        [] => *tag != expect.attack_tag,
        floors => floors.iter().any(|floor| floor.tag == tag),
    };
    let cut = |region: &String| history.faults.iter().any(|f| f.cut_off().contains(region));
    let users = history.requests.iter().filter(|request| owed(&request.tag));
    users
        .map(|request| (!cut(&request.region), history.lane(request)))
        .min()
        .map(|(_, principal)| principal)
}

/// Whose lanes are drawn: the attacker and a legitimate user. Where nobody attacks, those who are
/// owed something: whoever is cut off first, then by name.
pub(super) fn followed(history: &History) -> Vec<&str> {
    if history.expect.harm() != Harm::Outage {
        let both = [attacker(history), legitimate(history)];
        return both.into_iter().flatten().collect();
    }
    let first = legitimate(history);
    let owed = history.requests.iter().filter(|request| {
        let mut floors = history.expect.floors.iter();
        floors.any(|floor| floor.tag == request.tag)
    });
    let owed: BTreeSet<&str> = owed.map(|request| request.principal.as_str()).collect();
    let others = owed.into_iter().filter(|who| Some(*who) != first);
    first.into_iter().chain(others).take(LANES_MAX).collect()
}

/// Where that principal asked from.
pub(super) fn region<'a>(history: &'a History, principal: &str) -> &'a str {
    let asked = history
        .requests
        .iter()
        .find(|request| history.lane(request) == principal);
    asked.map_or("", |request| &request.region)
}

/// The regions on each side of a fault.
pub(super) fn sides(fault: &Fault) -> String {
    let sides: Vec<String> = fault.groups.iter().map(|group| group.join(" ")).collect();
    sides.join(if fault.one_way { " > " } else { " | " })
}

/// The acts that get a lane: revocations before others, then in order of time.
pub(super) fn acts(history: &History) -> Vec<&Act> {
    let mut acts: Vec<&Act> = history.acts.iter().collect();
    let ends = |act: &&Act| act.revokes() || act.kind == ActKind::Authority;
    acts.sort_by_key(|act| (!ends(act), act.asked_us));
    acts.truncate(LANES_MAX);
    acts.sort_by_key(|act| act.asked_us);
    acts
}

/// An act, when it was acknowledged, and in which checkpoint.
pub(super) fn act_words(act: &Act) -> String {
    if let (ActKind::Expiry, Some(at_us)) = (act.kind, act.acknowledged_us) {
        let (at, whose) = (figure::seconds(at_us), &act.principal);
        return format!("{at} the copied {} of {whose} ends", act.role);
    }
    if let (ActKind::Rogue, Some(at_us)) = (act.kind, act.acknowledged_us) {
        let (at, whose) = (figure::seconds(at_us), &act.principal);
        return format!("{at} a certificate of {whose} that nobody issued is let in");
    }
    if act.kind == ActKind::Enrol {
        let (who, name) = (&act.principal, &act.role);
        return match act.acknowledged_us {
            Some(at_us) => {
                let at = figure::seconds(at_us);
                format!("{at} the CA certifies {who} as {name}")
            }
            None => {
                let at = figure::seconds(act.asked_us);
                format!("{at} the CA does not certify {who} as {name}")
            }
        };
    }
    let what = match act.kind {
        ActKind::Rotate | ActKind::Authority => act.role.clone(),
        _ => [act.kind.name(), act.principal.as_str()].join(" "),
    };
    let what = what.trim_end();
    match act.acknowledged_us {
        Some(at_us) if act_lane(act) == "ca" => {
            format!("{} {what}, recorded by the CA", figure::seconds(at_us))
        }
        Some(at_us) => format!(
            "{} {what} acknowledged, checkpoint {}",
            figure::seconds(at_us),
            act.policy_size
        ),
        None if act_lane(act) == "ca" => format!(
            "{} {what}, ordered and not carried out",
            figure::seconds(act.asked_us)
        ),
        None => format!(
            "{} {what} pending: no promise",
            figure::seconds(act.asked_us)
        ),
    }
}

/// Whose act it is: of whoever keeps the policy, or of the CA.
pub(super) fn act_lane(act: &Act) -> &'static str {
    match act.kind {
        ActKind::Leaf | ActKind::Rotate | ActKind::Authority | ActKind::Enrol => "ca",
        ActKind::Grant
        | ActKind::Revoke
        | ActKind::Policy
        | ActKind::Entities
        | ActKind::LogOut => "policy",
        ActKind::Expiry => "end",
        ActKind::Rogue => "audit",
    }
}

/// What the lanes of acts say: runs that say the same share them.
pub(super) fn acts_key(history: &History) -> String {
    let words: Vec<String> = acts(history).into_iter().map(act_words).collect();
    words.join("; ")
}

/// What the lanes of faults show: runs that show the same share them.
pub(super) fn faults_key(history: &History) -> String {
    let tenth = |us: u64| us / 100_000;
    let shown = history.faults.iter().map(|fault| {
        let ends = (tenth(fault.from_us), fault.to_us.map(tenth));
        format!(
            "{} {ends:?} {:?} {}",
            fault.name, fault.groups, fault.one_way
        )
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// Which histories get lanes of their own: the first alone if every one would show the same.
pub(super) fn distinct(histories: &[&History], key: fn(&History) -> String) -> usize {
    let keys: BTreeSet<String> = histories.iter().map(|history| key(history)).collect();
    if keys.len() == 1 { 1 } else { histories.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sample::Sample;

    #[test]
    fn a_scale_is_round_and_never_has_more_cells_than_there_is_room_for() {
        let scale = |seconds: u64, most| Scale::new(seconds * 1_000_000, most);
        let (cell_us, cells) = (1_000_000, 60);
        assert_eq!(
            scale(60, 60),
            Scale {
                cell_us,
                cells,
                last: cells - 1
            }
        );
        assert_eq!(scale(61, 60).cell_us, 2_000_000);
        assert_eq!(scale(600, 90).cells, 60);
        assert_eq!(Scale::new(0, 60).cells, 1);
        let longest = Scale::new(u64::MAX, 60);
        assert!(longest.cells <= 60);
        assert_eq!(longest.cell(u64::MAX), longest.cells - 1);
    }

    #[test]
    fn a_permit_is_late_from_the_acknowledgement_on_and_only_for_the_revoked() {
        let mut sample = Sample::new(60);
        sample.revoke("mallory", 12_000_000, Some(12_500_000));
        for (id, who, at_us) in [
            ("m-1", "mallory", 12_100_000),
            ("m-2", "mallory", 12_600_000),
            ("m-3", "mallory", 12_800_000),
            ("a-1", "alice", 12_700_000),
        ] {
            sample.served(id, "attack", who, "read", at_us);
        }
        sample.refused("m-4", "attack", "mallory", "write", 12_900_000);
        let scale = Scale::new(60_000_000, 60);
        let cell = |who, action| heard(&sample.history, scale, who, action)[12];
        let read = cell("mallory", Some("read"));
        assert_eq!((read.permitted, read.after_revoke), (3, 2));
        assert_eq!((read.mark(), read.is_late()), (Mark::Permitted, true));
        assert_eq!(cell("mallory", None).mark(), Mark::Mixed);
        assert!(!cell("alice", None).is_late());
    }
}
