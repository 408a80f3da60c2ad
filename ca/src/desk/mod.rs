//! The desk: what an operator may order of a CA, by value, and what is answered.
//!
//! An order comes from a command line, directly or through the socket of a CA that is being served;
//! either way it is carried out here, whole, on the CA's own clock. An answer is words for people
//! and the same as JSON for tools. It never holds a private key; a join code is in the answer to
//! [`Order::Join`] alone.

mod about;
mod answers;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::{Zeroize as _, Zeroizing};

use crate::bundle_json::Document;
use crate::clock::Time;
use crate::crl::RevocationReason;
use crate::csr::Request;
use crate::disk::Disk;
use crate::dns::DnsNames;
use crate::error::CaError;
use crate::federation::{Endpoint, Relation};
use crate::identity::{SpiffeId, TrustDomain};
use crate::invitation::Invitation;
use crate::issue::Ca;
use crate::join::{Guest, JOIN_TTL_S};
use crate::pem;
use crate::rotation::{Command, Reason};
use crate::sealed_keys::SealedRootKeys;

/// What an operator orders.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// An invitation for one workload.
    Join {
        /// Whom it is for.
        spiffe_id: SpiffeId,
        /// The DNS names that its leaves carry beside.
        #[serde(default)]
        dns_names: DnsNames,
        /// How long it may be used, in seconds; without it, as long as the CA's settings say.
        #[serde(default)]
        ttl_s: Option<u64>,
    },
    /// A leaf for a workload that has no agent; the operator vouches for it.
    Issue {
        /// Whom it is for.
        spiffe_id: SpiffeId,
        /// The DNS names that it carries beside.
        #[serde(default)]
        dns_names: DnsNames,
        /// The signing request, DER in base64.
        csr: String,
    },
    /// How the authorities stand, and who blocks what.
    Status,
    /// The roots.
    Bundle {
        /// How often others are to ask for the bundle again, in seconds, where it is to be given to
        /// them.
        #[serde(default)]
        hint_s: Option<u64>,
    },
    /// The newest revocation lists.
    Crl,
    /// The issuance log, from that entry on.
    Log {
        /// The first entry.
        from: u64,
    },
    /// Something is to become of an authority.
    Act {
        /// What.
        act: Deed,
        /// Of which kind: `root`, `x509` or `jwt`; or of which secret: `secret:NAME`.
        authority: String,
        /// Which one of its kind; without it, the one that the deed can only mean.
        id: Option<u64>,
        /// Why a gate that blocks may be skipped.
        override_reason: Option<String>,
        /// What opens the roots' keys, where one is needed.
        passphrase: Option<Passphrase>,
    },
    /// Another trust domain's bundle is believed.
    Federate {
        /// Whose.
        trust_domain: TrustDomain,
        /// The bundle, as SPIFFE writes it down.
        document: String,
        /// Where it is fetched again; without it, where it was before.
        #[serde(default)]
        endpoint: Option<Endpoint>,
        /// How old it may become, in seconds; without it, as old as before.
        #[serde(default)]
        max_age_s: Option<u64>,
    },
    /// Nothing of another trust domain is believed any more.
    Withdraw {
        /// Whose.
        trust_domain: TrustDomain,
    },
    /// A leaf is revoked.
    RevokeLeaf {
        /// Its serial, hexadecimal.
        serial: String,
        /// Why, in the words of RFC 5280.
        reason: String,
    },
    /// Who came back after its leaf had ended is who it was.
    Confirm {
        /// Who.
        spiffe_id: SpiffeId,
        /// The serial that it came back with; without it, whichever that was.
        #[serde(default)]
        serial: Option<String>,
    },
}

/// A passphrase on its way. It does not print itself.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Passphrase(String);

impl Passphrase {
    /// One that was given in that text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.clone())
    }
}

