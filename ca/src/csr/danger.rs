//! Requests that say who somebody is, and a CA that believes them.
//!
//! It exists to show what that costs: whoever may have any certificate may have anyone's. OpenSSL's
//! `copy_extensions` and step-ca's templates over `.Insecure.CR` do it when told to. What a request
//! asks for beyond a name, `CA:TRUE` among it, is refused here as ever, and so is a name of another
//! trust domain. Nothing here is used unless a posture says `identity.request = "copied"`.

use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, IsCa, SanType};
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::{Request, parsed};
use crate::clock::Time;
use crate::credential::Credential;
use crate::dns::DnsNames;
use crate::error::CaError;
use crate::identity::{LeafFacts, SpiffeId};
use crate::keys::Pkcs8;
use crate::p256::P256;
use crate::profile::{self, Validity};

/// Whoever says so, has asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied;

/// The first SPIFFE ID among the names that a request asks for; nothing if it asks for none.
pub(crate) fn asked_for(request: &Request) -> Option<SpiffeId> {
    let csr = parsed(&request.der).ok()?;
    let info = &csr.certification_request_info;
    let asked = info.attributes().iter().filter_map(|attribute| {
        let ParsedCriAttribute::ExtensionRequest(asked) = attribute.parsed_attribute() else {
            return None;
        };
        Some(&asked.extensions)
    });
    let names = asked
        .flatten()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
    names.flatten().find_map(|name| match name {
        GeneralName::URI(uri) => SpiffeId::parse(uri).ok(),
        _ => None,
    })
}

/// What a request asks for besides its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A name.
    Name,
    /// A name, and to be a CA.
    NameAndCa,
}

/// Makes a request that asks for a name, and perhaps for more.
///
/// # Errors
/// When `pkcs8` is no P-256 key.
pub fn request_named(pkcs8: &[u8], name: &SpiffeId, wish: Wish) -> Result<Vec<u8>, CaError> {
    let key = P256::from_pkcs8(pkcs8)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let name = Ia5String::try_from(name.to_string()).map_err(CaError::encoding)?;
    params.subject_alt_names = vec![SanType::URI(name)];
    if wish == Wish::NameAndCa {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let csr = params.serialize_request(&key).map_err(CaError::encoding)?;
    Ok(csr.der().to_vec())
}

/// A leaf in that name that nobody signed but its own key: for those who try it all the same.
///
/// # Errors
/// When `pkcs8` is no P-256 key.
pub fn self_signed(pkcs8: Pkcs8, name: &SpiffeId, now: Time) -> Result<Credential, CaError> {
    let key = P256::from_pkcs8(&pkcs8)?;
    let hour = std::time::Duration::from_secs(60 * 60);
    let validity = Validity::lasting(now - hour, hour * 2);
    let params = profile::leaf(name, &DnsNames::default(), &validity)?;
    let leaf = params.self_signed(&key).map_err(CaError::encoding)?;
    Ok(Credential {
        generation: 1,
        facts: LeafFacts::from_der(leaf.der())?,
        chain: vec![leaf.into()],
        key: pkcs8,
    })
}
