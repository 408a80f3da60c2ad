//! Hints: the sections of a `hints.md` that stand under `## Hint 1`, `## Hint 2`, and so on.
//!
//! What stands before the first is for the author and the reader of the file.

/// What each section's heading begins with.
const HEADING: &str = "## Hint ";

/// The hints, in the order of the file, without their headings.
pub fn hints(text: &str) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with(HEADING) {
            hints.push(String::new());
        } else if let Some(hint) = hints.last_mut() {
            hint.push_str(line);
            hint.push('\n');
        }
    }
    hints.iter().map(|hint| hint.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_goes_from_its_heading_to_the_next() {
        let text =
            "# Hints\n\nNot one.\n\n## Hint 1\n\nLook.\n\n- at `a`\n\n## Hint 2\r\nThink.\r\n";
        assert_eq!(hints(text), ["Look.\n\n- at `a`", "Think."]);
        assert_eq!(hints("# Hints\n"), Vec::<String>::new());
    }
}
