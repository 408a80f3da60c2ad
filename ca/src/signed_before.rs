//! Signatures of paths and lists that were valid before, and are not verified again.
//!
//! A verifier meets the same issuer's certificate in every chain, and webpki verifies the same
//! list, perhaps megabytes long, for each of them. Only what was valid is remembered, with every
//! byte of it, and no more of it than [`MAX_BYTES`]. Invariant: an answer from memory is the answer
//! that the algorithm gave for the same key, message and signature.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

/// Most signatures that are remembered; the one that was asked for longest ago gives way.
const MAX_SIGNATURES: usize = 256;
/// Most bytes of messages that are remembered: two of the largest lists.
const MAX_BYTES: usize = 2 * crate::crl::MAX_CRL;

/// An algorithm with a memory.
#[derive(Debug)]
pub(crate) struct SignedBefore {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    valid: Mutex<VecDeque<Arc<Valid>>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Valid {
    signature: Vec<u8>,
    public_key: Vec<u8>,
    message: Vec<u8>,
}

impl SignedBefore {
    /// An algorithm that remembers nothing yet.
    pub(crate) const fn over(algorithm: &'static dyn SignatureVerificationAlgorithm) -> Self {
        Self {
            algorithm,
            valid: Mutex::new(VecDeque::new()),
        }
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Arc<Valid>>> {
        self.valid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this was valid before. Long messages are compared while nobody waits.
    fn knows(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let known = {
            let mut valid = self.locked();
            let same = valid.iter().position(|it| it.signature == signature);
            let Some(known) = same.and_then(|at| valid.remove(at)) else {
                return false;
            };
            valid.push_back(Arc::clone(&known));
            known
        };
        known.public_key == public_key && known.message == message
    }

    fn remember(&self, public_key: &[u8], message: &[u8], signature: &[u8]) {
        // What is long is copied before others wait, and let go of after.
        let mut gone = Vec::new();
        let known = Arc::new(Valid {
            signature: signature.to_vec(),
            public_key: public_key.to_vec(),
            message: message.to_vec(),
        });
        let mut valid = self.locked();
        valid.retain(|it| it.signature != signature);
        valid.push_back(known);
        let mut bytes: usize = valid.iter().map(|it| it.message.len()).sum();
        while valid.len() > MAX_SIGNATURES || bytes > MAX_BYTES {
            let Some(oldest) = valid.pop_front() else {
                return;
            };
            bytes -= oldest.message.len();
            gone.push(oldest);
        }
    }
}

impl SignatureVerificationAlgorithm for SignedBefore {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if self.knows(public_key, message, signature) {
            return Ok(());
        }
        self.algorithm
            .verify_signature(public_key, message, signature)?;
        self.remember(public_key, message, signature);
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }

    fn fips(&self) -> bool {
        self.algorithm.fips()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Valid is a signature that is the key, then the message. It counts what it is asked.
    #[derive(Debug)]
    struct Joined(AtomicUsize);

    impl SignatureVerificationAlgorithm for Joined {
        fn verify_signature(
            &self,
            public_key: &[u8],
            message: &[u8],
            signature: &[u8],
        ) -> Result<(), InvalidSignature> {
            self.0.fetch_add(1, Ordering::SeqCst);
            // The end of a message is not looked at: a collision, for the test.
            let joined = [public_key, message.get(..4).unwrap_or(message)].concat();
            if joined == signature {
                Ok(())
            } else {
                Err(InvalidSignature)
            }
        }

        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            webpki::ring::ECDSA_P256_SHA256.public_key_alg_id()
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            webpki::ring::ECDSA_P256_SHA256.signature_alg_id()
        }
    }

    fn joined() -> (&'static Joined, SignedBefore) {
        let algorithm = Box::leak(Box::new(Joined(AtomicUsize::new(0))));
        (algorithm, SignedBefore::over(algorithm))
    }

    #[test]
    fn what_was_valid_is_asked_once_and_every_byte_of_it_counts() {
        let (algorithm, remembering) = joined();
        let asked = || algorithm.0.load(Ordering::SeqCst);
        for _ in 0..3 {
            assert!(
                remembering
                    .verify_signature(b"k", b"list", b"klist")
                    .is_ok()
            );
        }
        assert_eq!(asked(), 1);
        for (key, message, signature) in [
            (&b"l"[..], &b"list"[..], &b"klist"[..]),
            (b"k", b"lisp", b"klist"),
            (b"k", b"list", b"klisp"),
            (b"", b"list", b"klist"),
        ] {
            let before = asked();
            let verdict = remembering.verify_signature(key, message, signature);
            assert!(verdict.is_err(), "{key:?} {message:?}");
            assert_eq!(asked(), before + 1, "a refusal is not remembered");
        }
        assert!(
            remembering
                .verify_signature(b"k", b"list of others", b"klist")
                .is_ok()
        );
        assert_eq!(
            asked(),
            6,
            "the same signature over other bytes is another matter"
        );
    }

    #[test]
    fn it_remembers_what_is_asked_for_and_no_more_than_it_may() {
        let (algorithm, remembering) = joined();
        let asked = || algorithm.0.load(Ordering::SeqCst);
        let (issuer, leaf) = (b"the issuer", |at: usize| format!("{at:04} of the leaves"));
        let check = |message: &[u8]| {
            let signature = [b"k", &message[..4]].concat();
            remembering
                .verify_signature(b"k", message, &signature)
                .unwrap();
        };
        check(issuer);
        for at in 0..MAX_SIGNATURES * 2 {
            check(leaf(at).as_bytes());
            check(issuer);
        }
        assert_eq!(
            asked(),
            1 + MAX_SIGNATURES * 2,
            "the issuer was asked for all along"
        );
        assert_eq!(remembering.locked().len(), MAX_SIGNATURES);
        for long in [b"a", b"b", b"c"] {
            check(&long.repeat(MAX_BYTES / 2));
        }
        let bytes: usize = remembering.locked().iter().map(|it| it.message.len()).sum();
        assert!((MAX_BYTES / 2..=MAX_BYTES).contains(&bytes), "{bytes}");
        check(&b"d".repeat(MAX_BYTES + 1));
        assert!(remembering.locked().is_empty(), "too long to be remembered");
    }
}
