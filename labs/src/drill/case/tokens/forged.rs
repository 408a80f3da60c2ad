//! Tokens that were not made for the target, or that nobody signed.
//!
//! Each is good in all else: issuer, dates, claims, and the caller who shows it.

use super::{Case, Group, Need, Rests, Told, no_tokens};
use crate::drill::answer::Answer;
use crate::drill::case::odd::{refused, worst};
use crate::drill::stage::{Obstacle, Signer, Stage};
use crate::drill::tokens::TokenKey;

pub(super) const CASES: &[Case] = &[
    Case {
        word: "wrong-audience",
        group: Group::Tokens,
        title: "A token for somebody else",
        does: "Shows a good token whose audience is another service.",
        why: "Whoever is shown a token can show it to the next service: the audience is what \
              stops that. jsonwebtoken for Node compares it only if an audience is named.",
        rests: Rests::Must("RFC 7519, section 4.1.3"),
        needs: &[Need::Token],
        worth: 8,
    },
    Case {
        word: "unsigned-token",
        group: Group::Tokens,
        title: "A token that nobody signed",
        does: "Shows a token that says it is not signed (`alg` is `none`), one whose signature is \
               cut off, and one that a key nobody published signed under the name of the good one.",
        why: "Where the token itself says how it is to be checked, it says: not at all \
              (CVE-2022-23540).",
        rests: Rests::Must("RFC 7519, section 7.2, and RFC 7518, section 3.6"),
        needs: &[Need::Token],
        worth: 9,
    },
];

/// What makes an audience somebody else's.
const ELSE: &str = "schism-drill-somebody-else";

pub(super) async fn act(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let stage = &*stage;
    let (audience, unsigned) = (CASES[0].word, CASES[1].word);
    let caller = stage.caller(Signer::Old)?;
    let tokens = stage.tokens().ok_or_else(no_tokens)?;
    let wish = tokens.wish(&caller.leaf);
    let mut told = Vec::new();
    if tokens.rules().audience.is_empty() {
        let none = "the target wants no audience (`[token] audience`)";
        told.push(Told::new(audience, Answer::NotApplicable, none));
    } else {
        let token = wish.clone().audience(ELSE).signed(tokens.key())?;
        let caller = stage.with_token(&caller, &token)?;
        let what = format!("a token for the audience `{ELSE}`");
        told.push(refused(stage, audience, &what, &caller).await?);
    }
    let stranger = TokenKey::new(tokens.key().kid())?;
    let good = wish.signed(tokens.key())?;
    let cut = good.rsplit_once('.').map_or("", |(signed, _)| signed);
    let forged = [
        ("a token with `alg` of `none`", wish.unsigned()),
        ("a token whose signature was cut off", format!("{cut}.")),
        (
            "a token that a key nobody published signed",
            wish.signed(&stranger)?,
        ),
    ];
    let mut all = Vec::new();
    for (what, token) in forged {
        let caller = stage.with_token(&caller, &token)?;
        all.push(refused(stage, unsigned, what, &caller).await?);
    }
    told.extend(worst(all));
    Ok(told)
}
