//! Lists that are believed too easily, to show what that costs.
//!
//! Without a memory, whatever an issuer ever signed takes the place of what is held: who can hold
//! back an answer can undo a revocation with last week's list. webpki 0.103 takes the first list of
//! an issuer's name and looks at no number. Unsigned, whoever writes the file can put a list in
//! the place of an issuer's last that no path can use, so that nobody of that issuer is let in.

use rustls::pki_types::CertificateDer;

use super::{Crl, Crls, InvalidCrl};
use crate::bundle::Bundle;
use crate::identity::TrustDomain;

/// Takes a list in the place of its issuer's last, be it older or another of the same number; says
/// whether anything changed.
///
/// # Errors
/// When nobody known signed it.
pub fn accept_any(
    crls: &mut Crls,
    crl: Crl,
    signers: &[CertificateDer<'_>],
    bundle: &Bundle,
) -> Result<bool, InvalidCrl> {
    let held = crls.get(&bundle.trust_domain, &crl);
    if held.is_some_and(|held| held.der() == crl.der()) {
        return Ok(false);
    }
    crl.verify(signers, bundle)?;
    crls.put(crl, &bundle.trust_domain);
    Ok(true)
}

/// Takes a list whose signers are not known, on the word of the file that it came in, as nginx and
/// HAProxy do; says whether anything changed. Its signature is looked at by webpki, at each use,
/// under the issuer of the path. The number held never falls, unless it `may_fall`.
pub fn unverified(crls: &mut Crls, crl: Crl, domain: &TrustDomain, may_fall: bool) -> bool {
    let held = crls.get(domain, &crl);
    let fits = held.is_none_or(|held| may_fall || held.number() < crl.number());
    let same = held.is_some_and(|held| held.der() == crl.der());
    if !fits || same {
        return false;
    }
    crls.put(crl, domain);
    true
}
