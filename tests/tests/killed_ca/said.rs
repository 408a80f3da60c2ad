//! What the child says on its pipe: one line a thing that is done, or that is about to be asked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ca::journaled::{Journaled, Revoked};
use ca::rotation::Transition;

/// Before each line: the harness writes to the same pipe.
const MARK: &str = "said ";

/// One word of the child's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A leaf was issued: its chain.
    Leaf(Vec<Vec<u8>>),
    /// An authority took a step.
    Step(Transition),
    /// A leaf was revoked.
    Revoked(Revoked),
    /// A join code is about to be used, for that signing request.
    Asking(String, Vec<u8>),
}

impl Said {
    /// Which kind it is, by number.
    pub(crate) const fn place(&self) -> usize {
        match self {
            Self::Leaf(_) => 0,
            Self::Step(_) => 1,
            Self::Revoked(_) => 2,
            Self::Asking(..) => 3,
        }
    }

    /// The line, with its end.
    pub(crate) fn line(&self) -> String {
        let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        let json = |journaled| serde_json::to_string(&journaled).unwrap();
        let words = match self {
            Self::Leaf(chain) => {
                let chain: Vec<String> = chain.iter().map(|it| base64(it)).collect();
                format!("leaf {}", chain.join(","))
            }
            Self::Step(step) => format!("journal {}", json(Journaled::Transition(step.clone()))),
            Self::Revoked(one) => format!("journal {}", json(Journaled::Revoked(one.clone()))),
            Self::Asking(code, csr) => format!("asking {code} {}", base64(csr)),
        };
        // The dot says that nothing is missing: a cut line has none.
        format!("{MARK}{words} .\n")
    }

    /// Reads a line; nothing if it is another's, or was cut.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let at = line.find(MARK)?;
        let words = line[at + MARK.len()..].strip_suffix(" .")?;
        let (kind, rest) = words.split_once(' ')?;
        let bytes = |text: &str| BASE64_STANDARD.decode(text).ok();
        match kind {
            "leaf" => rest
                .split(',')
                .map(bytes)
                .collect::<Option<_>>()
                .map(Self::Leaf),
            "journal" => match Journaled::parse(rest.as_bytes()).ok()? {
                Journaled::Transition(step) => Some(Self::Step(step)),
                Journaled::Revoked(one) => Some(Self::Revoked(one)),
                // Its work knows no way back, and no secrets.
                Journaled::Returned(_) | Journaled::Confirmed(_) | Journaled::Secret(_) => None,
            },
            "asking" => {
                let (code, csr) = rest.split_once(' ')?;
                Some(Self::Asking(code.to_owned(), bytes(csr)?))
            }
            _ => None,
        }
    }
}
