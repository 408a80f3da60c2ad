//! What a user asked, and what they heard.

use services::client::IN_HANDSHAKE;
use services::refusal::Refusal;

/// One request, as its client lived it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The identifier it carried through every hop.
    pub id: String,
    /// The scenario's name for this kind of traffic.
    pub tag: String,
    /// In whose name it was asked.
    pub principal: String,
    /// Who asked, if that is not whose name it is.
    pub posing: Option<Posing>,
    /// Where the user is.
    pub region: String,
    /// Which node was asked.
    pub node: String,
    /// What they wanted to do.
    pub action: String,
    /// To what.
    pub resource: String,
    /// When it left the client, in true microseconds; of a message, when it arrived.
    pub started_us: u64,
    /// For a message of an open stream, which is heard and never asked: it was decided at this true
    /// time or later, in microseconds.
    pub since_us: Option<u64>,
    /// When the answer arrived, or the client gave up.
    pub finished_us: Option<u64>,
    /// What the client heard.
    pub outcome: Outcome,
}

/// Somebody who asks in a name that was not given to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posing {
    /// Who, by the name that they were given.
    pub by: String,
    /// Whether they hold the very key that the name is known by, or one that speaks for it: no node
    /// can tell such a request from the owner's.
    pub with_key: bool,
}

/// What a client heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The answer to what was asked.
    Served {
        /// Size of the policy log that the node decided under.
        policy_size: u64,
    },
    /// A refusal by name, or the client's own name for a failure on the way.
    Refused(String),
    /// Nothing: it may have happened or not.
    #[default]
    Unknown,
}

impl Request {
    /// Who sent it, by the name that they were given.
    pub fn sender(&self) -> &str {
        self.posing.as_ref().map_or(&self.principal, |it| &it.by)
    }

    /// Who asked, and in whose name if it is not theirs.
    pub fn who(&self) -> String {
        match &self.posing {
            Some(posing) if !posing.with_key => format!("{} as {}", posing.by, self.principal),
            Some(_) | None => self.principal.clone(),
        }
    }

    /// What answers it was decided at this true time or later, in microseconds.
    pub fn asked_us(&self) -> u64 {
        self.since_us.unwrap_or(self.started_us)
    }
}

impl Outcome {
    /// Whether the user got what was asked.
    pub const fn is_served(&self) -> bool {
        matches!(self, Self::Served { .. })
    }

    /// Whether the user was let in: got what was asked, or the word that there is nothing of that
    /// name.
    pub fn is_let_in(&self) -> bool {
        self.is_served() || self.refusal() == Some(Refusal::NoSuchRecord)
    }

    /// The refusal by name, of a request or of the certificate in a handshake; a failure on the way
    /// is none.
    pub fn named(&self) -> Option<Refusal> {
        let Self::Refused(name) = self else {
            return None;
        };
        Refusal::from_name(name.strip_prefix(IN_HANDSHAKE).unwrap_or(name))
    }

    /// The refusal, if a node decided the request and named one: its log has an entry for it.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(name) => Refusal::from_name(name),
            Self::Served { .. } | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_on_the_way_is_not_a_refusal() {
        assert_eq!(Outcome::Refused("unavailable".to_owned()).refusal(), None);
        let stale = Outcome::Refused("policy-stale".to_owned());
        assert_eq!(stale.refusal(), Some(Refusal::PolicyStale));
        let shut = Outcome::Refused("handshake: certificate-revoked".to_owned());
        assert_eq!(shut.named(), Some(Refusal::CertificateRevoked));
        assert_eq!(shut.refusal(), None, "nobody decided a request");
    }
}
