//! Coming back after damage: files cut short, files that are empty, and all of it past its end.
//!
//! What is damaged is put right by writing good files, as an operator would; the target is not
//! started again, since whether that is needed is the question. That it comes back at all is seen
//! once more by the controls after each case.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::{Before, Case, Rests, Scene, Told};
use crate::drill::answer::{Answer, Group};
use crate::drill::authority::{Crl, Life};
use crate::drill::clock;
use crate::drill::eyes::Identity;
use crate::drill::file::Piece;
use crate::drill::place::Material;
use crate::drill::stage::{Arrival, Caller, Met, Obstacle, Put, Signer, Stage, Until};

const TRUNCATED: &str = "truncated-chain";
const EMPTY: &str = "empty-trust";
const NOBODY: &str = "a caller without a certificate";
const EXPIRED: &str = "all-expired";

/// How much longer than its delivery a leaf lives that is to expire: dates are whole seconds.
const SPARE: Duration = Duration::from_secs(3);

/// For how long after its end nothing is done.
const AFTER: Duration = Duration::from_millis(1_500);

pub(super) const SCENES: &[Scene] = &[
    Scene {
        cases: &[Case {
            word: TRUNCATED,
            group: Group::Recovery,
            title: "A chain that is cut short",
            does: "Writes a new leaf whose chain ends in the middle of its first certificate, as a \
                   full disk or a reader in the middle of a write sees it; a good caller must be \
                   served until `settle` is over. Then a whole pair is written, and must be \
                   served without a restart.",
            why: "A watcher that ends at one bad file misses every good one after it, and that an \
                  update was missed shows only when the old certificate ends (linkerd2#15109).",
            rests: Rests::Advice("the last good leaf is better than none"),
            needs: &[],
            worth: 5,
        }],
        before: Before::Good,
        about: |drill| drill.target.settle + Duration::from_secs(3),
        act: |stage| Box::pin(truncated(stage)),
    },
    Scene {
        cases: &[Case {
            word: EMPTY,
            group: Group::Recovery,
            title: "No root at all",
            does: "Empties the file of roots. Until `settle` is over, a caller of an unknown \
                   authority and one without a certificate must not be served; good callers may \
                   be or not. Then the roots are written again.",
            why: "An empty list of roots means that nobody is trusted. A reader that takes it for \
                  no wish to check lets everybody in, on the day on which a bundle was lost, as \
                  Envoy did (envoy#39387, mended).",
            rests: Rests::Must("RFC 5280, section 6.1"),
            needs: &[],
            worth: 7,
        }],
        before: Before::Good,
        about: |drill| drill.target.settle + Duration::from_secs(3),
        act: |stage| Box::pin(empty_trust(stage)),
    },
    Scene {
        cases: &[Case {
            word: EXPIRED,
            group: Group::Recovery,
            title: "Everything is past its end",
            does: "Gives the target a leaf that lives for seconds, and revocation lists if it \
                   reads any, and waits until they are over. Then fresh ones are written, and \
                   must be served without a restart. Dates in certificates are moved, not a \
                   clock.",
            why: "After an outage that outlasts its certificates a service must come back by \
                  itself, or every one of them is started again by hand (linkerd2#13136, \
                  spire#1562).",
            rests: Rests::Advice("an outage must not outlast its cause"),
            needs: &[],
            worth: 6,
        }],
        before: Before::Good,
        about: |_| Duration::from_secs(8),
        act: |stage| Box::pin(all_expired(stage)),
    },
];

/// What is said when a fresh leaf was offered after the damage.
fn back(word: &'static str, before: &str, (put, arrival): &(Put, Arrival)) -> Told {
    let complaint = put.complaint.as_deref();
    let complaint = complaint.map(|why| format!("; {why}")).unwrap_or_default();
    match arrival {
        Arrival::Served { after } => Told::pass(
            word,
            format!(
                "{before}; a fresh pair was served after {} ms, without a restart",
                after.as_millis()
            ),
        ),
        Arrival::Strange | Arrival::Blind(_) => {
            Told::cannot_judge(word, format!("{before}; {}", arrival.why()))
        }
        Arrival::Older | Arrival::Both | Arrival::None(_) => Told::fail(
            word,
            format!("{before}; of a fresh pair: {}{complaint}", arrival.why()),
        ),
    }
}

async fn truncated(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    // A damaged chain says nothing of a target that does not take whole ones.
    stage.delivers().await?;
    let good = stage.caller(Signer::Old)?;
    let cut = Material::leaf(&stage.new_leaf(Signer::Old)?).cutting(Piece::Chain);
    // A reload that refuses it does right.
    stage.put(&cut).await?;
    let span = stage.settle();
    let met = stage.meet_throughout(&good, Until::Served, span).await?;
    let lost = match met {
        None => None,
        Some(met) => lasting(stage, &good).await?.map(|still| (met, still)),
    };
    let before = match &lost {
        None => "with a chain cut short, the leaf from before was served on".to_owned(),
        Some((met, still)) => {
            format!("with a chain cut short, a good caller met: {met}; and then: {still}")
        }
    };
    let leaf = stage.new_leaf(Signer::Old)?;
    let offered = stage.offer(&leaf, Material::default()).await?;
    let mut told = back(TRUNCATED, &before, &offered);
    if lost.is_some() {
        told = Told::fail(TRUNCATED, told.says);
    }
    Ok(vec![told])
}

