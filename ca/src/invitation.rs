//! Invitations: what an agent needs for its first contact, in one text that an operator carries.
//!
//! It names whom it is for, holds the join code, and brings the roots by which the agent knows its
//! CA: the first contact is verified like every other. It is a secret until the code is used, and
//! does not print itself.

use std::fmt;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::bundle::Bundle;
use crate::identity::SpiffeId;
use crate::trusted::MAX_ROOTS;

/// Longest text that is read as an invitation, in bytes.
pub const MAX_INVITATION: usize = 64 * 1024;

const PREFIX: &str = "schism-invitation-1.";

/// An invitation.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Whom it is for.
    pub spiffe_id: SpiffeId,
    /// The join code, to be used once.
    pub code: Zeroizing<String>,
    /// The roots of the trust domain.
    pub bundle: Bundle,
}

/// A text that is no invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no invitation: {0}")]
pub struct InvalidInvitation(&'static str);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    spiffe_id: SpiffeId,
    code: String,
    generation: u64,
    roots: Vec<String>,
}

impl Invitation {
    /// The text to carry.
    pub fn reveal(&self) -> Zeroizing<String> {
        let written = Written {
            spiffe_id: self.spiffe_id.clone(),
            code: self.code.to_string(),
            generation: self.bundle.generation,
            roots: (self.bundle.roots.iter())
                .map(|root| BASE64_STANDARD.encode(root))
                .collect(),
        };
        let json = serde_json::to_vec(&written).map(Zeroizing::new);
        let json = json.unwrap_or_default();
        Zeroizing::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(&*json)))
    }

    /// Reads one, blanks around it left out.
    ///
    /// # Errors
    /// What about it is wrong; never what it says.
    pub fn parse(text: &str) -> Result<Self, InvalidInvitation> {
        let text = text.trim();
        if text.len() > MAX_INVITATION {
            return Err(InvalidInvitation("it is too long"));
        }
        let body = text
            .strip_prefix(PREFIX)
            .ok_or(InvalidInvitation("it does not begin like one"))?;
        let json = BASE64_URL_SAFE_NO_PAD.decode(body).map(Zeroizing::new);
        let json = json.map_err(|_| InvalidInvitation("it is damaged or cut short"))?;
        let written: Written = serde_json::from_slice(&json)
            .map_err(|_| InvalidInvitation("it is damaged or cut short"))?;
        let code = Zeroizing::new(written.code);
        if written.roots.is_empty() || written.roots.len() > MAX_ROOTS {
            return Err(InvalidInvitation("it has no roots, or too many"));
        }
        let roots = written.roots.iter().map(|root| {
            let der = BASE64_STANDARD.decode(root);
            der.map(CertificateDer::from)
        });
        let roots = roots.collect::<Result<_, _>>();
        Ok(Self {
            bundle: Bundle {
                trust_domain: written.spiffe_id.trust_domain().clone(),
                generation: written.generation,
                roots: roots.map_err(|_| InvalidInvitation("a root is no base64"))?,
            },
            spiffe_id: written.spiffe_id,
            code,
        })
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({}, ..)", self.spiffe_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::TrustDomain;

    fn invitation() -> Invitation {
        let trust_domain = TrustDomain::new("clinic.example").unwrap();
        Invitation {
            spiffe_id: SpiffeId::new(&trust_domain, "/records.south").unwrap(),
            code: Zeroizing::new("join-0123".to_owned()),
            bundle: Bundle {
                trust_domain,
                generation: 3,
                roots: vec![CertificateDer::from(vec![1, 2, 3])],
            },
        }
    }

    #[test]
    fn what_is_carried_arrives_and_does_not_print_itself() {
        let text = invitation().reveal();
        assert_eq!(
            Invitation::parse(&format!(" {}\r\n", *text)),
            Ok(invitation())
        );
        assert!(!format!("{:?}", invitation()).contains("join-"));
    }

    #[test]
    fn a_text_that_is_cut_or_changed_is_refused_and_not_repeated() {
        let text = invitation().reveal();
        for len in 0..text.len() {
            assert!(Invitation::parse(&text[..len]).is_err(), "{len}");
        }
        let long = format!("{PREFIX}{}", "A".repeat(MAX_INVITATION));
        let rootless = Invitation {
            bundle: Bundle {
                roots: Vec::new(),
                ..invitation().bundle
            },
            ..invitation()
        };
        for wrong in [
            &long,
            &*rootless.reveal(),
            "",
            "join-0123",
            &text.replace('.', "-"),
        ] {
            let refused = Invitation::parse(wrong).unwrap_err().to_string();
            assert!(refused.len() < 80 && !refused.contains("0123"), "{refused}");
        }
    }
}
