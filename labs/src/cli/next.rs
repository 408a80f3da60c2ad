//! What to type next: commands that work when pasted into the shell that started this one.
//!
//! Started by cargo, they start with cargo; otherwise with the program as it was called. Only
//! commands that exist are ever named.

use std::ffi::OsString;
use std::path::Path;

/// How the program was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invocation(String);

impl Invocation {
    /// Finds out, from the first argument, the environment, and the current folder.
    pub(super) fn find(
        called: Option<OsString>,
        variable: impl Fn(&str) -> Option<OsString>,
        folder: Option<&Path>,
    ) -> Self {
        // These are set by `cargo run` for this package, and by nothing else.
        let own = variable("CARGO_PKG_NAME").is_some_and(|name| name == env!("CARGO_PKG_NAME"));
        let package = variable("CARGO_MANIFEST_DIR").filter(|_| own);
        let root = package.as_deref().map(Path::new).and_then(Path::parent);
        if let Some(root) = root {
            let plain = folder.is_some_and(|it| it == root || it.starts_with(root.join("labs")));
            let manifest = quoted(&root.join("Cargo.toml").display().to_string());
            return Self(if plain {
                "cargo run -q --release --".to_owned()
            } else {
                format!("cargo run -q --release --manifest-path {manifest} --")
            });
        }
        let called = called.map(|name| name.to_string_lossy().into_owned());
        Self(quoted(&called.unwrap_or_else(|| "schism".to_owned())))
    }

    /// The same program as someone else would start it, without this machine's paths.
    pub(super) fn anywhere(&self) -> Self {
        let plain = "cargo run -q --release --";
        let cargo = self.0.starts_with("cargo run -q --release ");
        Self(if cargo { plain } else { "schism" }.to_owned())
    }

    /// A command with these words.
    pub(super) fn command(&self, words: &[&str]) -> String {
        words.iter().fold(self.0.clone(), |command, word| {
            command + " " + &quoted(word)
        })
    }
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-._/:=,+@%\\".contains(c);
    let backslash = !cfg!(windows) && word.contains('\\');
    if !word.is_empty() && !backslash && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(called: &str, cargo: Option<&str>, folder: &str) -> String {
        let variable = |name: &str| match name {
            "CARGO_PKG_NAME" => cargo.map(|_| "labs".into()),
            "CARGO_MANIFEST_DIR" => cargo.map(Into::into),
            _ => None,
        };
        let found = Invocation::find(Some(called.into()), variable, Some(Path::new(folder)));
        found.command(&["demo", "stale-acl"])
    }

    #[test]
    fn cargo_is_named_only_if_it_started_the_program() {
        let called = "target/release/schism";
        assert_eq!(
            find(called, None, "/s"),
            "target/release/schism demo stale-acl"
        );
        let plain = "cargo run -q --release -- demo stale-acl";
        assert_eq!(find(called, Some("/s/labs"), "/s"), plain);
        assert_eq!(find(called, Some("/s/labs"), "/s/labs/src"), plain);
        let elsewhere = "cargo run -q --release --manifest-path /s/Cargo.toml -- demo stale-acl";
        assert_eq!(find(called, Some("/s/labs"), "/home"), elsewhere);
    }

    #[test]
    fn a_command_for_someone_else_has_no_path_of_this_machine() {
        let said = |words: &str| Invocation(words.to_owned()).anywhere().command(&["demo"]);
        assert_eq!(said("target/release/schism"), "schism demo");
        let elsewhere = "cargo run -q --release --manifest-path /s/Cargo.toml --";
        assert_eq!(said(elsewhere), "cargo run -q --release -- demo");
    }

    #[test]
    fn another_packages_environment_is_not_this_ones() {
        let variable = |name: &str| match name {
            "CARGO_PKG_NAME" => Some("tests".into()),
            "CARGO_MANIFEST_DIR" => Some("/s/tests".into()),
            _ => None,
        };
        let found = Invocation::find(Some("schism".into()), variable, None);
        assert_eq!(found.command(&[]), "schism");
    }

    #[test]
    fn what_a_shell_would_change_is_quoted() {
        assert_eq!(quoted("my lab/it's"), r"'my lab/it'\''s'");
        assert_eq!(quoted("$(x)"), "'$(x)'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("./labs/ünder"), "./labs/ünder");
    }
}
