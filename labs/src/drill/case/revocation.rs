//! Certificates taken back: the list counts on every path, and no older one undoes it.

use std::time::Duration;

use super::{Before, Case, Need, Rests, Scene, Told};
use crate::drill::answer::{Change, Group, Path};
use crate::drill::authority::{Crl, Life};
use crate::drill::clock;
use crate::drill::place::Material;
use crate::drill::stage::{Caller, Met, Obstacle, Signer, Stage, Until, Watching};

const REVOKED: [(Path, &str); 4] = [
    (Path::New, "revoked-leaf-new"),
    (Path::Resumed, "revoked-leaf-resumed"),
    (Path::Established, "revoked-leaf-established"),
    (Path::Stream, "revoked-leaf-open-stream"),
];
const OLDER: &str = "older-crl";
const PAST: &str = "crl-past-next-update";

const CHANGE: &str = "A list is written on which one caller's leaf stands, and that caller is \
                      watched on all four paths at the same time.";

/// How long the end of a list may take to show: whole seconds, and clocks that differ a little.
const GRACE: Duration = Duration::from_secs(5);

pub(super) const SCENES: &[Scene] = &[
    Scene {
        cases: &[
            Case {
                word: REVOKED[0].1,
                group: Group::Revocation,
                title: "A revoked leaf is refused on new connections",
                does: CHANGE,
                why: "A list that nobody reads takes nothing back. go-spiffe reads none \
                      (go-spiffe#329), and Istio read none for years (istio#17763); refusing \
                      the renewal only is what step-ca's documentation calls passive.",
                rests: Rests::Settled(Change::LeafRevoked, Path::New),
                needs: &[Need::Crl],
                worth: 9,
            },
            Case {
                word: REVOKED[1].1,
                group: Group::Revocation,
                title: "A revoked leaf is refused on resumed sessions",
                does: CHANGE,
                why: "For a resumed session rustls asks no verifier and Go no \
                      VerifyPeerCertificate (spire#6715); Oak served a caller that was revoked \
                      (project-oak/oak#5167). In TLS 1.3 each resumption can bring a new \
                      ticket, so a stolen leaf may live on for ever \
                      (scylladb/python-driver#1017).",
                rests: Rests::Exposure(
                    Change::LeafRevoked,
                    Path::Resumed,
                    "RFC 8446, section 4.6.1, recommends that a session's life heeds its peer's \
                     certificate and its revocation",
                ),
                needs: &[Need::Crl],
                worth: 9,
            },
            Case {
                word: REVOKED[2].1,
                group: Group::Revocation,
                title: "A revoked leaf is refused on open connections",
                does: CHANGE,
                why: "The thief has a connection open already. Lists are looked at in the \
                      handshake by nginx and Envoy; Teleport closes a connection, but for its \
                      certificate's end only (teleport#41826).",
                rests: Rests::Exposure(
                    Change::LeafRevoked,
                    Path::Established,
                    "whoever stole the key has a connection open already",
                ),
                needs: &[Need::Crl],
                worth: 7,
            },
            Case {
                word: REVOKED[3].1,
                group: Group::Revocation,
                title: "A revoked leaf is refused on open streams",
                does: CHANGE,
                why: "A watch that was opened before the revocation shows all that happens \
                      after it; Consul looked at a stream's rights when it began, and not again \
                      (consul#5237, since mended).",
                rests: Rests::Exposure(
                    Change::LeafRevoked,
                    Path::Stream,
                    "a stream is one request that can last for days",
                ),
                needs: &[Need::Crl, Need::Stream],
                worth: 7,
            },
        ],
        before: Before::Good,
        about: |_| Duration::from_secs(6),
        act: |stage| Box::pin(revoked(stage)),
    },
    Scene {
        cases: &[Case {
            word: OLDER,
            group: Group::Revocation,
            title: "An older list does not undo a newer one",
            does: "A leaf is revoked, and refused; then a list with a lower number is written, on \
                   which it does not stand. It must stay refused until `settle` is over.",
            why: "Whoever can delay or replay files gives a stolen leaf its power back. \
                  rustls-webpki 0.103 takes the first list that fits and does not look at its \
                  number (rustls-webpki#488, mended on its main branch).",
            rests: Rests::Advice(
                "RFC 5280, section 5.2.3: the number is there to tell which list supersedes which",
            ),
            needs: &[Need::Crl],
            worth: 5,
        }],
        before: Before::Good,
        about: |drill| drill.target.settle + Duration::from_secs(3),
        act: |stage| Box::pin(older(stage)),
    },
    Scene {
        cases: &[Case {
            word: PAST,
            group: Group::Revocation,
            title: "A list past its next update is no proof",
            does: "Writes a list that is due for the next in a few seconds, sees by a revoked \
                   caller that it was taken up, and waits. When no newer one has come, a good \
                   caller must be refused. The date in the list is moved, not a clock.",
            why: "Who keeps lists away from a target switches revocation off there: an old list \
                  is believed for ever by rustls-webpki unless told otherwise \
                  (`ExpirationPolicy::Ignore`). Refusing everybody has its price too, so this \
                  is a choice to be made knowingly.",
            rests: Rests::Advice("whoever keeps new lists away switches revocation off"),
            needs: &[Need::Crl],
            worth: 4,
        }],
        before: Before::Good,
        about: |_| Duration::from_secs(8),
        act: |stage| Box::pin(past(stage)),
    },
];

