//! How deep a policy text goes, counted before anybody parses it.
//!
//! Cedar's parser, its validator and the freeing of what they made call themselves once for each
//! bracket, operator and member of a chain, and a stack that is used up ends the process. So a
//! text is refused here, by one pass over its bytes that calls nothing, if its tree could be deeper
//! than [`MAX_DEPTH`]. It judges nothing else: what is not Cedar is for Cedar to say. Invariant:
//! no tree that Cedar makes of a text is deeper than what is counted here.

/// How deep brackets, operators and members may stand in each other in one policy.
pub(super) const MAX_DEPTH: usize = 64;

/// The line, from 1, on which a text goes deeper than [`MAX_DEPTH`].
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let (mut levels, mut at) = (vec![Level::default()], 0);
    while let Some((token, len)) = text.as_bytes().get(at..).and_then(token) {
        at += len;
        let outermost = levels.len() == 1;
        let level = levels.last_mut()?;
        match token {
            Token::Open => {
                // Keys and calls are chains; scopes, conditions and annotations are none.
                if !outermost {
                    level.rest.link();
                }
                levels.push(Level::default());
            }
            Token::Close if !outermost => {
                let inner = level.depth();
                levels.pop();
                let level = levels.last_mut()?;
                level.inner = level.inner.max(inner);
            }
            Token::Comma if !outermost => level.begin_again(),
            Token::End if outermost => *level = Level::default(),
            Token::Or => level.or(),
            Token::And => level.and(),
            Token::Link => level.rest.link(),
            Token::Close | Token::Comma | Token::End | Token::Flat => {}
        }
        let around = levels.len() - 1;
        if levels.last()?.depth() + around > MAX_DEPTH {
            let lines = text.bytes().take(at).filter(|byte| *byte == b'\n');
            return Some(1 + lines.count());
        }
    }
    None
}

/// What stands between one bracket and its other half.
#[derive(Default)]
struct Level {
    /// Operators that bind weaker than `&&`.
    ors: usize,
    /// Each run of `&&` between them.
    ands: Run,
    /// Each run of everything else between those.
    rest: Run,
    /// The deepest of the brackets in it.
    inner: usize,
    /// The depth of what stands before the last comma.
    before: usize,
}

impl Level {
    /// The most that all of it can be deep: chains lean to one side, link by link.
    fn depth(&self) -> usize {
        let since = self.ors + self.ands.longest + self.rest.longest + self.inner;
        since.max(self.before)
    }

    fn or(&mut self) {
        self.ors += 1;
        self.ands.now = 0;
        self.rest.now = 0;
    }

    fn and(&mut self) {
        self.ands.link();
        self.rest.now = 0;
    }

    fn begin_again(&mut self) {
        *self = Self {
            before: self.depth(),
            ..Self::default()
        };
    }
}

#[derive(Default)]
struct Run {
    now: usize,
    longest: usize,
}

impl Run {
    fn link(&mut self) {
        self.now += 1;
        self.longest = self.longest.max(self.now);
    }
}

/// As much of a token as depth depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Comma,
    /// The end of a policy.
    End,
    /// `||`, or a word that begins an expression or a condition of its own.
    Or,
    And,
    /// Any other operator, by sign or by word, and the dot before a member.
    Link,
    /// What no depth comes of: names, numbers, strings, comments, space.
    Flat,
}

