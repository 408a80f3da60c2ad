//! The wire: messages and services, generated at build time from the `.proto` files beside this
//! package. It holds no logic; turning a message into a domain type is the owning crate's work,
//! in its `grpc.rs`. A module path is the protobuf package, but for [`spiffe`], whose standard
//! knows none.
#![allow(
    missing_docs,
    clippy::allow_attributes,
    reason = "generated; the .proto files are the docs"
)]

/// Every `.proto` file here as one `google.protobuf.FileDescriptorSet`, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// `schism.ca.v1`: first identity and renewal, and what there is to believe.
pub mod ca {
    #[allow(clippy::all, clippy::use_self, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("schism.ca.v1");
    }
}

/// `schism.policy.v1`: acts on the policy log, and its feed.
pub mod policy {
    #[allow(clippy::all, clippy::use_self, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("schism.policy.v1");
    }
}

/// `schism.records.v1`: the clinic's records, and their replication.
pub mod records {
    #[allow(clippy::all, clippy::use_self, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("schism.records.v1");
    }
}

/// The SPIFFE Workload API, which has no package.
pub mod spiffe {
    pub use prost_types;

    #[allow(clippy::all, clippy::pedantic, clippy::use_self, clippy::unwrap_used)]
    pub mod workload {
        tonic::include_proto!("_");
    }
}

/// `schism.token.v1`: an mTLS identity in, a short-lived JWT out.
pub mod token {
    #[allow(clippy::all, clippy::use_self, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("schism.token.v1");
    }
}

/// `schism.witness.v1`: cosigning checkpoints.
pub mod witness {
    #[allow(clippy::all, clippy::use_self, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("schism.witness.v1");
    }
}
