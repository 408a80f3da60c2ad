//! Certificates that nobody should take from a caller, though a trusted authority signed them.
//!
//! Each differs from a good caller's in one thing, so that a refusal has one reason only; the
//! controls before and after show that a good caller is served. Nothing of the target is changed
//! but its lists, of which a longer chain needs more. Where a SPIFFE rule is what demands the
//! refusal, a target whose callers have no SPIFFE ID is not held to it.

use std::time::Duration;

use super::odd::{refused, worst};
use super::{Before, Case, Need, Rests, Scene, Told};
use crate::drill::answer::Group;
use crate::drill::authority::{Crl, CrlWish, Issuer, IssuerWish, LeafWish, Role};
use crate::drill::place::Material;
use crate::drill::stage::{Caller, Obstacle, Signer, Stage, Until};

/// What a made-up name holds, so that nobody lets it in by chance.
const NOBODY: &str = "schism-drill-nobody";

const CASES: &[Case] = &[
    Case {
        word: "wrong-name",
        group: Group::Hostile,
        title: "A caller of another name",
        does: "Calls with a good certificate of a name that the target does not let in: those of \
               `[caller] refused-uris` and `refused-dns`, or a neighbour of the good name that is \
               made up.",
        why: "A verified certificate says who calls, and not what they may do: with one authority \
              for everybody, each service could call each other one.",
        rests: Rests::RefusedNames("a certificate that verifies is no permission"),
        needs: &[],
        worth: 8,
    },
    Case {
        word: "wrong-trust-domain",
        group: Group::Hostile,
        title: "A caller of another trust domain",
        does: "Calls with the good name's path in another trust domain, signed by the root that \
               is trusted.",
        why: "Where several trust domains are believed, each could speak for the others' \
              workloads: whoever compares paths alone lets them (SPIFFE Trust Domain and Bundle, \
              5.2).",
        rests: Rests::Advice("a name without its trust domain is no name"),
        needs: &[Need::SpiffeId],
        worth: 7,
    },
    Case {
        word: "two-uri-names",
        group: Group::Hostile,
        title: "A caller of two names",
        does: "Calls with a certificate that holds the good URI and a second one, in either order.",
        why: "Of two names each reader may take another one: one is judged, the other is logged.",
        rests: Rests::Must("SPIFFE X509-SVID, section 5.2"),
        needs: &[Need::SpiffeId],
        worth: 6,
    },
    Case {
        word: "issuer-as-caller",
        group: Group::Hostile,
        title: "An issuer that calls",
        does: "Calls with a certificate of the good name that may sign others: a leaf that says \
               it is a CA, and an issuer's own certificate.",
        why: "A key that signs is kept by other people than one that calls; taken for a caller, \
              whoever holds it is everybody at once.",
        rests: Rests::Must("SPIFFE X509-SVID, section 5.2"),
        needs: &[Need::SpiffeId],
        worth: 6,
    },
    Case {
        word: "server-certificate-as-caller",
        group: Group::Hostile,
        title: "A server's certificate as a caller",
        does: "Calls with a certificate of the good name that is for servers alone (its extended \
               key usage is serverAuth).",
        why: "Certificates for servers are given out more freely than those for callers, by other \
              rules and to other hands.",
        rests: Rests::Must("RFC 5280, section 4.2.1.12"),
        needs: &[],
        worth: 6,
    },
    Case {
        word: "leaf-signs-leaf",
        group: Group::Hostile,
        title: "A leaf that signs another",
        does: "Calls with a certificate of the good name that was signed with the key of \
               somebody's leaf, and shows that leaf as its issuer. A lawful chain of the same \
               length is served before, and each signer of both has a list.",
        why: "If it is let in, whoever has any leaf can be anybody (CVE-2015-1793 in OpenSSL).",
        rests: Rests::Must("RFC 5280, section 6.1.4 (k)"),
        needs: &[],
        worth: 9,
    },
    Case {
        word: "unknown-critical-extension",
        group: Group::Hostile,
        title: "A critical extension that nobody knows",
        does: "Calls with a certificate of the good name that has a critical extension of an \
               unknown kind.",
        why: "What an authority marks as critical restricts what the certificate is good for: \
              whoever passes over it takes more than was given.",
        rests: Rests::Must("RFC 5280, section 4.2"),
        needs: &[],
        worth: 5,
    },
];

