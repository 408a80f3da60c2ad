//! The roots that a target trusts: a new one counts before its leaves come, a removed one no more.

use std::time::Duration;

use super::{Before, Case, Rests, Scene, Told};
use crate::drill::answer::{Change, Group, Path};
use crate::drill::authority::{Crl, CrlWish, Issuer, Life, Root};
use crate::drill::clock;
use crate::drill::place::Material;
use crate::drill::stage::{Caller, Met, Obstacle, Signer, Stage, Until, Watching};

const NEW_ROOT: &str = "new-root-before-its-leaves";
const OLD: [(Path, &str); 4] = [
    (Path::New, "old-root-new"),
    (Path::Resumed, "old-root-resumed"),
    (Path::Established, "old-root-established"),
    (Path::Stream, "old-root-open-stream"),
];
const EXPIRED: &str = "expired-root-in-bundle";
const ONE_NAME: &str = "two-roots-one-name";

const CHANGE: &str = "The target trusts the old root and the next one, and its own leaf is already \
                      below the next. The old root is taken away; at the same time, a caller \
                      below it is watched on all four paths.";

pub(super) const SCENES: &[Scene] = &[
    Scene {
        cases: &[Case {
            word: NEW_ROOT,
            group: Group::Trust,
            title: "A new root counts before its leaves come",
            does: "Adds the next root to the trusted ones; a caller below it must be served \
                   within `settle`, and one below the old root as before.",
            why: "Roots are exchanged by trusting both for a while. Linkerd reads its anchors at \
                  the start only (linkerd2#13613), as Istio did its root file (istio#60446), and \
                  a leaf that comes before its root can be an outage (istio#47424).",
            rests: Rests::Said("target.settle"),
            needs: &[],
            worth: 8,
        }],
        before: Before::Good,
        about: |_| Duration::from_secs(2),
        act: |stage| Box::pin(new_root(stage)),
    },
    Scene {
        cases: &[
            Case {
                word: OLD[0].1,
                group: Group::Trust,
                title: "A removed root is refused on new connections",
                does: CHANGE,
                why: "A root is removed because its key may be stolen. Pools that can only grow, \
                      as Go's x509.CertPool, go on trusting it until the process ends; and one \
                      that is removed too early was an outage of 12 minutes (linkerd2#4287), so \
                      it should be known that it works.",
                rests: Rests::Settled(Change::RootRemoved, Path::New),
                needs: &[],
                worth: 9,
            },
            Case {
                word: OLD[1].1,
                group: Group::Trust,
                title: "A removed root is refused on resumed sessions",
                does: CHANGE,
                why: "A resumed session skips the certificates: Go (CVE-2025-68121), nginx \
                      (CVE-2025-23419), Envoy hashed the first root of a bundle only (#47238).",
                rests: Rests::Exposure(
                    Change::RootRemoved,
                    Path::Resumed,
                    "RFC 8446, section 4.6.1, recommends that a session's life heeds its peer's \
                     certificate and its revocation",
                ),
                needs: &[],
                worth: 9,
            },
            Case {
                word: OLD[2].1,
                group: Group::Trust,
                title: "A removed root is refused on open connections",
                does: CHANGE,
                why: "Certificates are looked at in the handshake, and a connection can last for \
                      days. SPIRE looks at the leaf again at every request, and not at its \
                      root (spire#711); whether others must is an open question \
                      (spiffe/spiffe#424).",
                rests: Rests::Exposure(
                    Change::RootRemoved,
                    Path::Established,
                    "a connection can last for longer than anybody remembers the change",
                ),
                needs: &[],
                worth: 6,
            },
            Case {
                word: OLD[3].1,
                group: Group::Trust,
                title: "A removed root is refused on open streams",
                does: CHANGE,
                why: "Targets that judge every request judge a stream when it begins, once: \
                      Consul did so with the streams of its xDS (consul#5237, since mended).",
                rests: Rests::Exposure(
                    Change::RootRemoved,
                    Path::Stream,
                    "a stream is one request that can last for days",
                ),
                needs: &[super::Need::Stream],
                worth: 6,
            },
        ],
        before: Before::Good,
        about: |_| Duration::from_secs(6),
        act: |stage| Box::pin(old_root(stage)),
    },
    Scene {
        cases: &[Case {
            word: EXPIRED,
            group: Group::Trust,
            title: "An expired root beside good ones does no harm",
            does: "Writes a bundle with an expired root in front, and a further good one, by \
                   which it is seen that the bundle was taken up. Callers below the good roots \
                   must be served. The date in the certificate is moved, not a clock.",
            why: "Old roots are forgotten in bundles, and one that expires at night must not \
                  take the others along (trust-manager#272, libressl/portable#595).",
            rests: Rests::Advice("an old root is forgotten in every bundle some day"),
            needs: &[],
            worth: 4,
        }],
        before: Before::Good,
        about: |_| Duration::from_secs(4),
        act: |stage| Box::pin(expired_root(stage)),
    },
    Scene {
        cases: &[Case {
            word: ONE_NAME,
            group: Group::Trust,
            title: "Two roots of one name both count",
            does: "Writes a bundle with two roots that have the same name and a key each. \
                   Callers below each of them must be served.",
            why: "A root that is made anew under its old name is the usual renewal. Who finds \
                  lists by their issuer's name and takes the first takes one for the other \
                  (rustls-webpki#526), and so may who keeps roots by name.",
            rests: Rests::Advice("a renewed root has its old name more often than not"),
            needs: &[],
            worth: 3,
        }],
        before: Before::Good,
        about: |_| Duration::from_secs(4),
        act: |stage| Box::pin(one_name(stage)),
    },
];

