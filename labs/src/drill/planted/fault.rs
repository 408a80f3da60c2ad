//! The ways in which a planted service is bad: one for each case, switched on one at a time.
//!
//! A fault's word is the word of the case that must find it. Each is what real software does or
//! did, and says whose where that is known; nothing here is worse than that on purpose.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::drill::answer::Group;

macro_rules! faults {
    ($($name:ident $word:literal $group:ident $what:literal;)*) => {
        /// One thing switched off in a planted service, or nothing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Fault {
            /// It does everything right.
            None,
            $(#[doc = $what] $name,)*
        }

        impl Fault {
            /// Every fault, in the order of the cases.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word of the case that must find it; `none` for the good service.
            pub const fn word(self) -> &'static str {
                match self {
                    Self::None => "none",
                    $(Self::$name => $word,)*
                }
            }

            /// The case's group.
            pub const fn group(self) -> Option<Group> {
                match self {
                    Self::None => None,
                    $(Self::$name => Some(Group::$group),)*
                }
            }

            /// What the service does wrong, and who does so.
            pub const fn what(self) -> &'static str {
                match self {
                    Self::None => "It does everything right.",
                    $(Self::$name => $what,)*
                }
            }
        }
    };
}

faults! {
    LeafSwap "leaf-swap" Leaf
        "It reads its key and chain once, at its start, as tonic's own TLS settings do.";
    LeafSwapUnderLoad "leaf-swap-under-load" Leaf
        "It takes up a new leaf by starting again: every connection is cut, and for 700 ms new \
         ones are too. Deployments that restart their pods to rotate do so.";
    LeafKeyMismatch "leaf-key-mismatch" Leaf
        "It takes up its key and its chain each as it finds them, and serves a pair that does \
         not match.";
    SameKeyRenewal "same-key-renewal" Leaf
        "It looks for changes in its key's file alone, so a renewal with the same key goes by.";
    NewRootBeforeItsLeaves "new-root-before-its-leaves" Trust
        "It reads its roots once, at its start, as Linkerd does (linkerd2#13613).";
    OldRootNew "old-root-new" Trust
        "It adds the roots that it reads to those that it has, and takes none away: Go's \
         x509.CertPool can only add.";
    OldRootResumed "old-root-resumed" Trust
        "A resumed session is not judged by today's roots: Go (CVE-2025-68121), Envoy \
         (envoy#47238), Oak (project-oak/oak#5167).";
    OldRootEstablished "old-root-established" Trust
        "Roots are asked for at the handshake alone, so an open connection goes on: Envoy, \
         tonic.";
    OldRootOpenStream "old-root-open-stream" Trust
        "A stream is judged by the roots of the moment at which it was opened, as Consul once \
         judged the rights of its xDS streams (consul#5237).";
    ExpiredRootInBundle "expired-root-in-bundle" Trust
        "One expired root among its roots, and it throws all of them away: nobody is let in.";
    TwoRootsOneName "two-roots-one-name" Trust
        "It keeps its roots by name: of two with one name, only the last counts.";
    RevokedLeafNew "revoked-leaf-new" Revocation
        "It reads no revocation list, as go-spiffe reads none (go-spiffe#329) and Istio read none \
         for years (istio#17763).";
    RevokedLeafResumed "revoked-leaf-resumed" Revocation
        "A resumed session is not looked up in the revocation list: rustls's default keeps \
         sessions and calls no verifier for them.";
    RevokedLeafEstablished "revoked-leaf-established" Revocation
        "The revocation list is looked at during the handshake alone: nginx, Envoy.";
    RevokedLeafOpenStream "revoked-leaf-open-stream" Revocation
        "A stream is looked up in the revocation list when it is opened, and not again.";
    OlderCrl "older-crl" Revocation
        "It takes up any list that it finds, also one with a lower number: rustls-webpki 0.103 \
         does not look at the number.";
    CrlPastNextUpdate "crl-past-next-update" Revocation
        "It believes a list past its next update for ever: ExpirationPolicy::Ignore, the \
         default of rustls-webpki.";
    ExpiredCaller "expired-caller" Time
        "It does not look at the end of a caller's certificate, as verify callbacks that wave \
         X509_V_ERR_CERT_HAS_EXPIRED through do not.";
    NotYetValidCaller "not-yet-valid-caller" Time
        "It does not look at the beginning of a caller's certificate, so as not to be bothered \
         by clocks.";
    ExpiresResumed "expires-resumed" Time
        "A resumed session outlives its certificate: each resumption renews the ticket, and \
         dates were looked at once (scylladb/python-driver#1017).";
    ExpiresEstablished "expires-established" Time
        "An open connection outlives its certificate: Envoy (envoy#17999), Istio (istio#7630), \
         gRPC (grpc-go#3021).";
    ExpiresOpenStream "expires-open-stream" Time
        "An open stream outlives its certificate.";
    JwksNewKey "jwks-new-key" Tokens
        "It reads the key set once, at its start, and does not look again for a key that it \
         does not know.";
    JwksRemovedKey "jwks-removed-key" Tokens
        "It forgets no key that it ever saw: caches of key sets that only grow.";
    JwksOneKidTwoKeys "jwks-one-kid-two-keys" Tokens
        "It keeps keys by their id: of two with one id, only the last counts.";
    JwksUnknownKid "jwks-unknown-kid" Tokens
        "It fetches the key set again for every token with an id it does not know, so a \
         stranger can flood the issuer through it.";
    ExpiredToken "expired-token" Tokens
        "It does not look at a token's end.";
    WrongAudience "wrong-audience" Tokens
        "It does not ask for whom a token is: jsonwebtoken for Node checks an audience only if one \
         is named.";
    UnsignedToken "unsigned-token" Tokens
        "It lets the token say how it is signed, and one says: not at all (CVE-2022-23540).";
    TokenOfAnotherLeaf "token-of-another-leaf" Bound
        "It does not compare a token's certificate with the connection's: any bearer will do.";
    TokenAfterRotation "token-after-rotation" Bound
        "A token may be bound to any leaf that its caller ever showed, so one stolen with an \
         old leaf outlives the rotation.";
    WrongName "wrong-name" Hostile
        "Anybody of its trust domain is let in, whatever the name: a verified certificate is \
         taken for a permission.";
    WrongTrustDomain "wrong-trust-domain" Hostile
        "It compares the path of a caller's SPIFFE ID and not the trust domain.";
    TwoUriNames "two-uri-names" Hostile
        "Of several URI names in a certificate it takes the one that suits.";
    IssuerAsCaller "issuer-as-caller" Hostile
        "It lets an issuer's own certificate in as a caller.";
    ServerCertificateAsCaller "server-certificate-as-caller" Hostile
        "It does not look at what a certificate is for: one for servers alone is let in as a \
         caller.";
    LeafSignsLeaf "leaf-signs-leaf" Hostile
        "It follows a chain through certificates that may sign none: basic constraints are not \
         looked at.";
    UnknownCriticalExtension "unknown-critical-extension" Hostile
        "It passes over a critical extension that it does not know.";
    TruncatedChain "truncated-chain" Recovery
        "A chain that it cannot read ends its watch: it serves no leaf and reads none again \
         until it is started anew.";
    EmptyTrust "empty-trust" Recovery
        "No root at all means no check at all: everybody with any certificate is let in.";
    AllExpired "all-expired" Recovery
        "Once its own leaf is past its end it renews nothing any more, until it is started \
         anew: Linkerd (linkerd2#13136).";
    ClientPresentsNewLeaf "client-presents-new-leaf" Client
        "It reads its key and chain once, at its start.";
    ClientPoolKeepsOldLeaf "client-pool-keeps-old-leaf" Client
        "It reads its new leaf, but a pooled connection lives on with the old one: Kubernetes \
         (#120621).";
    ClientRefusesRemovedRoot "client-refuses-removed-root" Client
        "It reads the roots for its upstream once, at its start.";
    ClientRefusesExpiredServer "client-refuses-expired-server" Client
        "It does not look at the dates of its upstream's certificate.";
    ClientRefusesOtherName "client-refuses-other-name" Client
        "It does not compare its upstream's name: any certificate under its roots will do.";
}

