//! `[caller]`: the names that the target lets in, and others that it must not.

use super::fields::Fields;
use super::flaw::{Placed, incoherent};
use super::target::owned;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The URI, a SPIFFE ID mostly.
    pub uri: Option<String>,
    /// The DNS name.
    pub dns: Option<String>,
    /// URIs that the target must refuse, for `wrong-name`.
    pub refused_uris: Vec<String>,
    /// DNS names that the target must refuse.
    pub refused_dns: Vec<String>,
}

impl Caller {
    pub(super) const KNOWN: [&'static str; 4] = ["uri", "dns", "refused-uris", "refused-dns"];

    pub(super) fn read(fields: &Fields<'_, '_>) -> Placed<Self> {
        let uri = fields.word("uri")?;
        if let Some(word) = &uri
            && !word.text.contains(':')
        {
            return Err(word.refused("uri", "a URI such as \"spiffe://shop.example/cart\""));
        }
        let dns = fields.word("dns")?;
        if uri.is_none() && dns.is_none() {
            let wanted = "the name it lets in, such as \"spiffe://shop.example/cart\"; or `dns`";
            return fields.need("uri", None, wanted);
        }
        let refused_uris = fields.words("refused-uris")?;
        let refused_dns = fields.words("refused-dns")?;
        for (allowed, refused) in [(&uri, &refused_uris), (&dns, &refused_dns)] {
            let Some(allowed) = allowed else { continue };
            if let Some(both) = refused.iter().find(|word| word.text == allowed.text) {
                let why = "this name is let in and must be refused: take one of the two away";
                return incoherent(&both.span, why);
            }
        }
        Ok(Self {
            uri: uri.map(|word| word.text.to_owned()),
            dns: dns.map(|word| word.text.to_owned()),
            refused_uris: owned(refused_uris),
            refused_dns: owned(refused_dns),
        })
    }

    /// The trust domain of its SPIFFE ID, if it has one.
    pub fn trust_domain(&self) -> Option<&str> {
        let rest = self.uri.as_deref()?.strip_prefix("spiffe://")?;
        rest.split('/').next().filter(|domain| !domain.is_empty())
    }
}
