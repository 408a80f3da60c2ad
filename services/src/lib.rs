//! The nodes: what the world's services are made of, and what stands between a request and them.

pub mod audit;
pub mod courier;
pub mod policy;
pub mod posture;
pub mod refusal;
pub mod token;