async fn new_root(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let (old, next) = (stage.caller(Signer::Old)?, stage.caller(Signer::Next)?);
    let roots = [Signer::Old, Signer::Next].map(|signer| stage.cast().root(signer));
    let material = Material::default().trusting(&roots);
    let complaint = stage.put(&material).await?.complaint;
    let complaint = complaint.map(|why| format!("; {why}")).unwrap_or_default();
    let met = stage
        .meet_until(&next, Until::Served, stage.settle())
        .await?;
    let told = match (met, stage.meet_surely(&old, Until::Served).await?) {
        (Met::Served, Met::Served) => Told::pass(NEW_ROOT, "callers of both roots are served"),
        (Met::Unclear(said), _) | (_, Met::Unclear(said)) => Told::cannot_judge(
            NEW_ROOT,
            format!("a caller was neither served nor refused: {said}"),
        ),
        (Met::Served, met) => {
            let says = format!("with the next root added, a caller of the old one met: {met}");
            Told::fail(NEW_ROOT, says)
        }
        (met, _) => {
            let says = format!("`settle` after it was added, its caller met: {met}{complaint}");
            Told::fail(NEW_ROOT, says)
        }
    };
    Ok(vec![told])
}

/// The next root is trusted besides the old one, and a caller of its is served. A target that
/// reads its roots at its start alone is started again for that, which is how it is rotated.
async fn both(stage: &mut Stage, own: Signer) -> Result<Caller, Obstacle> {
    let leaf = stage.new_leaf(own)?;
    let roots = [Signer::Old, Signer::Next].map(|signer| stage.cast().root(signer));
    let material = Material::default().trusting(&roots);
    stage.install(&leaf, material).await?;
    let next = stage.caller(Signer::Next)?;
    if stage.comes_to_be_served(&next, &leaf).await? {
        return Ok(next);
    }
    Err(Obstacle::control(
        "control: a caller of a root that was added is not served",
    ))
}

async fn old_root(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let good = both(stage, Signer::Next).await?;
    let victim = stage.caller(Signer::Old)?;
    let mut paths = stage.open_paths(&victim, &good).await?;
    let material = Material::default().trusting(&[stage.cast().root(Signer::Next)]);
    let put = stage.put(&material).await?;
    let since = put.at;
    put.told()?;
    let watching = Watching {
        change: Change::RootRemoved,
        since,
        good: &good,
    };
    let sights = stage.watch_paths(&mut paths, watching).await?;
    Ok(super::told_of(stage, Change::RootRemoved, &OLD, &sights))
}

