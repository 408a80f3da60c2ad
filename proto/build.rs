//! Compiles the `.proto` files with protox, in pure Rust: nobody needs `protoc`.

use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 10] = [
    "schism/ca/v1/identity.proto",
    "schism/ca/v1/secrets.proto",
    "schism/ca/v1/trust.proto",
    "schism/policy/v1/policy.proto",
    "schism/records/v1/notices.proto",
    "schism/records/v1/records.proto",
    "schism/records/v1/replication.proto",
    "schism/token/v1/tokens.proto",
    "schism/witness/v1/witness.proto",
    "spiffe/workload.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let descriptors = protox::compile(FILES, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("descriptors.bin");
    std::fs::write(out, descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(descriptors)?;
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    Ok(())
}
