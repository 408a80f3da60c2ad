//! The proof: what the tests, benches and fuzzers of this package share.

pub mod clerk;
pub mod flagship;
pub mod ground;
pub mod openssl;
pub mod program;
pub mod properties;
