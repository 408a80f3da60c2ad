//! The nodes: what the world's services are made of, and what stands between a request and them.

pub mod audit;
pub mod client;
pub mod courier;
pub mod edge;
pub mod forwarded;
pub mod guard;
pub mod member;
pub mod node;
pub mod policy;
pub mod posture;
pub mod records;
pub mod refusal;
pub mod secret;
#[cfg(test)]
mod specimen;
pub mod token;
