//! The certificates that a drill.toml asks for, before a case makes one of them odd.
//!
//! It signs nothing. Invariant: who is let in by the file has all the names that the file gives.

use super::DrillFile;
use crate::drill::authority::{LeafWish, Life, Role};

impl DrillFile {
    /// The target's own leaf: good for serving, and for calling others.
    pub fn target_leaf(&self, life: Life) -> LeafWish {
        named(Role::Both, life, &self.target.uris, &self.target.hosts)
    }

    /// The leaf of a caller that the target lets in.
    pub fn caller_leaf(&self, life: Life) -> LeafWish {
        let (uri, dns) = (&self.caller.uri, &self.caller.dns);
        named(Role::Caller, life, uri.as_slice(), dns.as_slice())
    }

    /// The leaf of the one whom the target calls, if the drill plays that.
    pub fn upstream_leaf(&self, life: Life) -> Option<LeafWish> {
        let upstream = self.upstream.as_ref()?;
        Some(named(Role::Server, life, &upstream.uris, &upstream.hosts))
    }

    /// The leaf that the target itself calls with: its files hold the caller's names then.
    pub fn client_leaf(&self, life: Life) -> LeafWish {
        let mut wish = self.caller_leaf(life);
        wish.role = Role::Both;
        wish
    }
}

fn named(role: Role, life: Life, uris: &[String], hosts: &[String]) -> LeafWish {
    let wish = uris
        .iter()
        .fold(LeafWish::new(role, life), |wish, uri| wish.uri(uri));
    hosts.iter().fold(wish, |wish, host| wish.host(host))
}
