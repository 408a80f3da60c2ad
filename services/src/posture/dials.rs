//! The dials: every defence by name, its hardened value, and who ships which exposed one.
//!
//! This table is the only list. A dial or a value whose mechanism is not built is in it all the
//! same, so that a posture which asks for it is refused by name and never silently ignored.

use std::time::Duration;

/// What kind of value a dial takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `any`, `latest` or a span, for all actions or for each.
    Freshness,
    /// How many of three witnesses.
    Quorum,
    /// A span of time from the first to the second, both included.
    Span(Duration, Duration),
    /// One of a few words.
    Words,
}

/// A value weaker than the hardened one, and why it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// As it is written in a posture.
    pub value: &'static str,
    /// Who ships it, or recommends it.
    pub shipped_by: &'static str,
}

/// One defence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Section and key, with a point between.
    pub name: &'static str,
    /// What kind of value it takes.
    pub form: Form,
    /// The value when a posture says nothing.
    pub hardened: &'static str,
    /// Weaker values that real systems ship.
    pub exposed: &'static [Exposed],
    /// The refusals it governs; empty when the harm is found by others than the guard.
    pub refusals: &'static [&'static str],
    /// The values, or the forms of value, that can be had now; empty when none can.
    pub built: &'static [&'static str],
}

impl Dial {
    /// The dial of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        DIALS.iter().find(|dial| dial.name == name)
    }

    /// True if a posture may set it.
    pub const fn is_built(&self) -> bool {
        !self.built.is_empty()
    }

    /// True if a posture may give it this value, one of those that the table names.
    pub fn can_be(&self, value: &str) -> bool {
        match self.form {
            Form::Words => self.built.contains(&value),
            Form::Freshness | Form::Quorum | Form::Span(..) => self.is_built(),
        }
    }

    /// Who ships a value, if it is an exposed one.
    pub fn shipped_by(&self, value: &str) -> Option<&'static str> {
        let exposed = self.exposed.iter().find(|exposed| exposed.value == value)?;
        Some(exposed.shipped_by)
    }
}

const fn exposed(value: &'static str, shipped_by: &'static str) -> Exposed {
    Exposed { value, shipped_by }
}

const TOLERANCE: Form = Form::Span(Duration::ZERO, Duration::from_secs(300));
const LEEWAY: Form = Form::Span(Duration::ZERO, Duration::from_secs(300));

