//! Lists without a memory: whatever an issuer ever signed takes the place of what is held.
//!
//! It exists to show what that costs: who can hold back an answer can undo a revocation with last
//! week's list. webpki 0.103 takes the first list of an issuer's name and looks at no number.

use rustls::pki_types::CertificateDer;

use super::{Crl, Crls, InvalidCrl};
use crate::bundle::Bundle;

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
    let held = crls.get(&bundle.trust_domain, crl.issuer_name());
    if held.is_some_and(|held| held.der() == crl.der()) {
        return Ok(false);
    }
    crl.verify(signers, bundle)?;
    crls.put(crl, &bundle.trust_domain);
    Ok(true)
}