/// What a caller of a root that was written meets. A target that reads its roots at its start alone
/// is started again before that counts: whether it must is another case's question.
async fn in_the_end(stage: &mut Stage, caller: &Caller) -> Result<Met, Obstacle> {
    let Some(leaf) = stage.leaf().cloned() else {
        return stage.meet_surely(caller, Until::Served).await;
    };
    match stage.comes_to_be_served(caller, &leaf).await {
        Ok(true) => Ok(Met::Served),
        Ok(false) => stage.meet_surely(caller, Until::Served).await,
        // With the good files of the next case it can: like this it lets nobody in.
        Err(Obstacle::Broken(why)) => Ok(Met::Refused(format!("it does not start: {why}"))),
        Err(flaw) => Err(flaw),
    }
}

async fn expired_root(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    both(stage, Signer::Old).await?;
    let life = Life::over_for(clock::date(), Duration::from_secs(24 * 60 * 60));
    let name = "drill expired root";
    let expired = stage.cast().authority().root_living(name, life)?;
    let cast = stage.cast();
    let [old, next, further] =
        [Signer::Old, Signer::Next, Signer::Further].map(|signer| cast.root(signer));
    let material = Material::default().trusting(&[&expired, old, next, further]);
    let complaint = stage.put(&material).await?.complaint;
    let complaint = complaint.map(|why| format!("; {why}")).unwrap_or_default();
    for signer in [Signer::Further, Signer::Old, Signer::Next] {
        let caller = stage.caller(signer)?;
        let met = in_the_end(stage, &caller).await?;
        if let Met::Unclear(said) = met {
            return Ok(vec![Told::cannot_judge(EXPIRED, said)]);
        }
        if !met.is_served() {
            let says = format!(
                "with an expired root in the bundle, a caller of a good one met: {met}{complaint}"
            );
            return Ok(vec![Told::fail(EXPIRED, says)]);
        }
    }
    let says = "callers of all good roots in the bundle are served";
    Ok(vec![Told::pass(EXPIRED, says)])
}

async fn one_name(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    both(stage, Signer::Old).await?;
    let name = "drill root of one name";
    let twins: [(Root, Issuer); 2] = [
        twin(stage, name, "drill first issuer")?,
        twin(stage, name, "drill second issuer")?,
    ];
    let mut lists = stage.lists(Signer::Old)?;
    for (root, issuer) in &twins {
        lists.extend(empty(stage, root, issuer)?);
    }
    let lists: Vec<&Crl> = lists.iter().collect();
    let cast = stage.cast();
    let (old, next) = (cast.root(Signer::Old), cast.root(Signer::Next));
    let material = Material::default().trusting(&[old, &twins[0].0, &twins[1].0, next]);
    let complaint = stage.put(&material.revoking(&lists)).await?.complaint;
    let complaint = complaint.map(|why| format!("; {why}")).unwrap_or_default();
    for (which, (_, issuer)) in ["second", "first"].iter().zip(twins.iter().rev()) {
        let caller = stage.caller_under(issuer, &stage.cast().caller_wish())?;
        let met = in_the_end(stage, &caller).await?;
        if let Met::Unclear(said) = met {
            return Ok(vec![Told::cannot_judge(ONE_NAME, said)]);
        }
        if !met.is_served() {
            let says = format!(
                "of two roots with one name, a caller of the {which} met: {met}{complaint}"
            );
            return Ok(vec![Told::fail(ONE_NAME, says)]);
        }
    }
    Ok(vec![Told::pass(ONE_NAME, "callers of both are served")])
}

fn twin(stage: &Stage, name: &str, issuer: &str) -> Result<(Root, Issuer), Obstacle> {
    let root = stage.cast().authority().new_root(name)?;
    let issuer = root.issuer(issuer)?;
    Ok((root, issuer))
}

/// Lists of a root and its issuer on which nobody is.
fn empty(stage: &Stage, root: &Root, issuer: &Issuer) -> Result<[Crl; 2], Obstacle> {
    let wish = CrlWish {
        number: stage.list_number(),
        life: Life::from_now(clock::date(), Duration::from_secs(24 * 60 * 60)),
        revoked: Vec::new(),
    };
    Ok([issuer.crl(&wish)?, root.crl(&wish)?])
}
