//! JWT-SVIDs: the tokens of the SPIFFE Workload API, made beside the CA with its own token key.
//!
//! The same keys sign the token service's tokens; the type tells them apart, and neither passes for
//! the other (RFC 8725, section 3.11). A JWT-SVID is bound to no leaf: whoever has it may use it,
//! so it is short-lived and for the audience that was asked for. Invariant: no token outlives what
//! rotation waits for before its key is revoked.

use std::sync::Arc;
use std::time::Duration;

use ca::announced::Announced;
use ca::clock::Time;
use ca::identity::{SpiffeId, TrustDomain};
use ca::issue::Ca;
use ca::workload::jwt::{JwtSvids, NotSigned, NotValid, ValidJwt};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::claims::{Audience, LATEST};
use super::keys::KeySet;
use super::provider::{self, ForeignProvider};
use super::verify::open;
use crate::refusal::Refusal;

/// The `typ` of a JWT-SVID that is made here.
const TYPE: &str = "JWT";
/// Those that the standard lets a JWT-SVID have, where it has one (JWT-SVID, section 2.3).
const TYPES: [&str; 2] = [TYPE, "JOSE"];

/// Makes and judges the JWT-SVIDs of one CA's trust domain, with its keys as they change.
#[derive(Debug)]
pub struct CaJwtSvids {
    domain: TrustDomain,
    announced: watch::Receiver<Arc<Announced>>,
    life: Duration,
    leeway: Duration,
}

/// What a JWT-SVID must say, and what it may.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: SpiffeId,
    aud: Audience,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
    #[serde(default)]
    iat: Option<u64>,
}

impl CaJwtSvids {
    /// Those of that CA. They live for as long as its settings let a token live.
    ///
    /// # Errors
    /// When somebody else's cryptography would sign.
    pub fn of(ca: &Ca) -> Result<Self, ForeignProvider> {
        provider::install()?;
        let config = ca.config();
        Ok(Self {
            domain: config.trust_domain.clone(),
            announced: ca.announced(),
            life: config.token_life.saturating_sub(config.tolerance),
            leeway: config.tolerance,
        })
    }

    fn judge(&self, token: &str, audience: &str, now: Time) -> Result<ValidJwt, Refusal> {
        let jwks = self.jwks();
        let keys = KeySet::parse(jwks.as_bytes()).map_err(|_| Refusal::TokenKeyUnknown)?;
        let fits = |typ: Option<&str>| typ.is_none_or(|typ| TYPES.contains(&typ));
        let (parts, _) = open(token, &keys, fits)?;
        let claims: Claims = parts.json(parts.claims)?;
        let times = [Some(claims.exp), claims.nbf, claims.iat];
        if claims.sub.is_root() || times.into_iter().flatten().any(|time| time > LATEST) {
            return Err(Refusal::TokenMalformed);
        }
        if *claims.sub.trust_domain() != self.domain {
            return Err(Refusal::TokenIssuer);
        }
        if !claims.aud.holds(audience) {
            return Err(Refusal::TokenAudience);
        }
        if now >= Time::from_secs(claims.exp) + self.leeway {
            return Err(Refusal::TokenExpired);
        }
        let begins = claims.nbf.map(Time::from_secs);
        if begins.is_some_and(|begins| now + self.leeway < begins) {
            return Err(Refusal::TokenNotYetValid);
        }
        let claims_said: Map<String, Value> = parts.json(parts.claims)?;
        Ok(ValidJwt {
            spiffe_id: claims.sub,
            claims: claims_said,
        })
    }
}

