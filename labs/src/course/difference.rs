//! The difference of two texts, line by line: what went, what came, what stayed.
//!
//! Lines stay in their order and each of either text is told once. A line end of its own kind is
//! no difference. Texts too long to be compared are told one after the other.

/// Pairs of lines that are compared at most.
const MAX_PAIRS: usize = 4_000_000;

/// A line of either text, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'t> {
    /// Only in the first.
    Gone(&'t str),
    /// Only in the second.
    New(&'t str),
    /// In both.
    Same(&'t str),
}

/// The lines of both, with as many in common as can be.
pub fn difference<'t>(old: &'t str, new: &'t str) -> Vec<Line<'t>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    if old.len().saturating_mul(new.len()) > MAX_PAIRS {
        let gone = old.into_iter().map(Line::Gone);
        return gone.chain(new.into_iter().map(Line::New)).collect();
    }
    let common = common(&old, &new);
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(Line::Gone(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
    lines
}

/// How many lines the rests from `i` and `j` on have in common at most.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<usize>> {
    let mut most = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            most[i][j] = if old[i] == new[j] {
                most[i + 1][j + 1] + 1
            } else {
                most[i + 1][j].max(most[i][j + 1])
            };
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_stayed_stays_between_what_went_and_what_came() {
        let told = difference("a\nb\nc\n", "a\nx\nc\r\nd\n");
        let expected = [
            Line::Same("a"),
            Line::Gone("b"),
            Line::New("x"),
            Line::Same("c"),
            Line::New("d"),
        ];
        assert_eq!(told, expected);
        assert_eq!(difference("", ""), []);
        let long = "x\n".repeat(60_000);
        assert_eq!(difference(&long, &long).len(), 120_000);
    }

    proptest! {
        #[test]
        fn both_texts_can_be_had_back(old in "[ab\n]{0,12}", new in "[ab\n]{0,12}") {
            let told = difference(&old, &new);
            let kept = |first: bool| -> Vec<String> {
                let line = |line: &Line<'_>| match *line {
                    Line::Gone(_) if !first => None,
                    Line::New(_) if first => None,
                    Line::Same(text) | Line::Gone(text) | Line::New(text) => Some(text.to_owned()),
                };
                told.iter().filter_map(line).collect()
            };
            prop_assert_eq!(kept(true), old.lines().collect::<Vec<_>>());
            prop_assert_eq!(kept(false), new.lines().collect::<Vec<_>>());
        }
    }
}
