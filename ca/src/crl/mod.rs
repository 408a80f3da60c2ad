//! Revocation lists: what an issuer takes back, how that is signed, and the newest of each issuer.
//!
//! A list goes by its issuer's name and its number. Reading one believes nothing: [`Crl::parse`]
//! looks at form alone, and [`Crls`] take only what [`Crl::verify`] traces to a root. What a chain
//! is refused for is decided in [`crate::chain`]. Invariant: of each issuer at most one list is
//! held, and its number falls only through [`danger`].

pub mod danger;
mod held;
mod list;
mod sign;
mod signer;
#[cfg(test)]
pub(crate) mod specimen;

pub use held::Crls;
pub(crate) use held::fitting;
pub use list::{Crl, InvalidCrl, MAX_CRL, MAX_SERIAL};
pub(crate) use sign::sign;
pub use sign::{RevocationReason, RevokedLeaf};
