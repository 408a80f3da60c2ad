//! What is to be in the target's files, and how each of them says it.
//!
//! It does not ask whether the parts fit: half a pair, a chain cut short and an empty list of roots
//! are cases. Invariant: what is not in a material stays as it is.

use rustls::pki_types::CertificateDer;

use super::PlaceError;
use crate::drill::authority::{Crl, Issuer, Key, Leaf, Root, pem};
use crate::drill::file::{Files, Form, Piece};

/// New content for some of the files.
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// The private key.
    pub key: Option<Key>,
    /// The chain, leaf first.
    pub chain: Option<Vec<CertificateDer<'static>>>,
    /// The roots; an empty list is an empty file.
    pub trust: Option<Vec<CertificateDer<'static>>>,
    /// The lists in DER. A file in DER holds the first alone, so that is the leaves' issuer's. A
    /// target that reads none is not told.
    pub crl: Option<Vec<Vec<u8>>>,
    /// The keys of tokens, if the target reads them from a file.
    pub jwks: Option<Vec<u8>>,
    /// A piece that is cut short, in the middle of its first certificate.
    pub cut: Option<Piece>,
}

impl Material {
    /// A leaf and its key.
    pub fn leaf(leaf: &Leaf) -> Self {
        Self {
            key: Some(leaf.key.clone()),
            chain: Some(leaf.chain_der.clone()),
            ..Self::default()
        }
    }

    /// A leaf's chain without its key: half of a pair, as a reader sees it between two writes.
    pub fn half(leaf: &Leaf) -> Self {
        Self {
            chain: Some(leaf.chain_der.clone()),
            ..Self::default()
        }
    }

    /// With these roots.
    #[must_use]
    pub fn trusting(mut self, roots: &[&Root]) -> Self {
        let certificates = roots.iter().map(|root| root.certificate().clone());
        self.trust = Some(certificates.collect());
        self
    }

    /// With these issuers among the roots, for a target that wants whole chains in `trust`.
    #[must_use]
    pub fn and_issuers(mut self, issuers: &[&Issuer]) -> Self {
        let certificates = issuers.iter().map(|issuer| issuer.certificate().clone());
        self.trust.get_or_insert_default().extend(certificates);
        self
    }

    /// With these lists, the leaves' issuer's first.
    #[must_use]
    pub fn revoking(mut self, lists: &[&Crl]) -> Self {
        self.crl = Some(lists.iter().map(|list| list.der.clone()).collect());
        self
    }

    /// With one piece cut short.
    #[must_use]
    pub const fn cutting(mut self, piece: Piece) -> Self {
        self.cut = Some(piece);
        self
    }

    /// This laid over what was there before it.
    pub(super) fn over(&self, last: &Self) -> Self {
        Self {
            key: self.key.clone().or_else(|| last.key.clone()),
            chain: self.chain.clone().or_else(|| last.chain.clone()),
            trust: self.trust.clone().or_else(|| last.trust.clone()),
            crl: self.crl.clone().or_else(|| last.crl.clone()),
            jwks: self.jwks.clone().or_else(|| last.jwks.clone()),
            cut: self.cut,
        }
    }

    /// The content of a piece's file, if this changes it. `whole` is this over what was before.
    pub(super) fn content(
        &self,
        piece: Piece,
        files: &Files,
        whole: &Self,
    ) -> Result<Option<Vec<u8>>, PlaceError> {
        let combined = files.is_combined();
        let text = match piece {
            Piece::Chain if combined => None,
            Piece::Key if combined && (self.key.is_some() || self.chain.is_some()) => {
                Some(both(files, whole)?)
            }
            Piece::Key => match &self.key {
                Some(key) => Some(written(key, files.key.form)?),
                None => None,
            },
            Piece::Chain => self
                .chain
                .as_ref()
                .map(|it| pem::certificates(it).into_bytes()),
            Piece::Trust => self
                .trust
                .as_ref()
                .map(|it| pem::certificates(it).into_bytes()),
            Piece::Crl => match (&files.crl, &self.crl) {
                (Some(file), Some(lists)) => Some(match file.form {
                    Form::Der => lists.first().cloned().unwrap_or_default(),
                    Form::Pem | Form::Pkcs8 | Form::Sec1 => {
                        pem::crls(lists.iter().map(Vec::as_slice)).into_bytes()
                    }
                }),
                _ => None,
            },
        };
        let cut = self.cut == Some(piece)
            || (combined && piece == Piece::Key && self.cut == Some(Piece::Chain));
        Ok(text.map(|mut text| {
            if cut {
                text.truncate(middle(&text));
            }
            text
        }))
    }
}

/// The middle of the first certificate, key or list in a text.
fn middle(text: &[u8]) -> usize {
    let mark = b"-----END ";
    let end = text.windows(mark.len()).position(|window| window == mark);
    end.unwrap_or(text.len()) / 2
}

/// Chain and key in one file, in that order.
fn both(files: &Files, whole: &Material) -> Result<Vec<u8>, PlaceError> {
    let (Some(key), Some(chain)) = (&whole.key, &whole.chain) else {
        let why = "key and chain are one file, and one of them has never been written";
        return Err(PlaceError::Material(why.to_owned()));
    };
    let mut text = pem::certificates(chain).into_bytes();
    text.extend(written(key, files.key.form)?);
    Ok(text)
}

fn written(key: &Key, form: Form) -> Result<Vec<u8>, PlaceError> {
    let text = match form {
        Form::Sec1 => pem::sec1(key).map_err(|why| PlaceError::Material(why.to_string()))?,
        Form::Pkcs8 | Form::Pem | Form::Der => pem::pkcs8(key),
    };
    Ok(text.as_bytes().to_vec())
}
