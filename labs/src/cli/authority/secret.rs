//! A secret as an operator writes it into `ca.toml`.
//!
//! ```toml
//! [[secrets]]
//! name = "webhook"
//! holders = ["/laboratory", "/records"]   # who is given it
//! users = ["/laboratory"]                 # who makes something with it
//! counts_for_s = 300                      # for how long; left out, for as long as it lies there
//! ```
//!
//! It is settings alone: the CA makes the first version when it is opened next, and gives out none
//! of a secret that is taken out of the file; its keys stay in the store. Invariant:
//! whoever uses a secret holds it.

use std::time::Duration;

use ca::identity::{SpiffeId, TrustDomain};
use ca::secrets::{SecretConfig, SecretName};
use serde::{Deserialize, Serialize};

/// One secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    name: String,
    holders: Vec<String>,
    users: Vec<String>,
    #[serde(default)]
    counts_for_s: u64,
}

impl Secret {
    /// As the CA's settings have it.
    pub(super) fn config(&self, domain: &TrustDomain) -> Result<SecretConfig, String> {
        let name = SecretName::new(&self.name);
        let name = name.map_err(|error| format!("`{}`: {error}", self.name))?;
        for path in &self.holders {
            SpiffeId::new(domain, path).map_err(|error| format!("`{path}`: {error}"))?;
        }
        if self.users.is_empty() {
            return Err(format!("nobody uses the secret `{name}`"));
        }
        if let Some(user) = self.users.iter().find(|it| !self.holders.contains(it)) {
            return Err(format!(
                "`{user}` uses the secret `{name}` and does not hold it"
            ));
        }
        Ok(SecretConfig {
            name,
            holders: self.holders.clone(),
            users: self.users.clone(),
            counts_for: Duration::from_secs(self.counts_for_s),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SecretConfig, String> {
        let secret: Secret = toml::from_str(text).map_err(|error| error.to_string())?;
        secret.config(&TrustDomain::new("clinic.example").unwrap())
    }

    #[test]
    fn a_secret_is_read_with_its_holders_and_who_uses_it_must_hold_it() {
        const GOOD: &str = "name = \"webhook\"\nholders = [\"/lab\", \"/records\"]\n\
                            users = [\"/lab\"]\ncounts_for_s = 300\n";
        let config = read(GOOD).unwrap();
        assert_eq!(config.counts_for, Duration::from_secs(300));
        assert_eq!((config.holders.len(), config.users.len()), (2, 1));
        for (old, new, why) in [
            ("webhook", "Web hook", "a secret's name has"),
            ("\"/records\"", "\"records\"", "`records`"),
            ("users = [\"/lab\"]", "users = []", "nobody uses"),
            ("users = [\"/lab\"]", "users = [\"/x\"]", "does not hold it"),
            ("counts_for_s", "key", "unknown field"),
        ] {
            let refused = read(&GOOD.replacen(old, new, 1)).unwrap_err();
            assert!(refused.contains(why), "{why}: {refused}");
        }
    }
}
