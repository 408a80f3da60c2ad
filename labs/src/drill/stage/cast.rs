//! Who signs what: the root of today, the next one, a stranger, and callers below them.
//!
//! Each root has one issuer below it, and names of their own, since lists are found by name. It
//! hands out certificates and remembers none of them.

use std::time::Duration;

use crate::drill::authority::{
    Authority, AuthorityError, Issuer, Leaf, LeafWish, Life, Role, Root,
};
use crate::drill::clock;
use crate::drill::eyes::{Badge, Identity};
use crate::drill::file::DrillFile;

/// How long a leaf lives if a case does not say otherwise.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signer {
    /// The root that the target trusts at the beginning of every case.
    Old,
    /// The one that comes after it.
    Next,
    /// A further one, to see by it that a bundle was taken up.
    Further,
    /// One that the target never trusts.
    Stranger,
}

impl Signer {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Old, Self::Next, Self::Further, Self::Stranger];

    const fn word(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::Next => "next",
            Self::Further => "further",
            Self::Stranger => "stranger",
        }
    }
}

/// A root and the issuer below it.
#[derive(Clone, Debug)]
struct House {
    root: Root,
    issuer: Issuer,
}

/// Everybody who signs.
#[derive(Clone, Debug)]
pub struct Cast {
    authority: Authority,
    houses: [House; 4],
    target: LeafWish,
    caller: LeafWish,
}

/// Somebody who calls: a leaf, and a token if the target wants one.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The leaf.
    pub leaf: Leaf,
    /// The token.
    pub badge: Option<Badge>,
}

impl Caller {
    /// Who the caller says it is.
    pub fn identity(&self) -> Identity {
        Identity::of(self.leaf.chain_der.clone(), self.leaf.key_der())
    }
}

impl Cast {
    pub(super) fn new(drill: &DrillFile) -> Result<Self, AuthorityError> {
        let now = clock::date();
        let authority = Authority::new(now);
        let house = |signer: Signer| -> Result<House, AuthorityError> {
            let root = authority.new_root(&format!("drill {} root", signer.word()))?;
            let issuer = root.issuer(&format!("drill {} issuer", signer.word()))?;
            Ok(House { root, issuer })
        };
        let life = Life::from_now(now, DAY);
        let mut target = LeafWish::new(Role::Both, life);
        for uri in &drill.target.uris {
            target = target.uri(uri);
        }
        for host in &drill.target.hosts {
            target = target.host(host);
        }
        let mut caller = LeafWish::new(Role::Both, life);
        caller.name = "caller".to_owned();
        if let Some(uri) = &drill.caller.uri {
            caller = caller.uri(uri);
        }
        if let Some(dns) = &drill.caller.dns {
            caller = caller.host(dns);
        }
        Ok(Self {
            houses: [
                house(Signer::Old)?,
                house(Signer::Next)?,
                house(Signer::Further)?,
                house(Signer::Stranger)?,
            ],
            authority,
            target,
            caller,
        })
    }

    /// Who makes roots.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A root.
    pub const fn root(&self, signer: Signer) -> &Root {
        &self.house(signer).root
    }

    /// The issuer below it.
    pub const fn issuer(&self, signer: Signer) -> &Issuer {
        &self.house(signer).issuer
    }

    /// What a good leaf of the target's says, valid from five minutes ago for a day.
    pub fn target_wish(&self) -> LeafWish {
        fresh(&self.target)
    }

    /// What a good caller's leaf says, valid from five minutes ago for a day.
    pub fn caller_wish(&self) -> LeafWish {
        fresh(&self.caller)
    }

    const fn house(&self, signer: Signer) -> &House {
        match signer {
            Signer::Old => &self.houses[0],
            Signer::Next => &self.houses[1],
            Signer::Further => &self.houses[2],
            Signer::Stranger => &self.houses[3],
        }
    }
}

fn fresh(wish: &LeafWish) -> LeafWish {
    let mut wish = wish.clone();
    wish.life = Life::from_now(clock::date(), DAY);
    wish
}