impl Drop for Passphrase {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// What may become of an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// [`Act::Prepare`], with the life that the CA's settings give.
    Prepare,
    /// [`Act::Activate`].
    Activate,
    /// [`Act::Retire`].
    Retire,
    /// [`Act::Taint`].
    Taint,
    /// [`Act::Revoke`].
    Revoke,
    /// [`Act::RollBack`].
    RollBack,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// For people; ends in a newline.
    pub words: String,
    /// For tools.
    pub json: Value,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Declined {
    /// The order does not make sense.
    #[error("{0}")]
    Order(String),
    /// The CA would not, or could not.
    #[error(transparent)]
    Ca(#[from] CaError),
}

impl Order {
    /// Carries it out on a CA whose sealed keys lie on `keys`.
    ///
    /// # Errors
    /// When the order does not make sense, or the CA refuses it or fails.
    pub fn carry_out(
        self,
        ca: &mut Ca,
        keys: &Arc<dyn Disk>,
        now: Time,
    ) -> Result<Answer, Declined> {
        match self {
            Self::Join {
                spiffe_id,
                dns_names,
                ttl_s,
            } => join(ca, guest(ca, spiffe_id, dns_names, ttl_s)?, now),
            Self::Issue {
                spiffe_id,
                dns_names,
                csr,
            } => issue(ca, guest(ca, spiffe_id, dns_names, None)?, &csr, now),
            Self::Status => Ok(answers::status(ca, now)),
            Self::Bundle { hint_s } => Ok(answers::bundle(ca, hint_s, now)),
            Self::Crl => Ok(answers::lists(ca)),
            Self::Log { from } => Ok(answers::log(ca, from)),
            Self::Act {
                act,
                authority,
                id,
                override_reason,
                passphrase,
            } => {
                let about = about::About::of(ca, &authority, now)?;
                let act = about.act(ca, act, id, now)?;
                let mut command = Command::from(act);
                if let Some(reason) = override_reason {
                    let reason = Reason::new(&reason);
                    let reason = reason.map_err(|error| Declined::Order(error.to_string()))?;
                    command = command.overriding(reason);
                }
                let passphrase = passphrase.map(|it| it.reveal());
                let opened = SealedRootKeys::new(Arc::clone(keys), passphrase)?;
                about.command(ca, &command, Box::new(opened), now)
            }
            Self::Federate {
                trust_domain,
                document,
                endpoint,
                max_age_s,
            } => {
                let max_age = max_age_s.map(Duration::from_secs);
                let relation = Relation { endpoint, max_age };
                federate(ca, &trust_domain, &document, relation, now)
            }
            Self::Withdraw { trust_domain } => {
                ca.withdraw(&trust_domain, now)?;
                Ok(answers::withdrawn(&trust_domain))
            }
            Self::RevokeLeaf { serial, reason } => revoke(ca, &serial, &reason, now),
            Self::Confirm { spiffe_id, serial } => {
                let serial = serial.as_deref().map(plain);
                let confirmed = ca.confirm(&spiffe_id, serial.as_deref(), now)?;
                Ok(answers::confirmed(&confirmed))
            }
        }
    }
}

/// Whoever had the CA's own name would be the CA to every member.
fn not_the_ca(id: &SpiffeId) -> Result<(), Declined> {
    if id.path() == crate::node::PATH {
        return Err(Declined::Order(format!("`{id}` is the CA's own name")));
    }
    Ok(())
}

/// Whom an operator vouches for.
fn guest(
    ca: &Ca,
    spiffe_id: SpiffeId,
    dns_names: DnsNames,
    ttl_s: Option<u64>,
) -> Result<Guest, Declined> {
    not_the_ca(&spiffe_id)?;
    let (least, most) = JOIN_TTL_S.into_inner();
    if let Some(secs) = ttl_s.filter(|secs| !JOIN_TTL_S.contains(secs)) {
        return Err(Declined::Order(format!(
            "a join code may be used for {least} to {most} seconds, not for {secs}"
        )));
    }
    Ok(Guest {
        spiffe_id,
        dns_names,
        ttl: ttl_s.map_or(ca.config().join_ttl, Duration::from_secs),
    })
}

fn join(ca: &mut Ca, guest: Guest, now: Time) -> Result<Answer, Declined> {
    let code = ca.invite(guest.clone(), now)?;
    let invitation = Invitation {
        code: Zeroizing::new(code.reveal().to_owned()),
        bundle: ca.bundle(),
        spiffe_id: guest.spiffe_id,
    };
    let (text, until) = (invitation.reveal(), now + guest.ttl);
    Ok(Answer {
        words: format!("{}\n", *text),
        json: json!({
            "spiffe_id": invitation.spiffe_id,
            "dns_names": guest.dns_names,
            "invitation": &*text,
            "until_us": until.as_micros(),
        }),
    })
}

fn issue(ca: &mut Ca, guest: Guest, csr: &str, now: Time) -> Result<Answer, Declined> {
    let csr = BASE64_STANDARD.decode(csr);
    let csr = csr.map_err(|_| Declined::Order("the signing request is no base64".to_owned()))?;
    let id = guest.spiffe_id.clone();
    // Before a code is made that nobody would use.
    Request::verify(&csr, &id).map_err(CaError::from)?;
    let code = ca.invite(guest, now)?;
    let identity = ca.enroll(code.reveal(), &csr, now)?;
    let chain = pem::certificates(&identity.chain);
    Ok(Answer {
        json: json!({
            "spiffe_id": id,
            "serial": identity.facts.serial_hex(),
            "not_after_us": identity.facts.not_after.as_micros(),
            "log_index": identity.log_index,
            "chain_pem": chain,
        }),
        words: chain,
    })
}

fn federate(
    ca: &mut Ca,
    domain: &TrustDomain,
    document: &str,
    relation: Relation,
    now: Time,
) -> Result<Answer, Declined> {
    let document = Document::parse(document.as_bytes());
    let document = document.map_err(|error| Declined::Order(error.to_string()))?;
    ca.federate(domain, document, relation, now)?;
    Ok(answers::federated_with(ca, domain, now))
}

/// A serial as the log has it.
fn plain(serial: &str) -> String {
    serial.replace(':', "").to_lowercase()
}

fn revoke(ca: &mut Ca, serial: &str, reason: &str, now: Time) -> Result<Answer, Declined> {
    let known = RevocationReason::from_name(reason).ok_or_else(|| {
        let names: Vec<&str> = RevocationReason::ALL.iter().map(|it| it.name()).collect();
        Declined::Order(format!(
            "`{reason}` is no reason: there are {}",
            names.join(", ")
        ))
    })?;
    let serial = plain(serial);
    let one = ca.revoke_leaf(&serial, known, now)?;
    Ok(Answer {
        words: format!("revoked {serial} of {}\n", one.spiffe_id),
        json: json!({ "serial": serial, "spiffe_id": one.spiffe_id, "reason": one.reason }),
    })
}

#[cfg(test)]
mod tests;
