//! Certificates and their dates: one that ends ends on every path, and none begins early.
//!
//! Nobody can move a stranger's clock, so the dates in certificates are moved instead.

use std::time::Duration;

use super::{Before, Case, Need, Rests, Scene, Told};
use crate::drill::answer::{Change, Group, Path};
use crate::drill::authority::Life;
use crate::drill::clock;
use crate::drill::stage::{Met, Obstacle, Signer, Stage, Watching};

const EXPIRES: [(Path, &str); 4] = [
    (Path::New, "expired-caller"),
    (Path::Resumed, "expires-resumed"),
    (Path::Established, "expires-established"),
    (Path::Stream, "expires-open-stream"),
];
const NOT_YET: &str = "not-yet-valid-caller";

/// How far ahead the end of a leaf lies at least.
const AHEAD: Duration = Duration::from_secs(3);

/// And so many times as far as one question takes, so that all paths can be opened before it.
const QUESTIONS: u32 = 25;

/// No further than this, however slow the target is.
const FARTHEST: Duration = Duration::from_secs(60);

const CHANGE: &str = "A caller's leaf ends in a few seconds; its paths are opened before, and \
                      watched at the same time from its end on. The date in the certificate is \
                      moved, not a clock, so two clocks that differ show as exposure.";

pub(super) const SCENES: &[Scene] = &[
    Scene {
        cases: &[
            Case {
                word: EXPIRES[0].1,
                group: Group::Time,
                title: "An expired leaf is refused on new connections",
                does: CHANGE,
                why: "Short lives are the revocation of those who have none; a verify callback \
                      that waves expiry through takes them away.",
                rests: Rests::Must("RFC 5280, section 6.1.3 (a) (2)"),
                needs: &[],
                worth: 8,
            },
            Case {
                word: EXPIRES[1].1,
                group: Group::Time,
                title: "A session ends with its certificate",
                does: CHANGE,
                why: "Dates were looked at once, and each resumption renews the ticket: a \
                      session outlives its certificate for as long as somebody comes back \
                      (scylladb/python-driver#1017).",
                rests: Rests::Exposure(
                    Change::Expired,
                    Path::Resumed,
                    "RFC 8446, section 4.6.1, recommends that a session's life heeds the life of \
                     its peer's certificate",
                ),
                needs: &[],
                worth: 8,
            },
            Case {
                word: EXPIRES[2].1,
                group: Group::Time,
                title: "A connection ends with its certificate",
                does: CHANGE,
                why: "Connections outlive the certificates that opened them in Envoy \
                      (envoy#17999), Istio (istio#7630) and gRPC (grpc-go#3021); SPIRE looks at \
                      the date at every request (spire#711).",
                rests: Rests::Exposure(
                    Change::Expired,
                    Path::Established,
                    "a leaf of an hour on a connection of a week is a leaf of a week",
                ),
                needs: &[],
                worth: 6,
            },
            Case {
                word: EXPIRES[3].1,
                group: Group::Time,
                title: "A stream ends with its certificate",
                does: CHANGE,
                why: "Targets that look at an end at every request look at a stream's once \
                      (bytebase/bytebase#19238, of tokens).",
                rests: Rests::Exposure(
                    Change::Expired,
                    Path::Stream,
                    "a stream is one request that can last for days",
                ),
                needs: &[Need::Stream],
                worth: 6,
            },
        ],
        before: Before::Good,
        about: |_| AHEAD + Duration::from_secs(4),
        act: |stage| Box::pin(expires(stage)),
    },
    Scene {
        cases: &[Case {
            word: NOT_YET,
            group: Group::Time,
            title: "A leaf is refused before it begins",
            does: "A caller comes with a leaf that is valid from an hour ahead on. The date in \
                   the certificate is moved, not a clock.",
            why: "Clocks that drift make fresh leaves fail (istio#32176, vault#1036), and who \
                  does not look at the beginning at all takes leaves that were made for later.",
            rests: Rests::Must("RFC 5280, section 6.1.3 (a) (2)"),
            needs: &[],
            worth: 5,
        }],
        before: Before::Good,
        about: |_| Duration::from_secs(1),
        act: |stage| Box::pin(not_yet(stage)),
    },
];

async fn expires(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let good = stage.caller(Signer::Old)?;
    let asked = clock::instant();
    stage.good_is_served(&good).await?;
    let took = clock::instant().saturating_duration_since(asked);
    let ahead = (AHEAD + took * QUESTIONS).min(FARTHEST);
    let mut wish = stage.cast().caller_wish();
    wish.life = Life::from_now(clock::date(), ahead);
    let victim = stage.caller_with(Signer::Old, &wish)?;
    let mut paths = stage.open_paths(&victim, &good).await?;
    // A certificate is valid through the whole of its last second.
    let since = clock::instant_of(victim.leaf.not_after + Duration::from_secs(1));
    if since <= clock::instant() {
        return Err(Obstacle::control(format!(
            "control: opening the caller's paths took longer than {} s",
            ahead.as_secs()
        )));
    }
    stage.until(since).await;
    let watching = Watching {
        change: Change::Expired,
        since,
        good: &good,
    };
    let sights = stage.watch_paths(&mut paths, watching).await?;
    Ok(super::told_of(stage, Change::Expired, &EXPIRES, &sights))
}

async fn not_yet(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let mut wish = stage.cast().caller_wish();
    wish.life = Life::begins_in(clock::date(), Duration::from_secs(60 * 60));
    let early = stage.caller_with(Signer::Old, &wish)?;
    let met = stage.meet(&early).await?;
    let good = stage.caller(Signer::Old)?;
    stage.good_is_served(&good).await?;
    Ok(vec![match met {
        Met::Refused(how) => Told::pass(NOT_YET, format!("it is refused: {how}")),
        Met::Served => Told::fail(NOT_YET, "it is served an hour before its beginning"),
        Met::Unclear(said) => Told::cannot_judge(NOT_YET, said),
    }])
}
