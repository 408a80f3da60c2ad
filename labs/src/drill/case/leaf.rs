//! The target's own certificate: a new one is served, at no cost, and half of one is not.

use std::time::Duration;

use tokio::time::sleep;

use super::{Before, Case, Rests, Scene, Told};
use crate::drill::answer::Group;
use crate::drill::place::Material;
use crate::drill::stage::{Arrival, Obstacle, Put, Signer, Stage, Until};

const SWAP: &str = "leaf-swap";
const UNDER_LOAD: &str = "leaf-swap-under-load";
const MISMATCH: &str = "leaf-key-mismatch";
const SAME_KEY: &str = "same-key-renewal";

/// How long the load goes on before the swap, and after the new leaf is served.
const BESIDE: Duration = Duration::from_millis(1_500);

pub(super) const SCENES: &[Scene] = &[
    Scene {
        cases: &[Case {
            word: SWAP,
            group: Group::Leaf,
            title: "A new leaf is served without a restart",
            does: "Writes a new leaf and key, tells the target as the file says, and looks which \
                   leaf new handshakes show until `settle` is over.",
            why: "Leaves that live for hours make a restart for each of them an outage; tonic's \
                  own TLS settings take the bytes once, and many servers read their files once \
                  (GreptimeTeam/greptimedb#4104, rwf2/Rocket#2363).",
            rests: Rests::Said("target.settle"),
            needs: &[],
            worth: 9,
        }],
        before: Before::Served,
        about: |_| Duration::from_secs(2),
        act: |stage| Box::pin(swap(stage)),
    },
    Scene {
        cases: &[Case {
            word: UNDER_LOAD,
            group: Group::Leaf,
            title: "A swap costs no request",
            does: "Good callers ask 40 times a second on four connections while a new leaf is \
                   written and taken up. Failures are counted as they come, and after one \
                   retry where gRPC allows it without being told.",
            why: "A rotation that cuts connections is put off until it happens to everybody at \
                  once. Servers that rotate by starting again, or by an age limit on \
                  connections that they cut hard, lose what is under way (envoy#34356).",
            rests: Rests::FailedRequests("a rotation that costs requests is put off"),
            needs: &[],
            worth: 7,
        }],
        before: Before::Good,
        about: |_| Duration::from_secs(5),
        act: |stage| Box::pin(under_load(stage)),
    },
    Scene {
        cases: &[Case {
            word: MISMATCH,
            group: Group::Leaf,
            title: "Half a pair is not served",
            does: "Writes a new leaf without its key, as a reader sees it between two writes; a \
                   good caller must be served until `settle` is over. Then the key follows, and \
                   the new leaf must be served.",
            why: "Key and chain are two files, and a watcher can read one of them new and the \
                  other old. Whoever serves what it read last is down until the next write; \
                  linkerd2-proxy checks its own chain before it publishes it.",
            rests: Rests::Advice("two files are never written at the same moment"),
            needs: &[],
            worth: 5,
        }],
        before: Before::Good,
        about: |drill| drill.target.settle + Duration::from_secs(2),
        act: |stage| Box::pin(mismatch(stage)),
    },
    Scene {
        cases: &[Case {
            word: SAME_KEY,
            group: Group::Leaf,
            title: "A renewal with the same key is served",
            does: "Writes a new leaf for the key that the target has.",
            why: "Some issuers keep the key (cert-manager's `rotationPolicy: Never`), and a \
                  target that looks for changes at the key's file alone serves the old leaf \
                  until it expires.",
            rests: Rests::Said("target.settle"),
            needs: &[],
            worth: 5,
        }],
        before: Before::Good,
        about: |_| Duration::from_secs(2),
        act: |stage| Box::pin(same_key(stage)),
    },
];

async fn swap(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let leaf = stage.new_leaf(Signer::Old)?;
    let offered = stage.offer(&leaf, Material::default()).await?;
    Ok(vec![arrived(SWAP, &offered)])
}

