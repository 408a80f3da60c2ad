//! Tokens that are bound to a certificate, shown over another one.
//!
//! Every caller here has the good name, so that nothing but the binding can be the reason of a
//! refusal; each is first served with a token of its own. Nothing of the target is changed.

use std::time::Duration;

use super::odd::refused;
use super::{Before, Case, Need, Rests, Scene, Told};
use crate::drill::answer::Group;
use crate::drill::stage::{Caller, Obstacle, Signer, Stage};

const CASES: &[Case] = &[
    Case {
        word: "token-of-another-leaf",
        group: Group::Bound,
        title: "A token bound to another's certificate",
        does: "Shows a token that is bound to one leaf over a connection with another leaf of the \
               same name.",
        why: "Binding is what makes a stolen token useless. Behind an edge that ends TLS it \
              silently becomes a bearer's token (marcjazz/authkestra#224).",
        rests: Rests::Must("RFC 8705, section 3"),
        needs: &[Need::Bound],
        worth: 8,
    },
    Case {
        word: "token-after-rotation",
        group: Group::Bound,
        title: "The old leaf's token after a rotation",
        does: "Calls with a leaf and its token, takes a new leaf of the same name and calls with \
               a new token; then shows the first token over the new leaf.",
        why: "A token ends with the certificate that it is bound to (RFC 8705, 6.3; \
              openbankingspace/tpp-issues#187): one that outlives it can be used by whoever stole \
              it with the old key's host.",
        rests: Rests::Must("RFC 8705, section 3"),
        needs: &[Need::Bound],
        worth: 7,
    },
];

pub(super) const SCENES: &[Scene] = &[Scene {
    cases: CASES,
    before: Before::Good,
    about: |_| Duration::from_secs(2),
    act: |stage| Box::pin(act(stage)),
}];

async fn act(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let stage = &*stage;
    // The one whose token is taken never shows its leaf: it could be anybody's.
    let (other, thief) = (stage.caller(Signer::Old)?, stage.caller(Signer::Old)?);
    stage.good_is_served(&thief).await?;
    let what = "a token that is bound to another leaf of the same name";
    let stolen = over(&thief, &other);
    let another = refused(stage, "token-of-another-leaf", what, &stolen).await?;

    let (before, after) = (stage.caller(Signer::Old)?, stage.caller(Signer::Old)?);
    stage.good_is_served(&before).await?;
    stage.good_is_served(&after).await?;
    let what = "after a rotation, the token of the caller's leaf from before";
    let late = over(&after, &before);
    let rotated = refused(stage, "token-after-rotation", what, &late).await?;
    Ok(vec![another, rotated])
}

/// One caller's leaf with another's token.
fn over(leaf: &Caller, token: &Caller) -> Caller {
    Caller {
        leaf: leaf.leaf.clone(),
        badge: token.badge.clone(),
    }
}