pub(super) const SCENES: &[Scene] = &[Scene {
    cases: CASES,
    before: Before::Good,
    about: |_| Duration::from_secs(4),
    act: |stage| Box::pin(act(stage)),
}];

async fn act(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let mut told = vec![leaf_signs_leaf(stage).await?];
    let stage = &*stage;
    told.extend(wrong_name(stage).await?);
    if let Some(domain) = stage.drill().caller.trust_domain() {
        told.push(wrong_trust_domain(stage, domain).await?);
        told.extend(two_uri_names(stage).await?);
        told.extend(issuer_as_caller(stage).await?);
    }
    let odd = [
        (
            "server-certificate-as-caller",
            "a certificate for servers alone",
            stage.caller_with(Signer::Old, &with(stage, |wish| wish.role = Role::Server))?,
        ),
        (
            "unknown-critical-extension",
            "a certificate with a critical extension that nobody knows",
            stage.caller_with(
                Signer::Old,
                &with(stage, |wish| wish.unknown_critical = true),
            )?,
        ),
    ];
    for (word, what, caller) in odd {
        told.push(refused(stage, word, what, &caller).await?);
    }
    Ok(told)
}

/// A good caller's leaf, with one thing changed.
fn with(stage: &Stage, change: impl FnOnce(&mut LeafWish)) -> LeafWish {
    let mut wish = stage.cast().caller_wish();
    change(&mut wish);
    wish
}

async fn wrong_name(stage: &Stage) -> Result<Option<Told>, Obstacle> {
    let caller = &stage.drill().caller;
    let (mut uris, mut dns) = (caller.refused_uris.clone(), caller.refused_dns.clone());
    if uris.is_empty() && dns.is_empty() {
        uris.extend(caller.uri.as_deref().map(neighbour));
        dns.extend(caller.dns.as_deref().map(near));
    }
    let mut all = Vec::new();
    // Each alone, so that none is refused because of another.
    let uris = uris.iter().map(|uri| (Some(uri), None));
    for (uri, host) in uris.chain(dns.iter().map(|host| (None, Some(host)))) {
        let wish = with(stage, |wish| {
            wish.uris = uri.into_iter().cloned().collect();
            wish.dns.clear();
            wish.addresses.clear();
        });
        let wish = host.iter().fold(wish, |wish, host| wish.host(host));
        let name = uri.or(host).map_or("", String::as_str);
        let what = format!("a caller called `{name}`");
        let caller = stage.caller_with(Signer::Old, &wish)?;
        all.push(refused(stage, "wrong-name", &what, &caller).await?);
    }
    Ok(worst(all))
}

/// A URI beside this one: the same but for its last part.
pub(super) fn neighbour(uri: &str) -> String {
    let authority = uri.find("://").map_or(0, |at| at + 3);
    match uri[authority..].rfind('/') {
        Some(at) => format!("{}/{NOBODY}", &uri[..authority + at]),
        None if authority > 0 => format!("{uri}/{NOBODY}"),
        None => format!("{uri}-{NOBODY}"),
    }
}

/// A DNS name beside this one.
fn near(dns: &str) -> String {
    match dns.split_once('.') {
        Some((_, rest)) => format!("{NOBODY}.{rest}"),
        None => NOBODY.to_owned(),
    }
}

async fn wrong_trust_domain(stage: &Stage, domain: &str) -> Result<Told, Obstacle> {
    let good = stage.drill().caller.uri.clone().unwrap_or_default();
    let other = good.replacen(domain, &format!("{NOBODY}.example"), 1);
    let wish = with(stage, |wish| wish.uris = vec![other.clone()]);
    let caller = stage.caller_with(Signer::Old, &wish)?;
    let what = format!("a caller called `{other}`");
    refused(stage, "wrong-trust-domain", &what, &caller).await
}