/// The token that a text begins with, and how many bytes it has. Strings and comments end where
/// Cedar's do.
fn token(text: &[u8]) -> Option<(Token, usize)> {
    let (first, rest) = text.split_first()?;
    let within = |end: fn(&u8) -> bool| rest.iter().position(end).unwrap_or(rest.len());
    Some(match (first, rest.first()) {
        (b'"', _) => (Token::Flat, 1 + string(rest)),
        (b'/', Some(b'/')) => (
            Token::Flat,
            1 + within(|byte| matches!(byte, b'\n' | b'\r')),
        ),
        (b'|', Some(b'|')) => (Token::Or, 2),
        (b'&', Some(b'&')) => (Token::And, 2),
        (b'=' | b'!' | b'<' | b'>', Some(b'=')) => (Token::Link, 2),
        (b'(' | b'[' | b'{', _) => (Token::Open, 1),
        (b')' | b']' | b'}', _) => (Token::Close, 1),
        (b',', _) => (Token::Comma, 1),
        (b';', _) => (Token::End, 1),
        (b'.' | b'!' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%', _) => (Token::Link, 1),
        (b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z', _) => {
            let end = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'_';
            let len = 1 + within(end);
            (word(text.get(..len).unwrap_or_default()), len)
        }
        _ => (Token::Flat, 1),
    })
}

fn word(word: &[u8]) -> Token {
    match word {
        b"if" | b"when" | b"unless" => Token::Or,
        b"has" | b"in" | b"is" | b"like" => Token::Link,
        _ => Token::Flat,
    }
}

/// How many bytes of a string follow its first quotation mark, the last one included.
fn string(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::entry::MAX_ENTRY;
    use crate::policy::view::{InvalidPolicy, Policies};

    const HEAD: &str = "permit (principal, action, resource)";

    fn when(condition: &str) -> String {
        format!("{HEAD}\nwhen {{ {condition} }};\n")
    }

    fn line(condition: &str) -> Option<usize> {
        too_deep(&when(condition))
    }

    /// Every way to go deep that Cedar's grammar has, `n` times.
    fn shapes(n: usize) -> Vec<(&'static str, String)> {
        let around = |open: &str, middle: &str, close: &str| {
            when(&format!("{}{middle}{}", open.repeat(n), close.repeat(n)))
        };
        let chain = |first: &str, link: &str| when(&format!("{first}{}", link.repeat(n)));
        vec![
            ("parentheses", around("(", "true", ")")),
            ("lists", around("[", "1", "]")),
            ("records", around("{a: ", "1", "}")),
            ("calls", around("ip(", "\"10.0.0.1\"", ")")),
            ("lists of two", around("[1, ", "1", ", 2]")),
            ("negations", around("!(", "true", ")")),
            ("opposites", around("-(", "1", ")")),
            ("signs", around("!", "true", "")),
            ("minuses", around("- ", "1", "")),
            ("then", around("if true then ", "true", " else true")),
            ("else", around("if true then true else ", "true", "")),
            ("if", around("if ", "true", " then true else true")),
            ("or", chain("true", " || true")),
            ("and", chain("true", " && true")),
            ("and in or", chain("true", " || true && true")),
            ("sums", chain("1", " + 1")),
            ("differences", chain("1", " - 1")),
            ("products", chain("1", " * 1")),
            ("comparisons", chain("1", " == 1")),
            ("has", chain("principal", " has a")),
            ("long has", chain("principal has a", ".a")),
            ("like", chain("\"a\"", " like \"a\"")),
            ("is", chain("principal", " is User")),
            ("in", chain("principal", " in principal")),
            ("members", chain("principal", ".a")),
            ("keys", chain("principal", "[\"a\"]")),
            ("methods", chain("[1]", ".contains(1)")),
            (
                "conditions",
                format!("{HEAD}{};", " when { true }".repeat(n)),
            ),
            (
                "exceptions",
                format!("{HEAD}{};", " unless { false }".repeat(n)),
            ),
            ("left to right", around("(", "true", " || true || true)")),
            ("unclosed", around("(", "true", "")),
            ("unopened", around("", "true", ")")),
            ("crossed", around("([", "true", ")]")),
        ]
    }

    /// Shapes that are long and not deep.
    fn flat(n: usize) -> Vec<(&'static str, String)> {
        let users = vec!["User::\"a\""; n].join(", ");
        vec![
            ("a list", when(&format!("principal in [{users}]"))),
            (
                "a path",
                when(&format!("principal is {}User", "A::".repeat(n))),
            ),
            ("policies", when("true").repeat(n)),
            (
                "annotations",
                format!(
                    "{}{HEAD};",
                    (0..n).map(|n| format!("@a{n}(\"\")")).collect::<String>()
                ),
            ),
        ]
    }

    /// Compiles on a stack of two megabytes, as a thread has that nobody asked for more.
    fn compiled(text: &str) -> Result<(), InvalidPolicy> {
        let text: Arc<str> = text.into();
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let compiling = thread.spawn(move || Policies::compile(&text).map(drop));
        compiling.unwrap().join().expect("no panic")
    }

    #[test]
    fn nothing_that_an_entry_holds_uses_up_the_stack() {
        for (shape, text) in [2, 20, 60, 64, 65, 1_000].into_iter().flat_map(shapes) {
            let _ = (compiled(&text), shape);
        }
        for (shape, _) in shapes(0) {
            let of = |n| {
                shapes(n)
                    .into_iter()
                    .find(|(name, _)| *name == shape)
                    .unwrap()
                    .1
            };
            let per = of(1_000).len() / 1_000;
            let deepest = compiled(&of(MAX_ENTRY / (per + 1)));
            assert!(deepest.is_err(), "{shape}");
        }
        for (shape, text) in flat(1_000) {
            assert_eq!(too_deep(&text), None, "{shape}");
            let _ = compiled(&text);
        }
    }

    #[test]
    fn a_policy_that_people_write_is_not_deep() {
        let alternatives = vec![r#"principal == User::"a" && !(resource in principal)"#; 50];
        assert_eq!(line(&alternatives.join(" ||\n")), None);
        assert_eq!(line(&"(".repeat(60)), None);
        assert_eq!(line(&format!("// {}\n true", "(".repeat(1_000))), None);
        assert_eq!(
            line(&format!("\"{}\\\"{0}\" like \"*\"", "([.".repeat(1_000))),
            None
        );
    }

    #[test]
    fn the_line_is_where_it_goes_too_deep() {
        assert_eq!(line(&"(\n".repeat(1_000)), Some(65));
        assert_eq!(line(&"true\n|| ".repeat(1_000)), Some(66));
        let comment = format!("// \"\r{}", "(".repeat(1_000));
        assert_eq!(
            line(&comment),
            Some(2),
            "a comment ends with its line, however that ends"
        );
        let string = format!("\"\\\\\" {}", "(".repeat(1_000));
        assert_eq!(
            line(&string),
            Some(2),
            "two strokes before a mark do not keep it"
        );
        assert_eq!(
            too_deep(&when("((true))").repeat(1_000)),
            None,
            "each policy for itself"
        );
    }
}
