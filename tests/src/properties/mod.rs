//! What holds of every parser, whatever it is given: one property each, stronger than "no panic".
//!
//! A property returns if it holds and panics if it does not. The fuzzers of `tests/fuzz/` run them
//! on inputs that nobody thought of, `tests/tests/corpus.rs` on those that were kept. What is
//! signed in them is signed with throw-away keys, so that whatever verifies must be what was
//! signed here.

pub mod bundle;
pub mod crl;
pub mod csr;
mod der;
pub mod folder;
pub mod note;
pub mod proof;
pub mod registry;
pub mod state;
pub mod text;
pub mod token;
pub mod workload;

/// A property of one parser.
pub type Property = fn(&[u8]);

/// Every property, by the name of its fuzz target, in order of name.
pub const ALL: [(&str, Property); 17] = [
    ("audit", folder::audit),
    ("bundle", bundle::bundle),
    ("checkpoint", note::checkpoint),
    ("crl", crl::crl),
    ("csr", csr::csr),
    ("entry", text::entry),
    ("jwks", token::jwks),
    ("log", folder::log),
    ("note", note::note),
    ("policy", text::policy),
    ("posture", text::posture),
    ("proof", proof::proof),
    ("registry", registry::registry),
    ("scenario", text::scenario),
    ("state", state::state),
    ("token", token::token),
    ("workload", workload::workload),
];