/// Several faults at once; of the good service, none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Faults(u64);

impl Faults {
    const fn bit(fault: Fault) -> u64 {
        match fault {
            Fault::None => 0,
            fault => 1 << fault as u64,
        }
    }

    /// Whether this fault is one of them.
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & Self::bit(fault) != 0
    }

    /// Each of them, in the order of the cases.
    pub fn each(self) -> impl Iterator<Item = Fault> {
        let all = Fault::ALL.iter().copied();
        all.filter(move |fault| self.has(*fault))
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(Self::bit(fault))
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        let bits = faults.into_iter().map(Self::bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl std::str::FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(word: &str) -> Result<Self, UnknownFault> {
        let all = std::iter::once(&Self::None).chain(Self::ALL);
        let found = all.into_iter().find(|fault| fault.word() == word);
        found.copied().ok_or_else(|| UnknownFault(word.to_owned()))
    }
}

/// A word that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no planted service is called `{0}`: name a case, or `none` for the good service")]
pub struct UnknownFault(String);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_has_a_word_of_its_own_and_is_found_by_it() {
        let words: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.word()).collect();
        assert_eq!(words.len(), Fault::ALL.len());
        for &fault in Fault::ALL {
            assert_eq!(fault.word().parse(), Ok(fault));
            let written = serde_json::to_string(&fault).unwrap();
            assert_eq!(written, format!("\"{}\"", fault.word()));
            assert!(fault.group().is_some() && fault.what().ends_with('.'));
        }
        assert_eq!("none".parse(), Ok(Fault::None));
        assert!("leaf".parse::<Fault>().is_err());
    }

    #[test]
    fn a_set_has_what_was_put_into_it_and_nothing_else() {
        let two: Faults = [Fault::LeafSwap, Fault::ClientRefusesOtherName, Fault::None]
            .into_iter()
            .collect();
        let found: Vec<Fault> = two.each().collect();
        assert_eq!(found, [Fault::LeafSwap, Fault::ClientRefusesOtherName]);
        assert!(!two.has(Fault::None) && Faults::from(Fault::None) == Faults::default());
        for &fault in Fault::ALL {
            assert!(Faults::from(fault).each().eq([fault]), "{fault}");
        }
    }

    #[test]
    fn every_group_has_a_fault() {
        let groups: BTreeSet<Group> = Fault::ALL.iter().filter_map(|f| f.group()).collect();
        assert_eq!(groups, BTreeSet::from(Group::ALL));
    }
}
