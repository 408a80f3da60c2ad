//! The verbs about what the CA signs with, and about whoever has stolen it, or what it signed:
//! `prepare`, `activate`, `taint`, `revoke_authority`, `steal`, `forge`, `replay`, `rogue_issue`.
//!
//! They say what is ordered and when; the CA's own rules and gates decide, and an order that a gate
//! holds up waits for it. Invariant: whose name is forged asks for nothing in that name. Whose
//! token was copied may ask by it, and no longer once it is to be ended ([`super::before`]).

use std::fmt;

use serde::Serialize;

use super::act::{Act, Booty, Guise};
use super::fields::{Fields, Word};
use super::flaw::{Placed, incoherent};
use super::request::request;
use super::step::user;
use super::world::World;

/// The longest reason of an override, in bytes, as the CA takes it.
const MAX_REASON: usize = ca::rotation::MAX_REASON;

/// The highest number of an authority that a step may name.
const MAX_ID: u32 = 99;

/// What is ordered of an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// The next one is made, and held by everyone.
    Prepare,
    /// It signs.
    Activate,
    /// Whoever has a leaf from it must renew.
    Taint,
    /// Nothing that it signed verifies.
    Revoke,
}

impl Deed {
    /// Its verb.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Activate => "activate",
            Self::Taint => "taint",
            Self::Revoke => "revoke_authority",
        }
    }
}

/// An order about an authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Order {
    /// What.
    pub deed: Deed,
    /// Of which kind: `root`, `x509`, `jwt` or `secret`.
    pub authority: String,
    /// Of which secret, if it is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Which one of its kind, where it must be said.
    pub id: Option<u64>,
    /// The name of the order that must have been carried out first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether it is given once members met a leaf that nobody issued, and no sooner.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_alarm: bool,
    /// Why a gate may be skipped.
    pub override_reason: Option<String>,
    /// Whom nothing is permitted any more once this is acknowledged, since all that they come with
    /// was signed by it.
    pub revokes: Option<String>,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.deed {
            Deed::Revoke => "revoke",
            other => other.verb(),
        };
        write!(f, "{word} {}", self.authority)?;
        if let Some(secret) = &self.secret {
            write!(f, " {secret}")?;
        }
        self.id.map_or(Ok(()), |id| write!(f, " {id}"))
    }
}

/// The fields of a step with one of these verbs; nothing for others.
pub(super) fn known(verb: &str) -> Option<&'static [&'static str]> {
    Some(match verb {
        "prepare" => &["name", "at", "do", "on", "authority", "secret", "after"],
        "activate" => &[
            "name",
            "at",
            "do",
            "on",
            "authority",
            "secret",
            "after",
            "override",
        ],
        "taint" => &[
            "name",
            "at",
            "do",
            "on",
            "authority",
            "secret",
            "after",
            "id",
        ],
        "revoke_authority" => &[
            "name",
            "at",
            "do",
            "on",
            "authority",
            "secret",
            "after",
            "id",
            "override",
            "revokes",
        ],
        "steal" => &["name", "at", "do", "as", "what", "of"],
        "forge" | "rogue_issue" => &[
            "name", "at", "do", "every", "until", "as", "subject", "via", "actions", "tag",
            "resource",
        ],
        "replay" => &[
            "name", "at", "do", "every", "until", "as", "subject", "via", "actions", "tag",
            "resource", "what",
        ],
        _ => return None,
    })
}

/// The act of such a verb; nothing for others.
pub(super) fn act(verb: &str, fields: &Fields<'_, '_>, world: &World) -> Placed<Option<Act>> {
    Ok(Some(match verb {
        "prepare" => order(Deed::Prepare, fields, world)?,
        "activate" => order(Deed::Activate, fields, world)?,
        "taint" => order(Deed::Taint, fields, world)?,
        "revoke_authority" => order(Deed::Revoke, fields, world)?,
        "steal" => {
            let as_ = user("as", fields, world)?;
            let what = loot(&as_, fields, world)?;
            Act::Steal { as_, what }
        }
        "forge" => {
            let subject = user("subject", fields, world)?;
            request(fields, world, Some(Guise::Forged(subject)))?
        }
        "rogue_issue" => {
            let rogue_leaf_of = user("subject", fields, world)?;
            request(fields, world, Some(Guise::Rogue { rogue_leaf_of }))?
        }
        "replay" => {
            let whose = user("subject", fields, world)?;
            let what = fields.word("what")?;
            let what = what.map(|word| word.known("copy", ["leaf", "token"]));
            let guise = match what.transpose()?.as_deref() {
                Some("leaf") => Guise::Copied { leaf_of: whose },
                _ => Guise::Replayed { token_of: whose },
            };
            request(fields, world, Some(guise))?
        }
        _ => return Ok(None),
    }))
}