async fn revoked(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let good = stage.caller(Signer::Old)?;
    let victim = stage.caller(Signer::Old)?;
    let mut paths = stage.open_paths(&victim, &good).await?;
    stage.revoke(Signer::Old, &victim.leaf);
    let lists = stage.lists(Signer::Old)?;
    let put = stage.put(&revoking(&lists)).await?;
    let since = put.at;
    put.told()?;
    let watching = Watching {
        change: Change::LeafRevoked,
        since,
        good: &good,
    };
    let sights = stage.watch_paths(&mut paths, watching).await?;
    let told = super::told_of(stage, Change::LeafRevoked, &REVOKED, &sights);
    Ok(told)
}

fn revoking(lists: &[Crl]) -> Material {
    let lists: Vec<&Crl> = lists.iter().collect();
    Material::default().revoking(&lists)
}

/// A caller that is revoked by these lists and refused because of them.
async fn taken_back(stage: &mut Stage, victim: &Caller, lists: &[Crl]) -> Result<(), Obstacle> {
    stage.put(&revoking(lists)).await?.told()?;
    let settle = stage.settle();
    let met = stage.meet_until(victim, Until::Refused, settle).await?;
    if met.is_refused() {
        return Ok(());
    }
    Err(Obstacle::control(format!(
        "control: a revoked caller is not refused within `settle`, so nothing shows that lists \
         are taken up: {met}"
    )))
}

async fn older(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let victim = stage.caller(Signer::Old)?;
    stage.good_is_served(&victim).await?;
    let number = stage.list_number() + 1;
    let hour = Duration::from_secs(60 * 60);
    // It was made before the newer one, and is not over yet.
    let life = Life::from_now(clock::date() - hour, 2 * hour);
    let older = stage.lists_as(Signer::Old, number, life)?;
    stage.revoke(Signer::Old, &victim.leaf);
    stage.number_from(number);
    let newer = stage.lists(Signer::Old)?;
    taken_back(stage, &victim, &newer).await?;
    // A reload that refuses an older list does right.
    stage.put(&revoking(&older)).await?;
    let span = stage.settle();
    let met = stage.meet_throughout(&victim, Until::Refused, span).await?;
    let good = stage.caller(Signer::Old)?;
    stage.good_is_served(&good).await?;
    Ok(vec![match met {
        None => Told::pass(OLDER, "the revoked caller stays refused"),
        Some(Met::Served) => Told::fail(
            OLDER,
            "with a list of a lower number the revoked caller is served again",
        ),
        Some(met) => Told::cannot_judge(OLDER, format!("the revoked caller met: {met}")),
    }])
}

async fn past(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let good = stage.caller(Signer::Old)?;
    let victim = stage.caller(Signer::Old)?;
    stage.revoke(Signer::Old, &victim.leaf);
    let number = stage.list_number() + 1;
    stage.number_from(number);
    let ahead = stage.delivery() + Duration::from_secs(3);
    let life = Life::from_now(clock::date(), ahead);
    let lists = stage.lists_as(Signer::Old, number, life)?;
    taken_back(stage, &victim, &lists).await?;
    let over = clock::instant_of(life.not_after() + Duration::from_secs(1));
    if over <= clock::instant() {
        return Err(Obstacle::control(
            "control: the list was over before it was seen to be taken up",
        ));
    }
    stage.good_is_served(&good).await?;
    stage.until(over).await;
    let met = stage.meet_until(&good, Until::Refused, GRACE).await?;
    Ok(vec![match met {
        Met::Refused(how) => Told::pass(PAST, format!("then a good caller is refused: {how}")),
        Met::Served => Told::fail(
            PAST,
            format!(
                "a good caller is served {} s after the list's next update",
                GRACE.as_secs()
            ),
        ),
        Met::Unclear(said) => Told::cannot_judge(PAST, format!("then a good caller met: {said}")),
    }])
}