/// Every dial, in the order in which a posture is shown.
pub const DIALS: &[Dial] = &[
    Dial {
        name: "tls.resumption",
        form: Form::Words,
        hardened: "off",
        exposed: &[exposed("on", "rustls, tonic, Go and nginx defaults")],
        refusals: &["certificate-revoked"],
        built: &["off", "on"],
    },
    Dial {
        name: "tls.recheck",
        form: Form::Words,
        hardened: "message",
        exposed: &[
            exposed("handshake", "Envoy, Istio, Consul"),
            exposed("request", "Kubernetes API server"),
        ],
        refusals: &["certificate-expired", "certificate-revoked"],
        built: &["message", "request", "handshake"],
    },
    Dial {
        name: "tls.connection_deadline",
        form: Form::Words,
        hardened: "leaf",
        exposed: &[exposed("none", "tonic and Envoy defaults")],
        refusals: &["certificate-expired"],
        built: &["leaf", "none"],
    },
    Dial {
        name: "tls.tolerance",
        form: TOLERANCE,
        hardened: "500ms",
        exposed: &[exposed("5m", "common NTP advice")],
        refusals: &["certificate-not-yet-valid", "certificate-expired"],
        built: &["0s to 5m"],
    },
    Dial {
        name: "revocation.crl",
        form: Form::Words,
        hardened: "require",
        exposed: &[
            exposed("ignore", "step-ca passive revocation"),
            exposed("prefer", "browsers' soft-fail"),
        ],
        refusals: &["certificate-revoked", "revocation-unknown"],
        built: &["require", "prefer", "ignore"],
    },
    Dial {
        name: "revocation.stale_crl",
        form: Form::Words,
        hardened: "refuse",
        exposed: &[exposed("accept", "rustls `ExpirationPolicy::Ignore`")],
        refusals: &["revocation-stale"],
        built: &["refuse", "accept"],
    },
    Dial {
        name: "revocation.older_crl",
        form: Form::Words,
        hardened: "refuse",
        exposed: &[exposed("accept", "webpki 0.103 takes the first match")],
        refusals: &["revocation-rolled-back"],
        built: &["refuse", "accept"],
    },
    Dial {
        name: "token.algorithm",
        form: Form::Words,
        hardened: "key",
        exposed: &[exposed("header", "CVE-2015-9235")],
        refusals: &["token-forged"],
        built: &["key"],
    },
    Dial {
        name: "token.audience",
        form: Form::Words,
        hardened: "require",
        exposed: &[exposed("ignore", "jsonwebtoken when absent")],
        refusals: &["token-audience"],
        built: &["require", "ignore"],
    },
    Dial {
        name: "token.leeway",
        form: LEEWAY,
        hardened: "2s",
        exposed: &[exposed("60s", "jsonwebtoken default")],
        refusals: &["token-expired"],
        built: &["0s to 5m"],
    },
    Dial {
        name: "token.binding",
        form: Form::Words,
        hardened: "certificate",
        exposed: &[exposed("none", "bearer tokens, almost everyone")],
        refusals: &["token-not-bound"],
        built: &["certificate", "none"],
    },
    Dial {
        name: "token.keys",
        form: Form::Words,
        hardened: "generation",
        exposed: &[exposed("ttl", "OpenFGA and Envoy JWKS caches")],
        refusals: &["token-key-retired"],
        built: &["generation", "ttl"],
    },
    Dial {
        name: "token.unknown_key",
        form: Form::Words,
        hardened: "refetch-once",
        exposed: &[
            exposed("refuse", "a key set read once, at start"),
            exposed("always", "libraries whose refetch floods the issuer"),
        ],
        refusals: &["token-key-unknown"],
        built: &["refetch-once", "refuse"],
    },
    Dial {
        name: "token.status",
        form: Form::Words,
        hardened: "check",
        exposed: &[exposed("ignore", "stateless JWT")],
        refusals: &["token-revoked"],
        built: &["check", "ignore"],
    },
    Dial {
        name: "policy.freshness",
        form: Form::Freshness,
        hardened: "read 5s, write 5s, share latest, watch 5s",
        exposed: &[exposed("any", "OPA, OpenFGA, Kubernetes, Nomad, Consul")],
        refusals: &["policy-stale"],
        built: &["any", "a span", "latest", "one of these for each action"],
    },
    Dial {
        name: "policy.on_stale",
        form: Form::Words,
        hardened: "deny",
        exposed: &[exposed(
            "allow",
            "Envoy `failure_mode_allow`, Consul `extend-cache`, break-glass",
        )],
        refusals: &["policy-stale"],
        built: &["deny", "allow"],
    },
    Dial {
        name: "policy.errors",
        form: Form::Words,
        hardened: "deny",
        exposed: &[exposed("skip", "Cedar's default")],
        refusals: &["policy-error"],
        built: &["deny", "skip"],
    },
    Dial {
        name: "policy.quorum",
        form: Form::Quorum,
        hardened: "2 of 3",
        exposed: &[exposed("0", "signed bundles without witnesses: OPA")],
        refusals: &["policy-unwitnessed"],
        built: &["2 of 3", "0"],
    },
    Dial {
        name: "policy.rollback",
        form: Form::Words,
        hardened: "refuse",
        exposed: &[exposed("accept", "OPA bundles")],
        refusals: &["policy-rolled-back"],
        built: &["refuse"],
    },
    Dial {
        name: "policy.gap",
        form: Form::Words,
        hardened: "stop",
        exposed: &[exposed("ignore", "watch streams that drop: etcd#17529")],
        refusals: &["policy-gap"],
        built: &["stop"],
    },
    Dial {
        name: "policy.rivals",
        form: Form::Words,
        hardened: "witnessed-epoch",
        exposed: &[exposed("last-writer", "stores where the last writer wins")],
        refusals: &["policy-fork"],
        built: &[],
    },
    Dial {
        name: "policy.revocations",
        form: Form::Words,
        hardened: "first",
        exposed: &[exposed("queued", "one queue for everything")],
        refusals: &["policy-stale"],
        built: &[],
    },
    Dial {
        name: "audit.durability",
        form: Form::Words,
        hardened: "sync",
        exposed: &[
            exposed("async", "most systems"),
            exposed("batch", "Kubernetes batch mode"),
        ],
        refusals: &["audit-unavailable"],
        built: &["sync", "batch", "async"],
    },
    Dial {
        name: "audit.overflow",
        form: Form::Words,
        hardened: "gap-record",
        exposed: &[
            exposed("drop", "OPA, Kubernetes, Fluent Bit"),
            exposed("block", "blocking sinks: a full log stops the service"),
        ],
        refusals: &["audit-unavailable"],
        built: &[],
    },
    Dial {
        name: "audit.witness",
        form: Form::Words,
        hardened: "on",
        exposed: &[exposed(
            "off",
            "hash chains, journald forward-secure sealing",
        )],
        refusals: &[],
        built: &[],
    },
    Dial {
        name: "rotation.activate",
        form: Form::Words,
        hardened: "acknowledged",
        exposed: &[exposed("immediately", "linkerd, CAs run by hand")],
        refusals: &[
            "certificate-untrusted",
            "data-key-unknown",
            "secret-unknown",
        ],
        built: &["acknowledged", "immediately"],
    },
    Dial {
        name: "rotation.revoke",
        form: Form::Words,
        hardened: "converged",
        exposed: &[exposed("immediately", "linkerd, CAs run by hand")],
        refusals: &[
            "certificate-untrusted",
            "data-key-unknown",
            "secret-unknown",
        ],
        built: &["converged", "immediately"],
    },
    Dial {
        name: "rotation.retry",
        form: Form::Words,
        hardened: "window",
        exposed: &[exposed("fixed", "naive agents")],
        refusals: &["busy"],
        built: &["window", "fixed"],
    },
    Dial {
        name: "rotation.swap",
        form: Form::Words,
        hardened: "whole",
        exposed: &[exposed(
            "by-parts",
            "token caches that go by expiry alone: golang.org/x/oauth2",
        )],
        refusals: &["token-not-bound"],
        built: &["whole", "by-parts"],
    },
    Dial {
        name: "rotation.way_back",
        form: Form::Words,
        hardened: "none",
        exposed: &[exposed("proof", "step-ca with `allowRenewalAfterExpiry`")],
        refusals: &["certificate-expired"],
        built: &["none", "proof"],
    },
    Dial {
        name: "secret.versions",
        form: Form::Words,
        hardened: "two",
        exposed: &[exposed(
            "one",
            "Revolut's webhooks by default; octokit/webhooks.js before #1080",
        )],
        refusals: &["data-key-unknown", "secret-unknown"],
        built: &["two", "one"],
    },
    Dial {
        name: "issuance.reconcile",
        form: Form::Words,
        hardened: "on",
        exposed: &[exposed(
            "off",
            "whoever trusts the chain alone: nearly every private CA, SPIRE, Istio, linkerd",
        )],
        refusals: &[],
        built: &["on", "off"],
    },
    Dial {
        name: "identity.request",
        form: Form::Words,
        hardened: "decided",
        exposed: &[exposed(
            "copied",
            "OpenSSL `copy_extensions`, step-ca templates of `.Insecure.CR`",
        )],
        refusals: &["certificate-untrusted"],
        built: &["decided", "copied"],
    },
    Dial {
        name: "identity.header",
        form: Form::Words,
        hardened: "ignored",
        exposed: &[exposed(
            "believed",
            "verifiers that have the certificate from a header: oran-o2ims#579",
        )],
        refusals: &["token-not-bound"],
        built: &["ignored", "attested", "believed"],
    },
    Dial {
        name: "identity.forwarding",
        form: Form::Words,
        hardened: "replaced",
        exposed: &[exposed(
            "passed",
            "OpenShift's router before CVE-2026-46579, Envoy `ALWAYS_FORWARD_ONLY`",
        )],
        refusals: &["token-not-bound"],
        built: &["replaced", "passed"],
    },
];

#[cfg(test)]
#[path = "dials_tests.rs"]
mod tests;