impl JwtSvids for CaJwtSvids {
    fn issue(&self, id: &SpiffeId, audience: &[String], now: Time) -> Result<String, NotSigned> {
        let key = self.announced.borrow().signing.clone();
        let key = key.ok_or_else(|| NotSigned("no key signs now".to_owned()))?;
        let claims = Claims {
            sub: id.clone(),
            aud: Audience::List(audience.to_vec()),
            exp: (now + self.life).as_secs(),
            nbf: None,
            iat: Some(now.as_secs()),
        };
        let mut header = jsonwebtoken::Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid().to_owned());
        let pen = EncodingKey::from_ec_der(key.pkcs8());
        let signed = jsonwebtoken::encode(&header, &claims, &pen);
        signed.map_err(|error| NotSigned(error.to_string()))
    }

    fn jwks(&self) -> String {
        self.announced.borrow().jwks.clone()
    }

    fn validate(&self, token: &str, audience: &str, now: Time) -> Result<ValidJwt, NotValid> {
        let judged = self.judge(token, audience, now);
        judged.map_err(|refusal| NotValid(refusal.name().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ca::clock::ManualClock;
    use ca::disk::MemDisk;
    use ca::issue::CaConfig;
    use ca::rotation::{Act, AuthorityKind};
    use ca::seams::Seams;
    use serde_json::json;

    use super::super::issue::Issuer;
    use super::super::specimen::DEMAND;
    use super::super::verify;
    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn founded() -> (Ca, CaJwtSvids) {
        let seams = Seams {
            clock: Arc::new(ManualClock::new(NOW)),
            disk: Arc::new(MemDisk::new()),
            ..Seams::real("never-written")
        };
        let domain = TrustDomain::new("clinic.example").unwrap();
        let ca = Ca::open(&seams, CaConfig::lab(domain)).unwrap();
        let svids = CaJwtSvids::of(&ca).unwrap();
        (ca, svids)
    }

    fn id() -> SpiffeId {
        "spiffe://clinic.example/records".parse().unwrap()
    }

    fn token(svids: &CaJwtSvids) -> String {
        let audience = ["billing".to_owned()];
        svids.issue(&id(), &audience, NOW).unwrap()
    }

    /// A token of that header and those claims by the key that signs now.
    fn forged(svids: &CaJwtSvids, header: &Value, claims: &Value) -> String {
        let key = svids.announced.borrow().signing.clone().unwrap();
        let issuer = Issuer::new("clinic.example", key.kid(), key.pkcs8()).unwrap();
        let mut header = header.clone();
        header["kid"] = key.kid().into();
        issuer.sign_text(&header.to_string(), &claims.to_string())
    }

    fn claims() -> Value {
        json!({ "sub": id(), "aud": "billing", "exp": NOW.as_secs() + 9, "iat": NOW.as_secs() })
    }

    #[test]
    fn a_jwt_svid_says_what_the_standard_asks_for_and_nothing_else() {
        let (_, svids) = founded();
        let token = token(&svids);
        let part = |at: usize| -> Value {
            let part = URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap());
            serde_json::from_slice(&part.unwrap()).unwrap()
        };
        let kid = svids.announced.borrow().signing.clone().unwrap();
        assert_eq!(
            part(0),
            json!({ "alg": "ES256", "typ": "JWT", "kid": kid.kid() })
        );
        let (at, exp) = (NOW.as_secs(), NOW.as_secs() + 61);
        let said = json!({ "sub": id(), "aud": ["billing"], "exp": exp, "iat": at });
        assert_eq!(part(1), said);
        let valid = svids.validate(&token, "billing", NOW).unwrap();
        assert_eq!((valid.spiffe_id, Value::Object(valid.claims)), (id(), said));
    }

    #[test]
    fn what_is_wrong_with_a_token_is_named() {
        let (_, svids) = founded();
        let header = json!({ "alg": "ES256", "typ": "JWT" });
        let judged = |token: &str, now| svids.judge(token, "billing", now).map(drop);
        let with = |name: &str, value: Value| {
            let mut changed = claims();
            changed[name] = value;
            judged(&forged(&svids, &header, &changed), NOW)
        };
        assert_eq!(with("aud", json!(["a", "billing"])), Ok(()));
        assert_eq!(with("aud", json!(["a"])), Err(Refusal::TokenAudience));
        assert_eq!(with("aud", Value::Null), Err(Refusal::TokenMalformed));
        assert_eq!(with("exp", Value::Null), Err(Refusal::TokenMalformed));
        assert_eq!(with("exp", json!(LATEST + 1)), Err(Refusal::TokenMalformed));
        let domain = json!("spiffe://clinic.example");
        assert_eq!(with("sub", domain), Err(Refusal::TokenMalformed));
        let other = json!("spiffe://other.example/records");
        assert_eq!(with("sub", other), Err(Refusal::TokenIssuer));
        let later = json!(NOW.as_secs() + 2);
        assert_eq!(with("nbf", later), Err(Refusal::TokenNotYetValid));
        let good = forged(&svids, &header, &claims());
        let ends = NOW + Duration::from_secs(9) + svids.leeway;
        assert_eq!(judged(&good, ends - Duration::from_micros(1)), Ok(()));
        assert_eq!(judged(&good, ends), Err(Refusal::TokenExpired));
        let typed = |header: Value| judged(&forged(&svids, &header, &claims()), NOW);
        assert_eq!(typed(json!({ "alg": "ES256" })), Ok(()));
        let jku = json!({ "alg": "ES256", "jku": "https://other.example" });
        assert_eq!(typed(jku), Err(Refusal::TokenMalformed));
        for alg in ["none", "HS256", "RS256"] {
            assert_eq!(typed(json!({ "alg": alg })), Err(Refusal::TokenForged));
        }
        let (_, elsewhere) = founded();
        let foreign = forged(&elsewhere, &header, &claims());
        assert_eq!(judged(&foreign, NOW), Err(Refusal::TokenKeyUnknown));
    }

    #[test]
    fn no_token_passes_for_one_of_the_other_type() {
        let (_, svids) = founded();
        let access = json!({ "alg": "ES256", "typ": super::super::TYPE });
        let access = forged(&svids, &access, &claims());
        let refused = svids.judge(&access, "billing", NOW).map(drop);
        assert_eq!(refused, Err(Refusal::TokenMalformed));
        let keys = KeySet::parse(svids.jwks().as_bytes()).unwrap();
        let refused = verify::verify(&token(&svids), &keys, &DEMAND, NOW);
        assert_eq!(refused, Err(Refusal::TokenMalformed));
    }

    #[test]
    fn a_token_verifies_until_its_key_is_revoked_and_the_next_is_signed_with_the_next() {
        let (mut ca, svids) = founded();
        let (kind, old) = (AuthorityKind::Jwt, token(&svids));
        let prepare = ca.prepare_act(kind, NOW);
        for act in [prepare, Act::Activate { kind, id: None }] {
            ca.command(&act.into(), NOW).unwrap();
        }
        let new = token(&svids);
        let key = |token: &str| token.split('.').next().unwrap().to_owned();
        assert_ne!(key(&old), key(&new));
        let good = |token: &str| svids.judge(token, "billing", NOW).is_ok();
        assert!(good(&old) && good(&new));
        ca.command(&Act::Taint { kind, id: 1 }.into(), NOW).unwrap();
        assert!(good(&old), "tainted is not revoked");
        let revoke = || Act::Revoke { kind, id: 1 }.into();
        let early = NOW + svids.life - Duration::from_micros(1);
        assert!(ca.command(&revoke(), early).is_err(), "it may be in use");
        let later = NOW + svids.life + Duration::from_secs(10);
        ca.command(&revoke(), later).unwrap();
        assert!(!good(&old) && good(&new));
    }
}
