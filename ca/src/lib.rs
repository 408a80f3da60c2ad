//! The root of trust: what it takes to be someone, and to prove what was said.
//!
//! It owns the seams ([`clock`], [`net`], [`disk`], [`keys`], [`work`], [`rng`], [`journal`]):
//! everything a node may ask of the world outside itself. It knows no service and no lab.

pub mod admission;
pub mod agent;
#[cfg(test)]
mod agent_tests;
pub mod announced;
pub mod authorities;
pub mod authority;
pub mod budget;
pub mod bundle;
pub mod bundle_json;
pub mod chain;
pub mod clock;
pub mod conn;
pub mod credential;
mod credential_file;
pub mod crl;
pub mod csr;
pub mod delivery;
#[cfg(unix)]
mod delivery_unix;
pub mod desk;
pub mod disk;
pub mod dns;
mod enrol;
pub mod error;
pub mod federation;
pub mod grpc;
pub mod heal;
pub mod identity;
pub mod invitation;
pub mod issuance;
pub mod issue;
pub mod join;
pub mod journal;
pub mod journaled;
pub mod keys;
pub mod net;
pub mod node;
mod nonce;
pub mod offered;
pub mod p256;
pub mod pem;
pub mod profile;
pub mod public;
pub mod recover;
pub mod renewal;
pub mod returns;
pub mod revocation;
pub mod rng;
pub mod root_keys;
mod rotate;
pub mod rotation;
pub mod sealed_keys;
pub mod seams;
pub mod secrets;
mod settings;
mod signed_before;
mod store;
pub mod svid;
pub mod tlog;
pub mod tls;
pub mod token_keys;
pub mod trusted;
pub mod turns;
pub mod unlogged;
pub mod way_back;
pub mod work;
pub mod workload;
