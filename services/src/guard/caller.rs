//! Who is calling: the connection's leaf and the token together, judged on this node's clock.
//! Behind an edge it is the leaf that the edge was shown, where the posture takes its word.

use std::sync::{Mutex, PoisonError};

use ca::clock::Time;
use ca::conn::PeerIdentity;
use ca::identity::SpiffeId;
use ca::work::Kind;
use tonic::metadata::MetadataMap;

use super::keys::KeySource;
use crate::audit::entry::Leaf;
use crate::forwarded::{HEADER, Shown, danger, is_edge};
use crate::member::Member;
use crate::policy::view::PolicyView;
use crate::posture::{Audience, Binding, Heeding, Keys, TokenStatus, UnknownKey};
use crate::refusal::Refusal;
use crate::token::cache::Cache;
use crate::token::keys::KeySet;
use crate::token::verify::{Demand, Verified};

/// The longest request identifier that is taken from a caller, in bytes.
const MAX_REQUEST_ID: usize = 64;

/// A caller, as far as it is known. A request that is refused early has less of one.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The policy's name for it: `alice` for `/user/alice`, else the whole path of its SPIFFE ID.
    pub principal: String,
    /// Its SPIFFE ID.
    pub spiffe_id: String,
    /// The request's identifier.
    pub request: String,
    /// Its end of the connection.
    pub peer: Option<PeerIdentity>,
    /// The end of the token that was last verified, leeway not counted.
    pub token_ends: Option<Time>,
    /// When it was issued, in whole seconds.
    pub token_issued: Option<Time>,
    /// The key that signed it.
    pub token_key: Option<String>,
}

impl Caller {
    /// What the connection and the headers say; nothing is verified but the leaf. A request that
    /// has no identifier gets the one of `unnamed`.
    pub fn of<T>(request: &tonic::Request<T>, unnamed: impl FnOnce() -> String) -> Self {
        let peer = request.extensions().get::<PeerIdentity>().cloned();
        let id = request
            .metadata()
            .get("x-request-id")
            .and_then(|id| id.to_str().ok());
        let plain = |id: &&str| {
            (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
        };
        Self {
            spiffe_id: peer
                .as_ref()
                .map(|peer| peer.facts.spiffe_id.to_string())
                .unwrap_or_default(),
            request: id.filter(plain).map_or_else(unnamed, str::to_owned),
            principal: String::new(),
            peer,
            token_ends: None,
            token_issued: None,
            token_key: None,
        }
    }

    /// Takes the policy's name for the leaf that it came with, where nothing else names it.
    pub(super) fn named_by_leaf(&mut self) {
        let peer = self.peer.as_ref();
        self.principal = peer.map_or_else(String::new, |peer| principal(&peer.facts.spiffe_id));
    }

    /// The leaf that it came with, as the audit log says it.
    pub(super) fn leaf(&self) -> Option<Leaf> {
        let facts = &self.peer.as_ref()?.facts;
        Some(Leaf {
            serial: facts.serial_hex(),
            sha256: facts.leaf_sha256_hex(),
            not_after_us: facts.not_after.as_micros(),
        })
    }
}

/// Judges callers.
pub struct Identifier {
    member: Member,
    audience: String,
    issuer: String,
    keys: KeySource,
    cache: Mutex<Cache>,
}

impl Identifier {
    /// An identifier for the service called `audience`, with its keys from the service on `host`.
    pub fn new(member: &Member, audience: &str, issuer: &str, host: &str) -> Self {
        Self {
            keys: KeySource::new(member, host),
            member: member.clone(),
            audience: audience.to_owned(),
            issuer: issuer.to_owned(),
            cache: Mutex::new(Cache::default()),
        }
    }

    /// Fetches the key set, once for all that wait, and not too soon after the last.
    pub async fn fetch_keys(&self) {
        self.keys.fetch().await;
    }

    /// Puts a key set in force that came another way than from CA or token service, for good.
    pub fn take_keys(&self, keys: KeySet) {
        self.keys.take(keys, u64::MAX);
    }

    /// True unless there are keys to be fetched before anything can be verified.
    pub fn has_keys(&self) -> bool {
        let fetches = self.member.start.posture.token.keys == Keys::Ttl;
        !fetches || self.keys.are_there()
    }

    /// Completes a caller: its leaf stands now, and its token is good here, now, for this leaf.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub async fn identify(
        &self,
        caller: &mut Caller,
        metadata: &MetadataMap,
    ) -> Result<Verified, Refusal> {
        let peer = caller.peer.clone().ok_or(Refusal::TokenNotBound)?;
        self.member.recheck(&peer)?;
        let leaf = self.shown(&peer, metadata)?;
        let token = bearer(metadata)?;
        self.keys.refresh().await;
        let verified = match self.verify(token, &leaf).await {
            Err(Refusal::TokenKeyUnknown)
                if self.member.start.posture.token.unknown_key == UnknownKey::RefetchOnce =>
            {
                self.fetch_keys().await;
                self.verify(token, &leaf).await?
            }
            other => other?,
        };
        if self.binds() && verified.subject != leaf.spiffe_id {
            return Err(Refusal::TokenNotBound);
        }
        caller.principal = principal(&verified.subject);
        caller.spiffe_id = verified.subject.to_string();
        caller.token_ends = Some(verified.expires);
        caller.token_issued = Some(verified.issued_at);
        caller.token_key = Some(verified.key_id.clone());
        Ok(verified)
    }

