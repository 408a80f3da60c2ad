//! The target as a client: the drill plays the upstream that it calls, and sees what it presents
//! and whom it believes.
//!
//! The target calls of itself; nobody makes it. So each case begins with a call that came, and
//! where it must not call, an attempt that it broke off is what shows that it tried, and a call
//! that comes again afterwards that it lives. Without them nothing is said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{Before, Case, Need, Rests, Scene, Told};
use crate::drill::answer::{Change, Group, Path};
use crate::drill::authority::{Leaf, Life};
use crate::drill::clock;
use crate::drill::place::Material;
use crate::drill::stage::{Obstacle, Signer, Stage};
use crate::drill::upstream::{Asked, Upstream};

mod watched;

use watched::{Seen, opened_since, watched};

const PRESENTS: &str = "client-presents-new-leaf";
const POOL: &str = "client-pool-keeps-old-leaf";
const ROOT: &str = "client-refuses-removed-root";
const EXPIRED: &str = "client-refuses-expired-server";
const NAME: &str = "client-refuses-other-name";

const NEEDS: &[Need] = &[Need::Upstream];

/// How long a target may take to call, beyond `settle`.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long calls with an old leaf must be over before they count as over.
const QUIET: Duration = Duration::from_secs(2);

/// How far apart two looks are.
const LOOK: Duration = Duration::from_millis(100);

/// A host that nobody calls.
const NOBODY: &str = "schism-drill-nobody.example";

/// How long ago an expired leaf ended.
const LONG_AGO: Duration = Duration::from_secs(3600);

pub(super) const SCENES: &[Scene] = &[
    Scene {
        cases: &[Case {
            word: PRESENTS,
            group: Group::Client,
            title: "New connections present the new leaf",
            does: "Writes a new leaf, and closes the target's connections once a second, until \
                   one is opened with the new leaf or `settle` is over.",
            why: "A client that reads its certificate once presents it until it expires, and \
                  then nobody lets it in (temporalio/sdk-rust#1338).",
            rests: Rests::Said("target.settle"),
            needs: NEEDS,
            worth: 9,
        }],
        before: Before::Files,
        about: |_| Duration::from_secs(3),
        act: |stage| Box::pin(presents(stage)),
    },
    Scene {
        cases: &[Case {
            word: POOL,
            group: Group::Client,
            title: "Pooled connections do not keep the old leaf",
            does: "Writes a new leaf and leaves the target's connections alone: calls on them \
                   must give way to calls with the new leaf until `settle` is over.",
            why: "A pool that is in use never closes, and the identity of its connections is the \
                  one of the day they were opened: clients loop on 401 with an expired \
                  certificate while a new one lies on disk (kubernetes#120621).",
            rests: Rests::Advice("a connection lives as long as it is used, a leaf does not"),
            needs: NEEDS,
            worth: 7,
        }],
        before: Before::Files,
        about: |_| Duration::from_secs(5),
        act: |stage| Box::pin(pool(stage)),
    },
    Scene {
        cases: &[Case {
            word: ROOT,
            group: Group::Client,
            title: "An upstream under a removed root is not called",
            does: "Takes the root above the upstream's certificate out of the target's trust, and \
                   closes its connections once a second: it must open none any more. Then the \
                   root comes back, and the target must call again.",
            why: "Many that take up new leaves read their roots at their start and not again \
                  (linkerd2#13613): whoever holds the old root's key can play the upstream.",
            rests: Rests::Said("target.settle"),
            needs: NEEDS,
            worth: 8,
        }],
        before: Before::Files,
        about: |_| Duration::from_secs(5),
        act: |stage| Box::pin(removed_root(stage)),
    },
    Scene {
        cases: &[Case {
            word: EXPIRED,
            group: Group::Client,
            title: "An upstream whose certificate is over is not called",
            does: "Shows a certificate of the upstream's that ended an hour ago on every new \
                   connection; the target must break each of them off. The date in the \
                   certificate is moved, not a clock.",
            why: "A certificate's end is what bounds the use of a stolen key, on the side of \
                  servers too; clients that were made to connect at any price do not look.",
            rests: Rests::Must("RFC 5280, section 6.1.3 (a) (2)"),
            needs: NEEDS,
            worth: 7,
        }],
        before: Before::Files,
        about: |_| Duration::from_secs(5),
        act: |stage| Box::pin(expired_server(stage)),
    },
    Scene {
        cases: &[Case {
            word: NAME,
            group: Group::Client,
            title: "An upstream of another name is not called",
            does: "Shows a good certificate of another name on every new connection; the target \
                   must break each of them off.",
            why: "Where one authority signs for everybody, any service with a certificate can \
                  stand in for the upstream of a client that does not compare names.",
            rests: Rests::Advice(
                "RFC 9110, section 4.3.4: a client must verify the name, and should end the \
                 connection",
            ),
            needs: NEEDS,
            worth: 8,
        }],
        before: Before::Files,
        about: |_| Duration::from_secs(5),
        act: |stage| Box::pin(other_name(stage)),
    },
];

