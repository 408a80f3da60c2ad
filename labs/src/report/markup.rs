//! Markup that is always well formed, as XML and as HTML alike, whatever the names in it.
//!
//! An element is closed by the call that opened it, and text and attributes are escaped here and
//! nowhere else. It refuses what a reader could not see: control characters and those that turn
//! the direction of a text are replaced.

use super::text::steers;

/// What a page may load: nothing but the style that is in it.
pub(crate) const LOADS: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Markup in the making.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    out: String,
}

/// An element's attributes: names from this program, values from anywhere.
pub(crate) type Attributes<'a> = [(&'a str, &'a str)];

impl Markup {
    /// The first line of a page.
    pub(crate) fn page() -> Self {
        Self {
            out: "<!DOCTYPE html>\n".to_owned(),
        }
    }

    /// An element and what is in it.
    pub(crate) fn element(
        &mut self,
        tag: &str,
        attributes: &Attributes<'_>,
        fill: impl FnOnce(&mut Self),
    ) {
        self.open(tag, attributes);
        self.out.push('>');
        fill(self);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
        if !INLINE.contains(&tag) {
            self.out.push('\n');
        }
    }

    /// An element with only text in it.
    pub(crate) fn leaf(&mut self, tag: &str, attributes: &Attributes<'_>, text: &str) {
        self.element(tag, attributes, |markup| markup.text(text));
    }

    /// An element that never holds anything.
    pub(crate) fn void(&mut self, tag: &str, attributes: &Attributes<'_>) {
        self.open(tag, attributes);
        self.out.push_str("/>\n");
    }

    /// Text, its lines kept.
    pub(crate) fn text(&mut self, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        self.out.push_str(&escaped(&text.replace("\r\n", "\n")));
    }

    /// The head of a page that loads nothing, with its own style sheet.
    pub(crate) fn head(&mut self, title: &str, sheet: &'static str) {
        self.element("head", &[], |markup| {
            markup.void("meta", &[("charset", "utf-8")]);
            for named in [
                [
                    ("http-equiv", "Content-Security-Policy"),
                    ("content", LOADS),
                ],
                [
                    ("name", "viewport"),
                    ("content", "width=device-width, initial-scale=1"),
                ],
                [("name", "color-scheme"), ("content", "light dark")],
            ] {
                markup.void("meta", &named);
            }
            markup.leaf("title", &[], title);
            markup.style(sheet);
        });
    }

    /// The page's own style sheet, which is no text to be escaped.
    fn style(&mut self, sheet: &'static str) {
        debug_assert!(!sheet.contains(['<', '&']), "a sheet is no markup");
        self.out.push_str("<style>\n");
        self.out.push_str(sheet);
        self.out.push_str("</style>\n");
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    fn open(&mut self, tag: &str, attributes: &Attributes<'_>) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.out.push_str(&escaped(value));
            self.out.push('"');
        }
    }
}

/// Elements after which a line's end would show as a space.
const INLINE: [&str; 6] = ["code", "data", "span", "strong", "text", "tspan"];

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            _ if steers(c) => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_text_the_markup_says_it_and_nothing_else(
            text in any::<String>(),
            value in any::<String>(),
        ) {
            let mut markup = Markup::default();
            markup.leaf("p", &[("title", &value)], &text);
            let out = markup.finish();
            let read = roxmltree::Document::parse(&out).unwrap();
            let root = read.root_element();
            prop_assert_eq!(root.children().filter(|c| c.is_element()).count(), 0);
            let kept = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
            prop_assert_eq!(kept(root.text().unwrap_or("")), kept(&text));
            prop_assert_eq!(kept(root.attribute("title").unwrap_or("")), kept(&value));
        }
    }

    #[test]
    fn what_would_open_an_element_or_turn_the_text_does_neither() {
        let mut markup = Markup::default();
        markup.leaf(
            "p",
            &[("title", "\"><script>")],
            "</p>&\u{202e}\u{1b}\u{0}'",
        );
        assert_eq!(
            markup.finish(),
            "<p title=\"&quot;&gt;&lt;script&gt;\">\
             &lt;/p&gt;&amp;\u{fffd}\u{fffd}\u{fffd}&#39;</p>\n"
        );
    }
}
