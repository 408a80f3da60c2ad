//! Embeds the labs: every folder of `catalog/`, and the one that new labs are copied from.
//!
//! A new lab is a new folder and nothing else. A folder that is no whole lab stops the build and
//! is named. What is embedded has no byte order mark and no CRLF, wherever it was checked out.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "src/catalog/folder.rs"]
mod folder;

use folder::{LabFiles, subfolders};

fn main() -> Result<(), Box<dyn Error>> {
    for watched in ["build.rs", "catalog", "src/catalog/folder.rs", "template"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let built_in: Result<Vec<_>, _> = subfolders(Path::new("catalog"))?
        .iter()
        .map(|folder| LabFiles::read(folder))
        .collect();
    match (built_in, LabFiles::read(Path::new("template/a-new-lab"))) {
        (Ok(labs), Ok(template)) => {
            let out = PathBuf::from(std::env::var("OUT_DIR")?);
            let labs: String = labs.iter().map(|lab| written(lab) + ",\n").collect();
            fs::write(out.join("labs.rs"), format!("&[\n{labs}]\n"))?;
            fs::write(out.join("template.rs"), written(&template))?;
        }
        (Err(why), _) | (_, Err(why)) => println!("cargo::error={why}"),
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
