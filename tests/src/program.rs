//! The program as tests start it: the binary of the very tree that they test.
//!
//! It is built by the cargo that runs the tests, so it is never an older one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // The tests are named too, so that features are those of the build that is already there.
    build.args([
        "build",
        "--workspace",
        "--tests",
        "--bin",
        "schism",
        "--quiet",
    ]);
    build.args(["--message-format", "json"]).current_dir(root());
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let output = build.stderr(Stdio::inherit()).output();
    let output = output.expect("cargo can be started");
    assert!(output.status.success(), "the binary does not build");
    let said = String::from_utf8_lossy(&output.stdout);
    let artifacts = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let built = artifacts.into_iter().find_map(|artifact| {
        let is_it =
            artifact["target"]["name"] == "schism" && !artifact["profile"]["test"].as_bool()?;
        is_it.then(|| artifact["executable"].as_str().map(PathBuf::from))?
    });
    built.expect("cargo names the binary that it built")
});

/// The root of the tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The program, built.
pub fn binary() -> &'static Path {
    &BINARY
}