async fn two_uri_names(stage: &Stage) -> Result<Option<Told>, Obstacle> {
    let good = stage.drill().caller.uri.clone().unwrap_or_default();
    let other = neighbour(&good);
    let mut all = Vec::new();
    for uris in [[good.clone(), other.clone()], [other, good]] {
        let what = format!("a certificate with `{}` and then `{}`", uris[0], uris[1]);
        let caller =
            stage.caller_with(Signer::Old, &with(stage, |wish| wish.uris = uris.to_vec()))?;
        all.push(refused(stage, "two-uri-names", &what, &caller).await?);
    }
    Ok(worst(all))
}

async fn issuer_as_caller(stage: &Stage) -> Result<Option<Told>, Obstacle> {
    let word = "issuer-as-caller";
    let leaf = stage.caller_with(Signer::Old, &with(stage, |wish| wish.says_ca = true))?;
    let what = "a leaf that says it is a CA";
    let mut all = vec![refused(stage, word, what, &leaf).await?];
    let wish = stage.cast().caller_wish();
    let issuer = stage.cast().root(Signer::Old).issuer_as(&IssuerWish {
        name: "drill issuer that calls".to_owned(),
        life: wish.life,
        uris: wish.uris,
        dns: wish.dns,
    })?;
    let caller = badged(stage, issuer.as_leaf())?;
    all.push(refused(stage, word, "an issuer's own certificate", &caller).await?);
    Ok(worst(all))
}

/// A caller of the good name below somebody else's leaf. Neither the length of the chain nor a list
/// that is missing may be why it is refused: a lawful chain of that length is served first.
pub(super) async fn leaf_signs_leaf(stage: &mut Stage) -> Result<Told, Obstacle> {
    let word = "leaf-signs-leaf";
    let wish = stage.cast().caller_wish();
    let issuer = stage.cast().issuer(Signer::Old);
    let further = issuer.issuer(&IssuerWish {
        name: "drill further issuer of callers".to_owned(),
        life: wish.life,
        uris: Vec::new(),
        dns: Vec::new(),
    })?;
    let somebody = with(stage, |wish| {
        wish.name = "somebody".to_owned();
        for uri in &mut wish.uris {
            *uri = neighbour(uri);
        }
        for dns in &mut wish.dns {
            *dns = near(dns);
        }
    });
    let somebody = Issuer::of_leaf(&issuer.leaf(&somebody)?);
    let lawful = badged(stage, further.leaf(&wish)?)?;
    let caller = badged(stage, somebody.leaf(&wish)?)?;
    if stage.drill().files.crl.is_some() {
        let mut lists = stage.lists(Signer::Old)?;
        let empty = CrlWish {
            number: stage.list_number(),
            life: wish.life,
            revoked: Vec::new(),
        };
        lists.extend([further.crl(&empty)?, somebody.crl(&empty)?]);
        let lists: Vec<&Crl> = lists.iter().collect();
        stage.put(&Material::default().revoking(&lists)).await?;
    }
    let limit = stage.settle();
    let met = stage.meet_until(&lawful, Until::Served, limit).await?;
    if !met.is_served() {
        let why = format!("control: a lawful chain of that length is not served: {met}");
        return Ok(Told::cannot_judge(word, why));
    }
    let what = "a caller whose certificate another leaf had signed";
    refused(stage, word, what, &caller).await
}

/// A leaf with a good token of its own.
fn badged(stage: &Stage, leaf: crate::drill::authority::Leaf) -> Result<Caller, Obstacle> {
    let badge = match stage.tokens() {
        Some(tokens) => Some(tokens.good(&leaf)?),
        None => None,
    };
    Ok(Caller { leaf, badge })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_name_is_beside_the_good_one() {
        let nobody = |before: &str| format!("{before}{NOBODY}");
        let cart = neighbour("spiffe://shop.example/ns/cart");
        assert_eq!(cart, nobody("spiffe://shop.example/ns/"));
        assert_eq!(neighbour("spiffe://a"), nobody("spiffe://a/"));
        assert_eq!(neighbour("urn:cart"), nobody("urn:cart-"));
        assert_eq!(near("cart.shop"), format!("{NOBODY}.shop"));
        assert_eq!(near("localhost"), NOBODY);
    }
}