/// What is stolen: of somebody, or the CA's.
fn loot(thief: &str, fields: &Fields<'_, '_>, world: &World) -> Placed<Booty> {
    let what = fields.needed("what")?;
    let what = what.known("loot", ["issuer", "leaf", "signing-key", "token"])?;
    let named = fields.word("of")?;
    match (what.as_str(), named) {
        ("signing-key", None) => Ok(Booty::SigningKey {}),
        ("issuer", None) => Ok(Booty::Issuer {
            authority: "x509".to_owned(),
        }),
        ("signing-key", Some(word)) => {
            let why = "`of` says whose it is: the signing key is nobody's";
            incoherent(&word.span, why)
        }
        ("issuer", Some(word)) => {
            let why = "`of` says whose it is: the issuer is nobody's";
            incoherent(&word.span, why)
        }
        (what, _) => {
            let whose = user("of", fields, world)?;
            if whose == thief {
                let why = format!("`{thief}` has a {what} of their own");
                return incoherent(fields.span(), why);
            }
            Ok(match what {
                "leaf" => Booty::Leaf { leaf_of: whose },
                _ => Booty::Token { token_of: whose },
            })
        }
    }
}

fn order(deed: Deed, fields: &Fields<'_, '_>, world: &World) -> Placed<Act> {
    let kinds = ["root", "x509", "jwt", "secret"];
    let authority = fields.needed("authority")?;
    let authority = authority.known("kind of authority", kinds)?;
    let id = match deed {
        Deed::Taint | Deed::Revoke => Some(u64::from(fields.number("id", 1, MAX_ID)?)),
        Deed::Prepare | Deed::Activate => None,
    };
    let users = || world.users.iter().map(|user| user.name.as_str());
    let secret = secret(&authority, fields, world)?;
    let revokes = fields.word("revokes")?;
    if let Some(word) = revokes.as_ref().filter(|_| authority != "jwt") {
        let why = "only a token key has a thief who comes with what it signed";
        return incoherent(&word.span, why);
    }
    let revokes = revokes
        .map(|word| word.known("user", users()))
        .transpose()?;
    Ok(Act::Order(Order {
        deed,
        authority,
        secret,
        id,
        after: fields
            .word("after")?
            .map(|word| word.name("after"))
            .transpose()?,
        on_alarm: {
            let on = fields.word("on")?;
            on.map(|word| word.known("occasion", ["alarm"]))
                .transpose()?
                .is_some()
        },
        override_reason: fields.word("override")?.map(reason).transpose()?,
        revokes,
    }))
}

/// Which secret an order is about, where it is about one.
fn secret(authority: &str, fields: &Fields<'_, '_>, world: &World) -> Placed<Option<String>> {
    let named = fields.word("secret")?;
    match (authority, named) {
        ("secret", _) => {
            let secrets = world.secrets();
            if secrets.is_empty() {
                let why = "a world without `senders` has no secrets";
                return incoherent(fields.span(), why);
            }
            let named = fields.needed("secret")?;
            let known = named.known("secret", secrets.iter().map(String::as_str))?;
            Ok(Some(known))
        }
        (_, Some(word)) => incoherent(&word.span, "only a `secret` has a name"),
        (_, None) => Ok(None),
    }
}

fn reason(word: Word<'_>) -> Placed<String> {
    match ca::rotation::Reason::new(word.text) {
        Ok(_) => Ok(word.text.to_owned()),
        Err(_) => {
            let range = format!("a reason is one line of at most {MAX_REASON} bytes");
            Err(word.out_of_range("override", range))
        }
    }
}

/// Whose name is forged must not also ask in it: whose request it was could not be told. Of whom a
/// token was copied that is asked once there is a log-out, by its own rule.
pub(super) fn check_forged(
    act: &Act,
    schedule: &[super::Step],
    span: &std::ops::Range<usize>,
) -> Placed<()> {
    let Act::Request {
        as_,
        forging: Some(guise),
        ..
    } = act
    else {
        return Ok(());
    };
    let subject = guise.subject();
    let in_that_name = |step: &super::Step| match &step.act {
        Act::Request {
            as_: other,
            forging,
            ..
        } => match forging {
            None => other == subject,
            Some(theirs) => theirs.subject() == subject && other != as_,
        },
        _ => false,
    };
    let forged = matches!(guise, Guise::Forged(_) | Guise::Rogue { .. });
    if as_ == subject || (forged && schedule.iter().any(in_that_name)) {
        let how = if forged { "forged" } else { "replayed" };
        let why = format!("`{subject}` is {how}, and must be nobody else who asks");
        return incoherent(span, why);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