/// What a good caller meets that was not served a moment ago, if it still is not.
async fn lasting(stage: &Stage, good: &Caller) -> Result<Option<Met>, Obstacle> {
    let mut met = stage.meet(good).await?;
    for _ in 0..2 {
        if met.is_served() {
            return Ok(None);
        }
        sleep(stage.manner().step).await;
        met = stage.meet(good).await?;
    }
    Ok((!met.is_served()).then_some(met))
}

pub(super) async fn empty_trust(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let (good, stranger) = (stage.caller(Signer::Old)?, stage.caller(Signer::Stranger)?);
    // A target that asks nobody for a certificate was open before.
    let is_open = stage
        .meet_as(&Identity::nobody(), good.badge.as_ref())
        .await?
        .is_served();
    let empty = Material {
        trust: Some(Vec::new()),
        ..Material::default()
    };
    let put = stage.put(&empty).await?;
    let end = put.at + stage.settle();
    let (mut served, mut refused) = (None, false);
    while served.is_none() {
        let met = stage.meet(&stranger).await?;
        refused |= met.is_refused();
        if met.is_served() {
            served = Some("a caller of an authority that it was never told of");
        } else if !is_open {
            let nobody = Identity::nobody();
            let met = stage.meet_as(&nobody, good.badge.as_ref()).await?;
            refused |= met.is_refused();
            if met.is_served() {
                served = Some(NOBODY);
            }
        }
        if clock::instant() >= end {
            break;
        }
        sleep(stage.manner().step).await;
    }
    let after = clock::millis_since(put.at);
    let of_good = stage.meet(&good).await?;
    let told = match served {
        Some(who) => let_in(after, who),
        None if !(refused || of_good.is_served()) => Told::cannot_judge(
            EMPTY,
            format!("its roots were emptied, and nobody was served or refused: {of_good}"),
        ),
        None => Told::pass(
            EMPTY,
            format!(
                "for {after} ms after its roots were emptied no stranger was served; a good \
                 caller met: {of_good}"
            ),
        ),
    };
    let back = Material::default().trusting(&[stage.cast().root(Signer::Old)]);
    stage.put(&back).await?;
    let limit = stage.settle();
    let met = stage.meet_until(&good, Until::Served, limit).await?;
    if told.answer == Answer::Pass && !met.is_served() {
        let says = format!(
            "{}; once they were written again a good caller met: {met}",
            told.says
        );
        let lost = Told::fail(EMPTY, says);
        return Ok(vec![
            lost.resting(Rests::Advice("an empty file must not be the end")),
        ]);
    }
    Ok(vec![told])
}

/// What is said of a target without roots that served somebody.
fn let_in(after: u64, who: &str) -> Told {
    let says = format!("{after} ms after its roots were emptied, {who} was served");
    let told = Told::fail(EMPTY, says);
    // A path that is not there cannot be validated wrongly.
    match who {
        NOBODY => told.resting(Rests::Advice("who had to show a certificate must still")),
        _ => told,
    }
}

async fn all_expired(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let lives = stage.delivery() + SPARE;
    let mut wish = stage.cast().target_wish();
    wish.life = Life::from_now(clock::date(), lives);
    let leaf = stage.cast().issuer(Signer::Old).leaf(&wish)?;
    let number = stage.list_number() + 1;
    stage.number_from(number);
    let lists = stage.lists_as(Signer::Old, number, wish.life)?;
    let lists: Vec<&Crl> = lists.iter().collect();
    let short = Material::default().revoking(&lists);
    stage.deliver(&leaf, short).await?;
    let end = SystemTime::from(leaf.not_after);
    let left = end.duration_since(clock::system()).map_err(|_| {
        let why = "control: the leaf was over before it was seen to be served";
        Obstacle::control(why)
    })?;
    sleep(left + AFTER).await;

    let fresh = stage.new_leaf(Signer::Old)?;
    let good = stage.good()?;
    let offered = stage.offer(&fresh, good).await?;
    let before = format!("its leaf was over for {} ms", AFTER.as_millis());
    let mut told = back(EXPIRED, &before, &offered);
    if told.answer == crate::drill::answer::Answer::Pass {
        let caller = stage.caller(Signer::Old)?;
        let limit = stage.settle();
        let met = stage.meet_until(&caller, Until::Served, limit).await?;
        if !met.is_served() {
            told = Told::fail(EXPIRED, format!("{}; a good caller met: {met}", told.says));
        }
    }
    Ok(vec![told])
}
