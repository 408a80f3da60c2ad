//! Reports for the tests: a good target's, a bad one's, and one whose every name is hostile.

use crate::drill::answer::*;

/// What no output may let through as it is.
pub(crate) const EVIL: &str =
    "</td>]]><script>alert(1)</script>\" onload='x' & | `\n# x\u{1b}[31m\u{202e}\u{0}\u{ffff}";

pub(crate) fn row(word: &str, answer: Answer) -> CaseRow {
    CaseRow {
        word: word.to_owned(),
        group: Group::Leaf,
        basis: Basis::Must("RFC 5280 section 6.1".to_owned()),
        answer,
        says: String::new(),
        tries: vec![answer; 3],
        cells: Vec::new(),
        served: None,
        took_ms: 1500,
        accepted: None,
    }
}

pub(crate) fn cell(change: Change, path: Path, seen: Seen) -> Cell {
    Cell {
        change,
        path,
        seen,
        step_ms: 100,
        allowed_ms: None,
    }
}

pub(crate) fn good() -> Report {
    let mut revoked = row("revoked-leaf-new", Answer::Pass);
    revoked.group = Group::Revocation;
    revoked.cells = vec![cell(Change::LeafRevoked, Path::New, Seen::RefusedAtOnce)];
    Report {
        format: FORMAT,
        target: "localhost:8443".to_owned(),
        begun: "2026-11-27T10:00:00Z".to_owned(),
        took_ms: 58_200,
        rows: vec![row("leaf-swap", Answer::Pass), revoked],
        notes: vec!["Cases about time move the dates in certificates.".to_owned()],
    }
}

pub(crate) fn bad() -> Report {
    let mut report = good();
    let mut swap = row("leaf-swap", Answer::Fail);
    swap.says = "after 120 s the old leaf was still served".to_owned();
    swap.served = Some(Served {
        asked: 900,
        failed: 3,
        failed_after_retry: 1,
    });
    let of = |word, group, answer, cells| {
        let mut row = row(word, answer);
        row.group = group;
        row.cells = cells;
        row
    };
    let seen = |path, seen| vec![cell(Change::LeafRevoked, path, seen)];
    let served = Seen::StillServed {
        watched_ms: 120_000,
    };
    let last = Seen::LastSuccess { after_ms: 31_400 };
    let mut stream = of(
        "revoked-leaf-open-stream",
        Group::Revocation,
        Answer::Fail,
        seen(Path::Stream, last),
    );
    stream.basis = Basis::Objective("revoked-leaf.stream".to_owned());
    let why = "no ticket came".to_owned();
    let unjudged = vec![cell(
        Change::RootRemoved,
        Path::Resumed,
        Seen::CannotJudge { why },
    )];
    let resumed = seen(Path::Resumed, served);
    report.rows = vec![
        swap,
        of(
            "revoked-leaf-new",
            Group::Revocation,
            Answer::Pass,
            seen(Path::New, Seen::RefusedAtOnce),
        ),
        of(
            "revoked-leaf-resumed",
            Group::Revocation,
            Answer::Fail,
            resumed,
        ),
        stream,
        of(
            "old-root-resumed",
            Group::Trust,
            Answer::CannotJudge,
            unjudged,
        ),
        of(
            "expired-token",
            Group::Tokens,
            Answer::NotApplicable,
            Vec::new(),
        ),
    ];
    report
}

pub(crate) fn hostile() -> Report {
    let mut report = bad();
    let evil = || EVIL.to_owned();
    report.target = evil();
    report.begun = evil();
    report.notes.push(evil());
    for row in &mut report.rows {
        row.word.push_str(EVIL);
        row.says = evil();
        row.basis = Basis::Must(evil());
        row.accepted = Some(evil());
        for cell in &mut row.cells {
            if let Seen::CannotJudge { why } = &mut cell.seen {
                why.push_str(EVIL);
            }
        }
    }
    report
}
