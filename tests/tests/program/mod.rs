//! A person at a folder, for the tests that start the program: what they type, and how it ends.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tests::program::{binary, root};

/// A folder with a workspace of its own.
pub(crate) struct Desk(TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join(".schism")).unwrap();
        Self(temp)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// A copy of the built-in lab, as a folder.
    pub(crate) fn lab(&self) {
        for file in [
            "README.md",
            "hints.md",
            "lab.toml",
            "exposed/posture.toml",
            "exposed/policy.cedar",
            "solution/posture.toml",
            "solution/policy.cedar",
            "why.md",
        ] {
            let built_in = root().join("labs/catalog/stale-acl").join(file);
            self.write(&format!("lab/{file}"), fs::read(built_in).unwrap());
        }
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(binary());
        command
            .args(line.split_whitespace())
            .current_dir(self.0.path());
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "NO_COLOR"] {
            command.env_remove(name);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ended {
        Ended::from(self.command(line).output().unwrap())
    }

    /// The names of what is under `.schism/runs/`.
    pub(crate) fn runs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(".schism/runs")) else {
            return Vec::new();
        };
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }

    /// Bad input: status 2, nothing printed, nothing kept, and one line that says all of this.
    #[track_caller]
    pub(crate) fn refuses(&self, line: &str, parts: &[&str]) {
        let ended = self.run(line);
        assert_eq!(ended.status, Some(2), "{line}: {}", ended.err);
        assert_eq!(ended.out, "", "{line}");
        assert_eq!(ended.err.lines().count(), 1, "{line}: {}", ended.err);
        assert!(ended.err.starts_with("error: "), "{line}: {}", ended.err);
        for part in parts {
            assert!(
                ended.err.contains(part),
                "{line}: no {part} in {}",
                ended.err
            );
        }
        assert_eq!(self.runs(), Vec::<String>::new(), "{line}");
    }
}

/// How a command ended, and what it said.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn fed(mut command: Command, input: &[u8]) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Ended::from(child.wait_with_output().unwrap())
}
