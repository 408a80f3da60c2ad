//! Embeds the labs: every folder of `catalog/`.
//!
//! A new lab is a new folder and nothing else. A folder that is no whole lab stops the build and
//! is named. What is embedded has no byte order mark and no CRLF, wherever it was checked out.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

#[path = "src/catalog/folder.rs"]
mod folder;

use folder::{LabFiles, subfolders};

fn main() -> Result<(), Box<dyn Error>> {
    for watched in ["build.rs", "catalog", "src/catalog/folder.rs"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let built_in: Result<Vec<_>, _> = subfolders(Path::new("catalog"))?
        .iter()
        .map(|folder| LabFiles::read(folder))
        .collect();
    match built_in {
        Ok(labs) => {
            let labs: String = labs.iter().map(|lab| written(lab) + ",\n").collect();
            let out = Path::new(&std::env::var("OUT_DIR")?).join("labs.rs");
            fs::write(out, format!("&[\n{labs}]\n"))?;
        }
        Err(why) => println!("cargo::error={why}"),
    }
    Ok(())
}

/// The lab as an expression of the type `EmbeddedLab`.
fn written(lab: &LabFiles) -> String {
    let fields = [
        ("id", &lab.id),
        ("lab_toml", &lab.lab_toml),
        ("readme", &lab.readme),
        ("demo", &lab.demo),
        ("hints", &lab.hints),
        ("why", &lab.why),
        ("exposed_posture", &lab.exposed_posture),
        ("exposed_policy", &lab.exposed_policy),
        ("solution_posture", &lab.solution_posture),
        ("solution_policy", &lab.solution_policy),
    ];
    let mut out = "EmbeddedLab {\n".to_owned();
    for (field, text) in fields {
        // A string's debug form is its literal.
        let _ = writeln!(out, "{field}: {text:?},");
    }
    out += "wrong: &[\n";
    for wrong in &lab.wrong {
        let (name, posture) = (&wrong.name, &wrong.posture);
        let (policy, expect) = (&wrong.policy, &wrong.expect);
        let _ = writeln!(out, "WrongFix {{ name: {name:?}, posture: {posture:?},");
        let _ = writeln!(out, "policy: {policy:?}, expect: {expect:?} }},");
    }
    out + "] }"
}