    /// Whether a caller who was let in earlier is over by now: leaf, token, or the token's key.
    pub fn is_over(&self, caller: &Caller) -> bool {
        let (now, leeway) = (
            self.member.start.seams.clock.now(),
            self.member.start.posture.token.leeway,
        );
        let peer = caller.peer.as_ref();
        peer.is_none_or(|peer| self.member.recheck(peer).is_err())
            || caller.token_ends.is_none_or(|ends| now >= ends + leeway)
            || caller
                .token_key
                .as_ref()
                .is_none_or(|key| !self.keys.current().holds(key))
    }

    /// Whether the token that a caller came with was ended before its time, by a view: the one that
    /// decides, so that a log-out is as fresh as any other act on the policy.
    pub fn is_ended(&self, caller: &Caller, view: &PolicyView) -> bool {
        let ended = |issued_at| view.ends_token(&caller.principal, issued_at);
        self.member.start.posture.token.status == TokenStatus::Check
            && caller.token_issued.is_none_or(ended)
    }

    /// The leaf that the caller counts as having shown.
    fn shown(&self, peer: &PeerIdentity, metadata: &MetadataMap) -> Result<Shown, Refusal> {
        let counts = match self.member.start.posture.identity.header {
            Heeding::Ignored => false,
            Heeding::Attested => is_edge(&peer.facts.spiffe_id),
            Heeding::Believed => danger::counts_from_anybody(),
        };
        let Some(said) = metadata.get(HEADER).filter(|_| counts) else {
            return Ok(Shown::of(&peer.facts));
        };
        let said = said.to_str().ok().and_then(Shown::parse);
        said.ok_or(Refusal::TokenNotBound)
    }

    fn binds(&self) -> bool {
        self.member.start.posture.token.binding == Binding::Certificate
    }

    async fn verify(&self, token: &str, leaf: &Shown) -> Result<Verified, Refusal> {
        let dials = &self.member.start.posture.token;
        let demand = Demand {
            issuer: Some(&self.issuer),
            audience: (dials.audience == Audience::Require).then_some(&*self.audience),
            leeway: dials.leeway,
            leaf_sha256: self.binds().then_some(leaf.leaf_sha256),
            require_binding: self.binds(),
        };
        let (keys, seams) = (self.keys.current(), &self.member.start.seams);
        let recalled = self
            .cache()
            .recall(token, &keys, &demand, seams.clock.now());
        if let Some(judged) = recalled {
            return judged;
        }
        seams
            .work
            .charge(Kind::VerifyToken)
            .await
            .map_err(|_| Refusal::Busy)?;
        self.cache()
            .verify(token, &keys, &demand, seams.clock.now())
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The policy's name for an identity. Only `/user/<name>` has a short one: a service, or a deeper
/// path, must not come to bear a user's name.
fn principal(id: &SpiffeId) -> String {
    let user = id
        .path()
        .strip_prefix("/user/")
        .filter(|name| !name.contains('/'));
    user.unwrap_or(id.path()).to_owned()
}

fn bearer(metadata: &MetadataMap) -> Result<&str, Refusal> {
    let header = metadata.get("authorization").ok_or(Refusal::TokenMissing)?;
    let header = header.to_str().map_err(|_| Refusal::TokenMalformed)?;
    header
        .strip_prefix("Bearer ")
        .ok_or(Refusal::TokenMalformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posture::Posture;
    use crate::specimen::{Specimen, from, leaf};

    /// What becomes of alice's token over the connection of somebody else, with a header that names
    /// her leaf.
    fn headed(heeding: Heeding, connection: &str, header: &str) -> Result<String, Refusal> {
        let mut posture = Posture::hardened();
        posture.identity.header = heeding;
        let node = Specimen::new(posture, |_| {});
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let mut request = from(leaf(connection), ());
            *request.metadata_mut() = node.asks(()).metadata().clone();
            request
                .metadata_mut()
                .insert(HEADER, header.parse().unwrap());
            let mut facts = leaf(connection);
            facts.leaf_sha256 = [8; 32];
            let mut peer = request.extensions().get::<PeerIdentity>().cloned().unwrap();
            peer.facts = facts;
            request.extensions_mut().insert(peer);
            let mut caller = Caller::of(&request, String::new);
            let identifier = node.identifier();
            identifier.identify(&mut caller, request.metadata()).await?;
            Ok(caller.principal)
        })
    }

    #[test]
    fn a_header_counts_from_nobody_from_an_edge_or_from_anybody() {
        let alice = Shown::of(&leaf("/user/alice")).to_string();
        let (edge, mallory) = ("/edge.south", "/user/mallory");
        let refused = Err(Refusal::TokenNotBound);
        let let_in = Ok("alice".to_owned());
        for (heeding, by_edge, by_mallory) in [
            (Heeding::Ignored, &refused, &refused),
            (Heeding::Attested, &let_in, &refused),
            (Heeding::Believed, &let_in, &let_in),
        ] {
            assert_eq!(headed(heeding, edge, &alice), *by_edge, "{heeding:?}");
            assert_eq!(headed(heeding, mallory, &alice), *by_mallory, "{heeding:?}");
        }
        let broken = headed(Heeding::Attested, edge, "Hash=07");
        assert_eq!(broken, refused, "a word that cannot be read is no word");
    }

    #[test]
    fn only_a_user_bears_a_users_name() {
        let name = |id: &str| principal(&SpiffeId::parse(id).unwrap());
        assert_eq!(name("spiffe://clinic.example/user/alice"), "alice");
        for other in [
            "/alice",
            "/team/user/alice",
            "/user/x/alice",
            "/records.south/alice",
        ] {
            assert_eq!(name(&format!("spiffe://clinic.example{other}")), other);
        }
    }
}
