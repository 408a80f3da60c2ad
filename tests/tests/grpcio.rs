//! A stranger at the records service: Python's grpcio, with nothing of ours but an agent's files.
//!
//! `tests/interop/grpcio/run` installs the stranger and names its folder in `SCHISM_GRPCIO`.
//! Without it nobody is there to ask, and the test says so. The steps are in `client.py` there.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use labs::rehearsal::clinic::{Clinic, DNS_NAME, RECORDS, TOKEN, Terms};

/// Life of a leaf: the first renewal comes after about eight seconds.
const LEAF_TTL: Duration = Duration::from_secs(20);
/// How long the stranger may take: a leaf's rotation is the longest of it.
const PATIENCE: Duration = Duration::from_secs(90);

async fn visited(stranger: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    let terms = Terms::new(LEAF_TTL, &["alice", "bob"]).unwrap();
    let mut clinic = Clinic::start(&terms).unwrap();
    for user in ["alice", "bob"] {
        clinic.deliver(user, &files.join(user)).unwrap();
    }
    let (records, token) = (clinic.port(RECORDS).await, clinic.port(TOKEN).await);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/grpcio/client.py");
    let mut client = Command::new(stranger.join("bin/python"))
        .env("PYTHONPATH", stranger.join("stubs"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("grpc_proxy")
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .arg(script)
        .args(["--host", DNS_NAME, "--files"])
        .arg(&files)
        .args([
            "--records",
            &records.to_string(),
            "--token",
            &token.to_string(),
        ])
        .spawn()
        .unwrap();
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(status) = client.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let Ok(status) = ended.await else {
        client.kill().unwrap();
        panic!("the stranger did not come to an end");
    };
    assert!(status.success(), "the stranger: {status}");
}

#[test]
fn grpcio_is_served_with_an_agents_files_and_refused_with_a_token_of_another_leaf() {
    let Some(stranger) = std::env::var_os("SCHISM_GRPCIO").map(PathBuf::from) else {
        return println!("SKIPPED: `tests/interop/grpcio/run` brings grpcio");
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, visited(&stranger));
}
