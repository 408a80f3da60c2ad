//! The proof: what the tests and benches of this package share.

pub mod clerk;
pub mod flagship;
pub mod ground;
pub mod program;
