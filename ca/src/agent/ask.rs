//! What an agent asks the CA: a first leaf, and the next one. For the way back see `back.rs`.
//!
//! The key never leaves the node. Nothing that the CA answers is used before it was verified, and
//! no credential that was not kept first.

use std::sync::Arc;

use proto::ca::v1::identity_client::IdentityClient;
use proto::ca::v1::{EnrollRequest, IdentityReply, RenewRequest};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::{APART, ASKED, Agent, AgentConfig, AgentError, Published};
use crate::conn::{Connection, MAX_STATE};
use crate::credential::Credential;
use crate::keys::Pkcs8;
use crate::revocation::{Lists, Stale};
use crate::svid::sha256;
use crate::tls::Trust;
use crate::trusted::InvalidState;

/// A private key, and the request for a certificate of its other half.
pub(super) type Asked = (Pkcs8, Vec<u8>);

impl Agent {
    /// A join code works once, and for one key: where the answer was lost, the same key has it
    /// again, and no other would. So the key is durable before it is asked for.
    pub(super) async fn enroll(&self, asked: &mut Option<Asked>) -> Result<Credential, AgentError> {
        let (key, csr) = match asked {
            Some(asked) => asked.clone(),
            None => {
                let code = sha256(self.config.join_code.as_bytes());
                asked.insert(self.asked(ASKED, &code)?).clone()
            }
        };
        let connection = self.dial(None).await?;
        let join_code = self.config.join_code.clone();
        let answer = client(connection)
            .enroll(EnrollRequest { join_code, csr })
            .await;
        let reply = answer.map_err(|status| AgentError::Refused(Box::new(status)))?;
        let first = self.accept(1, key, reply.into_inner())?;
        self.forget(APART)?;
        Ok(first)
    }

    /// A request for the key that was asked with before the power went, for the same join code or
    /// the same last leaf, or for a new one. Another is another beginning: a key is certified once.
    pub(super) fn asked(&self, file: &str, by: &[u8; 32]) -> Result<Asked, AgentError> {
        let disk = &*self.seams.disk;
        let kept = disk.read(file)?.map(Zeroizing::new).unwrap_or_default();
        if let Some(key) = kept.strip_prefix(by)
            && let Ok(csr) = crate::csr::request(key)
        {
            return Ok((Zeroizing::new(key.to_vec()), csr));
        }
        let (key, csr) = self.request()?;
        disk.replace(file, &Zeroizing::new([&by[..], &key].concat()))?;
        Ok((key, csr))
    }

    /// Once the credential is durable, nothing is asked for any more.
    pub(super) fn forget(&self, file: &str) -> Result<(), AgentError> {
        let disk = &*self.seams.disk;
        if disk
            .read(file)?
            .is_some_and(|kept| !Zeroizing::new(kept).is_empty())
        {
            disk.replace(file, &[])?;
        }
        Ok(())
    }

    pub(super) async fn renew(&self, held: &Published) -> Result<Published, AgentError> {
        let next = self.next(&held.credential).await?;
        self.replaced(held, next).await
    }

    /// The leaf after this one, asked for over it.
    pub(super) async fn next(&self, held: &Credential) -> Result<Credential, AgentError> {
        let (key, csr) = self.request()?;
        let connection = self.dial(Some(held)).await?;
        let asked = client(connection).renew(RenewRequest { csr }).await;
        let reply = asked.map_err(|status| AgentError::Refused(Box::new(status)))?;
        self.accept(held.generation + 1, key, reply.into_inner())
    }

    /// A new key and a request that asks for nothing but a certificate for it.
    pub(super) fn request(&self) -> Result<Asked, AgentError> {
        let key = self
            .seams
            .keys
            .p256()
            .map_err(|error| AgentError::Request(error.to_string()))?;
        let csr =
            crate::csr::request(&key).map_err(|error| AgentError::Request(error.to_string()))?;
        Ok((key, csr))
    }

    pub(super) async fn dial(&self, own: Option<&Credential>) -> Result<Connection, AgentError> {
        let trust = Trust {
            clock: Arc::clone(&self.seams.clock),
            tolerance: self.config.tolerance,
        };
        let AgentConfig { ca, ca_id, .. } = &self.config;
        // The newest lists are the CA's to give: one that was to be replaced by now, or is missing,
        // must not keep this node from it. What they revoke is revoked all the same.
        let mut trusted = (*self.beliefs()).clone();
        trusted.revocation.stale = Stale::Accept;
        if trusted.revocation.lists == Lists::Require {
            trusted.revocation.lists = Lists::Prefer;
        }
        let believing = (own, &Arc::new(trusted));
        Ok(crate::conn::dial(&self.seams, &trust, believing, ca, ca_id).await?)
    }

    /// Verifies what the CA sent, and keeps it: in the place of the last credential, or beside it
    /// if it is of the name apart.
    pub(super) fn accept(
        &self,
        generation: u64,
        key: Pkcs8,
        reply: IdentityReply,
    ) -> Result<Credential, AgentError> {
        let state = reply.state.ok_or(InvalidState::Malformed("no state"))?;
        self.believe(state)?;
        let (file, id) = self.place(reply.chain.first().map(|leaf| &**leaf));
        let chain = reply.chain.into_iter().map(CertificateDer::from).collect();
        let tolerance = self.config.tolerance;
        let (bundle, now) = (self.own_bundle(), self.seams.clock.now());
        let next = Credential::assemble(generation, key, chain, &bundle, &id, now, tolerance)?;
        next.persist(&*self.seams.disk, file)?;
        Ok(next)
    }
}

pub(super) fn client(connection: Connection) -> IdentityClient<Connection> {
    IdentityClient::new(connection).max_decoding_message_size(MAX_STATE)
}