/// The upstream with a good leaf, called by the target with one of ours.
async fn called(stage: &mut Stage) -> Result<(Arc<Upstream>, Leaf), Obstacle> {
    let leaf = stage.upstream_leaf(Signer::Old, None)?;
    let upstream = stage.upstream(&leaf).await?;
    let asked = calls(stage, &upstream, &leaf).await?;
    if stage.wrote(&asked.caller) {
        return Ok((upstream, leaf));
    }
    Err(Obstacle::control(
        "control: the target presents a certificate that the drill did not write: it reads other \
         files, or something else calls",
    ))
}

/// A call on a connection that is new, to the upstream with this leaf.
async fn calls(stage: &Stage, upstream: &Upstream, leaf: &Leaf) -> Result<Asked, Obstacle> {
    let since = clock::instant();
    upstream.hang_up();
    let limit = stage.settle() + PATIENCE;
    let is_new = |asked: &Asked| asked.shown == *leaf.certificate();
    let asked = upstream.asked_as(since, limit, is_new).await;
    asked.ok_or_else(|| {
        let declined = upstream.declined_since(since);
        let said = declined.last().map_or("nobody connected", |it| &it.how);
        Obstacle::control(format!(
            "control: no call came to {} within {} s: {said}",
            upstream.address(),
            limit.as_secs()
        ))
    })
}

async fn presents(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let (upstream, _) = called(stage).await?;
    let leaf = stage.new_leaf(Signer::Old)?;
    let put = stage.deliver(&leaf, Material::default()).await?;
    let is_new = |asked: &Asked| asked.caller == *leaf.certificate();
    let end = put.at + stage.settle();
    loop {
        upstream.hang_up();
        let found = upstream.asked_as(put.at, LOOK * 10, is_new).await;
        if let Some(asked) = found {
            let after = ms(put.at, asked.at);
            let says = format!("a call with the new leaf came {after} ms after it was written");
            return Ok(vec![Told::pass(PRESENTS, says)]);
        }
        if clock::instant() >= end {
            break;
        }
    }
    let last = clock::instant();
    upstream.hang_up();
    let asked = upstream.asked_as(last, PATIENCE, |asked| asked.opened >= last);
    let after = ms(put.at, last);
    let told = match asked.await {
        Some(asked) if is_new(&asked) => {
            let after = ms(put.at, asked.at);
            let says = format!("a call with the new leaf came {after} ms after it was written");
            Told::pass(PRESENTS, says)
        }
        Some(asked) if stage.wrote(&asked.caller) => {
            let says = format!(
                "{after} ms after a new leaf was written, a new connection was opened with one \
                 from before"
            );
            Told::fail(PRESENTS, says)
        }
        Some(_) => Told::cannot_judge(PRESENTS, "a leaf came that the drill did not write"),
        None => Told::cannot_judge(
            PRESENTS,
            "no connection came after the new leaf was written",
        ),
    };
    Ok(vec![told])
}

