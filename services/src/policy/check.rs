//! A policy file judged before anything runs: the first fault, and the line that it is on.
//!
//! It refuses exactly what the log or a view would refuse later, and decides nothing itself.

use std::sync::Arc;

use cedar_policy::{PolicySet, ValidationMode};
use miette::Diagnostic;

use super::entry::{Entry, InvalidEntry, MAX_ENTRY};
use super::view::{InvalidPolicy, Policies};
use super::vocabulary::VOCABULARY;

/// A policy file that was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {flaw}")]
pub struct PolicyError {
    /// The file's name as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What was refused.
    pub flaw: Flaw,
}

/// What is wrong with a policy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is no policy.
    #[error(transparent)]
    Policy(InvalidPolicy),
    /// It does not fit in an entry of the policy log.
    #[error("the policy does not fit in an entry of {MAX_ENTRY} bytes")]
    TooLong,
}

/// Says whether a text could be the policy of a log; `file` is its name for errors.
///
/// # Errors
/// When it is too long, too deep, not Cedar, holds a template, or does not fit the schema.
pub fn check(file: &str, text: &str) -> Result<(), PolicyError> {
    let error = |line, flaw| PolicyError {
        file: file.to_owned(),
        line,
        flaw,
    };
    let entry = Entry::PutPolicy {
        policy: text.to_owned(),
        entities: Vec::new(),
    };
    if let Err(InvalidEntry::TooLong(_)) = entry.to_bytes() {
        return Err(error(1, Flaw::TooLong));
    }
    match Policies::compile(&Arc::from(text)) {
        Ok(_) => Ok(()),
        // Nobody parses that, not even to say where its fault is.
        Err(InvalidPolicy::Deep(line)) => Err(error(line, Flaw::Policy(InvalidPolicy::Deep(line)))),
        Err(flaw) => Err(error(first_line(text), Flaw::Policy(flaw))),
    }
}

/// The line of the first fault, from 1: where Cedar points, the first line if it does not.
fn first_line(text: &str) -> usize {
    let offset = match text.parse::<PolicySet>() {
        Err(errors) => errors.iter().filter_map(|error| offset(error)).min(),
        Ok(set) => {
            let result = VOCABULARY.validator.validate(&set, ValidationMode::Strict);
            let faults = result.validation_errors().filter_map(|error| offset(error));
            faults.min()
        }
    };
    let before = text.bytes().take(offset.unwrap_or(0));
    1 + before.filter(|byte| *byte == b'\n').count()
}

fn offset(error: &dyn Diagnostic) -> Option<usize> {
    error.labels()?.map(|label| label.offset()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        check("p.cedar", text).unwrap_err().to_string()
    }

    #[test]
    fn a_policy_that_the_log_would_take_passes() {
        assert_eq!(check("p", ""), Ok(()));
        let text = r#"permit (principal in Role::"nurse", action == Action::"read", resource);"#;
        assert_eq!(check("p", text), Ok(()));
    }

    #[test]
    fn a_fault_is_placed_on_its_line() {
        let syntax = "// a clinic\npermit (principal, action, resource);\n\npermitt (\n";
        assert!(
            refused(syntax).starts_with("p.cedar:4: not a Cedar"),
            "{}",
            refused(syntax)
        );
        let schema = "\npermit (principal, action == Action::\"erase\", resource);\n";
        assert!(
            refused(schema).starts_with("p.cedar:2: "),
            "{}",
            refused(schema)
        );
    }

    #[test]
    fn a_policy_that_goes_too_deep_is_placed_without_being_parsed() {
        let (open, close) = ("(".repeat(30_000), ")".repeat(30_000));
        let text = format!("permit (principal, action, resource)\nwhen {{ {open}true{close} }};");
        assert_eq!(
            refused(&text),
            "p.cedar:2: brackets and operators go more than 64 deep, on line 2"
        );
    }

    #[test]
    fn a_policy_that_no_entry_could_hold_is_too_long() {
        let text = "//\n".repeat(MAX_ENTRY / 3);
        assert_eq!(check("p", &text).unwrap_err().flaw, Flaw::TooLong);
    }
}
