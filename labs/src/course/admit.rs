//! Which postures a lab's check takes: every dial of the lab set, and no other turned.
//!
//! A lab is passed by choosing, so a dial that is left out is no answer, and one that the lab is
//! not about would be an answer to another question. Nothing here runs anything.

use services::posture::{DIALS, Posture, Source, Sources};

/// Why a posture is not tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inadmissible {
    /// Dials that the lab is about and the file does not set.
    #[error("{file}: {dials} not set; this lab is about {about}: set it to what you choose")]
    Missing {
        /// The posture's name.
        file: String,
        /// Each of them, and `is` or `are`.
        dials: String,
        /// Every dial that the lab is about.
        about: String,
    },
    /// A dial that the lab is not about, and that the file turns.
    #[error("{file}:{line}: `{dial}` is `{value}` and this lab is not about it: {way}")]
    Turned {
        /// The posture's name.
        file: String,
        /// The line.
        line: usize,
        /// The dial.
        dial: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        way: String,
    },
    /// A dial that the lab is not about, sets, and the file no longer does.
    #[error("{file}: `{dial}` is not set any more and this lab is not about it: set it to `{was}`")]
    Dropped {
        /// The posture's name.
        file: String,
        /// The dial.
        dial: &'static str,
        /// Its value in the lab's exposed posture.
        was: String,
    },
}

/// Takes the posture, or says which dial keeps it from being tried. `exposed` is what the learner
/// started from.
///
/// # Errors
/// The dials of the lab that are missing, else the first other one that differs.
pub fn admit(
    dials: &[String],
    exposed: &Posture,
    file: &str,
    (posture, sources): (&Posture, &Sources),
) -> Result<(), Inadmissible> {
    let file = file.to_owned();
    let missing = dials
        .iter()
        .filter(|it| sources.get(it) == Source::Hardened);
    let missing: Vec<String> = missing.cloned().collect();
    if !missing.is_empty() {
        let is = if missing.len() == 1 { "is" } else { "are" };
        let (dials, about) = (format!("{} {is}", list(&missing)), list(dials));
        return Err(Inadmissible::Missing { file, dials, about });
    }
    let others = DIALS.iter().map(|dial| dial.name);
    for dial in others.filter(|name| !dials.iter().any(|own| own == name)) {
        let (Some(value), Some(was)) = (posture.value(dial), exposed.value(dial)) else {
            continue;
        };
        if value == was {
            continue;
        }
        let Source::Line(line) = sources.get(dial) else {
            return Err(Inadmissible::Dropped { file, dial, was });
        };
        let hardened = Posture::hardened().value(dial).is_some_and(|it| it == was);
        let way = if hardened {
            format!("remove the line; turn {}", list(dials))
        } else {
            format!("set it back to `{was}`; turn {}", list(dials))
        };
        return Err(Inadmissible::Turned {
            file,
            line,
            dial,
            value,
            way,
        });
    }
    Ok(())
}

fn list(dials: &[String]) -> String {
    format!("`{}`", dials.join("`, `"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPOSED: &str = "[policy]\nfreshness = \"any\"\non_stale = \"allow\"\n[token]\n\
                           leeway = \"60s\"\n";

    fn said(text: &str) -> String {
        let dials = ["policy.freshness".to_owned(), "policy.on_stale".to_owned()];
        let (exposed, _) = Posture::parse("exposed", EXPOSED).unwrap();
        let (posture, sources) = Posture::parse("posture.toml", text).unwrap();
        match admit(&dials, &exposed, "posture.toml", (&posture, &sources)) {
            Ok(()) => String::new(),
            Err(why) => why.to_string(),
        }
    }

    #[test]
    fn every_dial_of_the_lab_must_be_set_and_a_default_does_not_count() {
        assert_eq!(said(EXPOSED), "");
        assert_eq!(
            said(""),
            "posture.toml: `policy.freshness`, `policy.on_stale` are not set; this lab is about \
             `policy.freshness`, `policy.on_stale`: set it to what you choose"
        );
        let alone = said("[policy]\nfreshness = \"5s\"\n");
        assert!(
            alone.starts_with("posture.toml: `policy.on_stale` is not set"),
            "{alone}"
        );
    }

    #[test]
    fn no_other_dial_may_be_turned_back_or_dropped() {
        assert_eq!(
            said(&EXPOSED.replace("60s", "2s")),
            "posture.toml:5: `token.leeway` is `2s` and this lab is not about it: set it back to \
             `60s`; turn `policy.freshness`, `policy.on_stale`"
        );
        let dropped = said("[policy]\nfreshness = \"any\"\non_stale = \"allow\"\n");
        assert!(dropped.ends_with("set it to `60s`"), "{dropped}");
        let extra = said(&format!("{EXPOSED}[audit]\ndurability = \"async\"\n"));
        assert!(
            extra.starts_with("posture.toml:7: `audit.durability` is `async`"),
            "{extra}"
        );
        assert!(extra.contains("remove the line"), "{extra}");
        assert_eq!(
            said(&format!("{EXPOSED}[audit]\ndurability = \"sync\"\n")),
            "",
            "no change"
        );
    }
}