async fn pool(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let (upstream, _) = called(stage).await?;
    let leaf = stage.new_leaf(Signer::Old)?;
    let put = stage.deliver(&leaf, Material::default()).await?;
    let end = put.at + stage.settle() + QUIET;
    loop {
        sleep(LOOK).await;
        let now = clock::instant();
        let asked = upstream.asked_since(put.at);
        let is_new = |asked: &&Asked| asked.caller == *leaf.certificate();
        let new = asked.iter().find(is_new);
        let old = asked.iter().rfind(|asked| !is_new(asked));
        let is_quiet = old.is_none_or(|old| now.saturating_duration_since(old.at) >= QUIET);
        if let (Some(new), true) = (new, is_quiet) {
            let last = old.map_or("none with the old one came after it".to_owned(), |old| {
                format!("the last with the old one after {} ms", ms(put.at, old.at))
            });
            let says = format!(
                "calls with the new leaf came from {} ms after it was written on, {last}",
                ms(put.at, new.at)
            );
            return Ok(vec![Told::pass(POOL, says)]);
        }
        if now < end {
            continue;
        }
        let told = match old {
            Some(old) if !is_quiet => Told::fail(POOL, kept(old, put.at)),
            _ => Told::cannot_judge(POOL, "no call came after the new leaf was written"),
        };
        return Ok(vec![told]);
    }
}

/// What is said of a call with the old leaf.
fn kept(old: &Asked, since: Instant) -> String {
    let after = ms(since, old.at);
    match old.opened < since {
        true => format!(
            "{after} ms after a new leaf was written, a call came on a connection from {} ms \
             before, which presented the old one",
            ms(old.opened, since)
        ),
        false => format!("{after} ms after a new leaf was written, a call came with the old one"),
    }
}

async fn removed_root(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let (upstream, leaf) = called(stage).await?;
    let next = Material::default().trusting(&[stage.cast().root(Signer::Next)]);
    let put = stage.put(&next).await?;
    let allowed = stage.allowed(Change::RootRemoved, Path::New);
    let seen = watched((&upstream, &leaf), put.at, allowed, opened_since(put.at)).await;
    let back = Material::default().trusting(&[stage.cast().root(Signer::Old)]);
    stage.put(&back).await?.told()?;
    let what = "the upstream's root was removed";
    Ok(vec![
        told(stage, ROOT, what, seen, (&upstream, &leaf)).await?,
    ])
}

async fn expired_server(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let life = Life::over_for(clock::date(), LONG_AGO);
    let over = stage.upstream_leaf(Signer::Old, Some(life))?;
    let what = "the upstream showed a certificate that ended an hour ago";
    shown(stage, EXPIRED, what, &over).await
}

async fn other_name(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let life = Life::from_now(clock::date(), LONG_AGO);
    let wish = stage.drill().upstream_leaf(life);
    let mut wish = wish.ok_or_else(|| Obstacle::absent(Need::Upstream.missing()))?;
    wish.addresses.clear();
    wish.dns = vec![NOBODY.to_owned()];
    for uri in &mut wish.uris {
        *uri = super::hostile::neighbour(uri);
    }
    let other = stage.cast().issuer(Signer::Old).leaf(&wish)?;
    let what = format!("the upstream showed a certificate of `{NOBODY}`");
    shown(stage, NAME, &what, &other).await
}

/// Shows a certificate that the target must not believe.
async fn shown(
    stage: &mut Stage,
    word: &'static str,
    what: &str,
    bad: &Leaf,
) -> Result<Vec<Told>, Obstacle> {
    let (upstream, good) = called(stage).await?;
    let since = clock::instant();
    stage.upstream(bad).await?;
    let is_bad = |asked: &Asked| asked.shown == *bad.certificate();
    let seen = watched((&upstream, bad), since, Duration::ZERO, is_bad).await;
    stage.upstream(&good).await?;
    Ok(vec![
        told(stage, word, what, seen, (&upstream, &good)).await?,
    ])
}

/// The answer of a case in which the target must not call; that it calls again is asked last.
async fn told(
    stage: &Stage,
    word: &'static str,
    what: &str,
    seen: Seen,
    (upstream, good): (&Upstream, &Leaf),
) -> Result<Told, Obstacle> {
    let told = match seen {
        Seen::Called(after) => Told::fail(word, format!("{after} ms after {what}, a call came")),
        Seen::Declined { last, how } => {
            let last = last.map_or("no call came".to_owned(), |last| {
                format!("the last call came {last} ms later")
            });
            Told::pass(
                word,
                format!("{what}: {last}, and connections ended: {how}"),
            )
        }
        Seen::Nobody => {
            let says = format!("{what}, and the target did not even try to connect");
            return Ok(Told::cannot_judge(word, says));
        }
    };
    calls(stage, upstream, good).await?;
    Ok(told)
}

/// Whole milliseconds from one moment to another.
fn ms(from: Instant, to: Instant) -> u64 {
    clock::millis(to.saturating_duration_since(from))
}