/// A new leaf must be served.
fn arrived(word: &'static str, (put, arrival): &(Put, Arrival)) -> Told {
    let complaint = put.complaint.as_deref();
    let complaint = complaint.map(|why| format!("; {why}")).unwrap_or_default();
    match arrival {
        Arrival::Served { after } => Told::pass(
            word,
            format!("the new leaf was served after {} ms", after.as_millis()),
        ),
        // Whose it is, nobody knows: the target may serve the new one behind it.
        Arrival::Strange | Arrival::Blind(_) => {
            Told::cannot_judge(word, format!("{}{complaint}", arrival.why()))
        }
        Arrival::Older | Arrival::Both | Arrival::None(_) => {
            Told::fail(word, format!("{}{complaint}", arrival.why()))
        }
    }
}

async fn under_load(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let caller = stage.caller(Signer::Old)?;
    let control = stage.load(&caller)?;
    sleep(BESIDE).await;
    let control = control.end().await;
    if control.served.failed > 0 {
        return Err(Obstacle::control(format!(
            "control: {} of {} requests failed before anything was changed: {}",
            control.served.failed,
            control.served.asked,
            first(&control.why)
        )));
    }
    if let Some(flaw) = control.flaw() {
        let why = format!("control: before anything was changed {flaw}");
        return Err(Obstacle::control(why));
    }
    let loading = stage.load(&caller)?;
    sleep(BESIDE / 3).await;
    let leaf = stage.new_leaf(Signer::Old)?;
    let offered = stage.offer(&leaf, Material::default()).await;
    sleep(BESIDE).await;
    let loaded = loading.end().await;
    let (_, arrival) = offered?;
    let served = loaded.served;
    let most = stage.drill().objectives.failed_requests.unwrap_or(0);
    let mut told = if served.failed_after_retry > most {
        let says = format!(
            "{} of {} requests failed, {} of them also after one retry, and {most} may: {}",
            served.failed,
            served.asked,
            served.failed_after_retry,
            first(&loaded.why)
        );
        Told::fail(UNDER_LOAD, says)
    } else if let Some(flaw) = loaded.flaw() {
        Told::cannot_judge(UNDER_LOAD, format!("control: {flaw}"))
    } else if let Arrival::Served { .. } = arrival {
        let missed = match loaded.missed {
            0 => String::new(),
            missed => format!("; {missed} more could not be asked in time"),
        };
        let says = format!(
            "{} of {} requests failed, {} of them also after one retry, and {most} may{missed}",
            served.failed, served.asked, served.failed_after_retry
        );
        Told::pass(UNDER_LOAD, says)
    } else {
        // Nothing was swapped, so nothing could be lost.
        Told::cannot_judge(UNDER_LOAD, format!("control: {}", arrival.why()))
    };
    told.served = Some(served);
    Ok(vec![told])
}

/// The commonest failure.
fn first(why: &std::collections::BTreeMap<String, u64>) -> &str {
    let most = why.iter().max_by_key(|(_, count)| **count);
    most.map_or("no reason was seen", |(why, _)| why)
}

async fn mismatch(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    // Half a pair says nothing of a target that does not take whole ones.
    stage.delivers().await?;
    let good = stage.caller(Signer::Old)?;
    let leaf = stage.new_leaf(Signer::Old)?;
    // A reload that refuses half a pair does right.
    stage.put(&Material::half(&leaf)).await?;
    let span = stage.settle();
    let met = stage.meet_throughout(&good, Until::Served, span).await?;
    if let Some(met) = met {
        let says = format!("with the new leaf beside the old key, a good caller met: {met}");
        return Ok(vec![Told::fail(MISMATCH, says)]);
    }
    let offered = stage.offer(&leaf, Material::default()).await?;
    let mut told = arrived(MISMATCH, &offered);
    told.says = format!(
        "half a pair was not served; of the whole one: {}",
        told.says
    );
    Ok(vec![told])
}

async fn same_key(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let mut wish = stage.cast().target_wish();
    wish.same_key_as = stage.leaf().map(|leaf| leaf.key.clone());
    let leaf = stage.cast().issuer(Signer::Old).leaf(&wish)?;
    let offered = stage.offer(&leaf, Material::default()).await?;
    Ok(vec![arrived(SAME_KEY, &offered)])
}
