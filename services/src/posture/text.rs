//! A posture as text: the one form that its digest is made from, and the exposed values in it.
//!
//! The canonical text names every dial of a [`Posture`] in order of name, and is itself a
//! posture file that parses back to the same value.

use std::fmt::Write as _;

use super::{Dial, Freshness, Posture, span};

impl Posture {
    /// The value in force of a dial as a file says it; nothing for a dial that no posture holds.
    pub fn value(&self, dial: &str) -> Option<String> {
        let word = match dial {
            "tls.resumption" => self.tls.resumption.word(),
            "tls.recheck" => self.tls.recheck.word(),
            "tls.connection_deadline" => self.tls.connection_deadline.word(),
            "tls.tolerance" => return Some(span::write(self.tls.tolerance)),
            "revocation.crl" => self.revocation.crl.word(),
            "revocation.stale_crl" => self.revocation.stale_crl.word(),
            "revocation.older_crl" => self.revocation.older_crl.word(),
            "token.algorithm" => "key",
            "token.audience" => self.token.audience.word(),
            "token.leeway" => return Some(span::write(self.token.leeway)),
            "token.binding" => self.token.binding.word(),
            "token.keys" => self.token.keys.word(),
            "token.unknown_key" => self.token.unknown_key.word(),
            "token.status" => self.token.status.word(),
            "policy.freshness" => return Some(self.freshness()),
            "policy.on_stale" => self.policy.on_stale.word(),
            "policy.errors" => self.policy.errors.word(),
            "policy.quorum" => match self.policy.quorum {
                2 => "2 of 3",
                other => return Some(other.to_string()),
            },
            "policy.rollback" => "refuse",
            "policy.gap" => "stop",
            "rotation.activate" => self.rotation.activate.word(),
            "rotation.revoke" => self.rotation.revoke.word(),
            "rotation.retry" => self.rotation.retry.word(),
            "rotation.way_back" => self.rotation.way_back.word(),
            "rotation.swap" => self.rotation.swap.word(),
            "secret.versions" => self.secret.versions.word(),
            "issuance.reconcile" => self.issuance.reconcile.word(),
            "identity.request" => self.identity.request.word(),
            "identity.header" => self.identity.header.word(),
            "identity.forwarding" => self.identity.forwarding.word(),
            "audit.durability" => self.audit.durability.word(),
            _ => return None,
        };
        Some(word.into())
    }

    /// One line a dial, in order of name, whatever the order, the spaces and the comments of the
    /// file it came from.
    pub fn canonical(&self) -> String {
        let mut dials: Vec<&str> = super::DIALS.iter().map(|dial| dial.name).collect();
        dials.sort_unstable();
        let mut out = String::new();
        for dial in dials {
            if dial == "policy.freshness" {
                for (action, demand) in self.policy.freshness.iter() {
                    line(&mut out, &format!("{dial}.{action}"), &demand.text());
                }
            } else if let Some(value) = self.value(dial) {
                line(&mut out, dial, &value);
            }
        }
        out
    }

    /// SHA-256 of the canonical text, in lower-case hex.
    pub fn sha256(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.canonical().as_bytes());
        digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// The exposed values in force: dial, value, and who ships it. A span counts from the value
    /// that someone ships upwards; one that is merely wider than the hardened does not.
    pub fn dangers(&self) -> Vec<(&'static str, String, &'static str)> {
        super::DIALS
            .iter()
            .filter_map(|dial| self.exposed_value(dial))
            .collect()
    }

    fn exposed_value(&self, dial: &Dial) -> Option<(&'static str, String, &'static str)> {
        let value = self.value(dial.name)?;
        let shipped_by = match dial.form {
            super::dials::Form::Words | super::dials::Form::Quorum => dial.shipped_by(&value)?,
            super::dials::Form::Span(..) => {
                let least = dial.exposed.iter().find(|exposed| {
                    let from = span::parse(exposed.value);
                    from.is_some_and(|from| span::parse(&value).is_some_and(|now| now >= from))
                })?;
                least.shipped_by
            }
            super::dials::Form::Freshness => {
                let any = |(_, demand)| demand == Freshness::Any;
                self.policy.freshness.iter().find(|entry| any(*entry))?;
                dial.shipped_by("any")?
            }
        };
        Some((dial.name, value, shipped_by))
    }

    fn freshness(&self) -> String {
        let demands: Vec<_> = self.policy.freshness.iter().collect();
        match demands.split_first() {
            Some(((_, first), rest)) if rest.iter().all(|(_, demand)| demand == first) => {
                first.text()
            }
            _ => {
                let parts = demands.iter().map(|(action, demand)| {
                    let demand = demand.text();
                    format!("{action} {demand}")
                });
                parts.collect::<Vec<_>>().join(", ")
            }
        }
    }
}

fn line(out: &mut String, dial: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{dial} = \"{value}\"");
}

#[cfg(test)]
mod tests {
    use super::super::{DIALS, Posture, Recheck};

    #[test]
    fn the_canonical_text_is_a_posture_that_parses_back() {
        let text = "[tls]\nrecheck = \"request\"\n[policy]\nfreshness = { read = \"10s\" }\n";
        let (posture, _) = Posture::parse("p", text).unwrap();
        let (again, _) = Posture::parse("c", &posture.canonical()).unwrap();
        assert_eq!(again, posture);
        assert_ne!(posture.sha256(), Posture::hardened().sha256());
        assert_eq!(again.sha256(), posture.sha256());
    }

    #[test]
    fn a_hardened_posture_has_nothing_exposed_in_force() {
        assert_eq!(Posture::hardened().dangers(), []);
    }

    #[test]
    fn an_exposed_value_is_named_with_who_ships_it() {
        let mut posture = Posture::hardened();
        posture.tls.recheck = Recheck::Handshake;
        posture.token.leeway = std::time::Duration::from_secs(60);
        posture.policy.quorum = 0;
        let dangers = posture.dangers();
        let named: Vec<_> = dangers
            .iter()
            .map(|(dial, value, _)| (*dial, value.as_str()))
            .collect();
        assert_eq!(
            named,
            [
                ("tls.recheck", "handshake"),
                ("token.leeway", "60s"),
                ("policy.quorum", "0")
            ]
        );
        assert_eq!(dangers[0].2, "Envoy, Istio, Consul");
    }

    #[test]
    fn one_action_at_any_age_is_enough_to_be_named() {
        let text = "[policy]\nfreshness = { watch = \"any\" }\n";
        let (posture, _) = Posture::parse("p", text).unwrap();
        let dangers = posture.dangers();
        assert_eq!(dangers[0].1, "read 5s, share latest, watch any, write 5s");
    }

    #[test]
    fn a_dial_has_a_value_exactly_when_it_is_built() {
        for dial in DIALS {
            let held = Posture::hardened().value(dial.name).is_some();
            assert_eq!(held, dial.is_built(), "{}", dial.name);
        }
    }
}
