//! The JWT half of the Workload API over a real socket, with a maker of tokens that makes none.

use std::sync::{Arc, Mutex};

use proto::spiffe::prost_types::value::Kind;
use proto::spiffe::workload as wire;
use serde_json::json;
use tonic::Code;

use super::house_unix::{Client, House, NOW, asked, id, next, refusals};
use super::jwt::{JwtSvids, MAX_AUDIENCES, NotSigned, NotValid, ValidJwt};
use super::lock;
use crate::clock::Time;
use crate::identity::SpiffeId;
use crate::rotation::AuthorityKind;

/// A maker of tokens that says what it was asked.
#[derive(Debug, Default)]
pub(super) struct Scribe(Mutex<u32>);

impl JwtSvids for Scribe {
    fn issue(&self, id: &SpiffeId, audience: &[String], now: Time) -> Result<String, NotSigned> {
        match audience {
            [one] if one == "nobody" => Err(NotSigned("the pen is broken".to_owned())),
            _ => Ok(format!(
                "{}|{}|{}",
                id.path(),
                audience.join(","),
                now.as_secs()
            )),
        }
    }

    fn jwks(&self) -> String {
        format!("keys of {}", lock(&self.0))
    }

    fn validate(&self, token: &str, audience: &str, _: Time) -> Result<ValidJwt, NotValid> {
        if token != "good" {
            return Err(NotValid("token-forged".to_owned()));
        }
        let claims = json!({ "sub": "x", "aud": [audience], "exp": 9, "none": null, "yes": true });
        Ok(ValidJwt {
            spiffe_id: id("/records"),
            claims: claims.as_object().unwrap().clone(),
        })
    }
}

/// The tokens for that audience and name, or why there are none.
async fn tokens(client: &mut Client, audience: &[&str], of: &str) -> Result<Vec<String>, Code> {
    let answer = client.fetch_jwtsvid(asked(wire::JwtsvidRequest {
        audience: audience.iter().map(|&one| one.to_owned()).collect(),
        spiffe_id: of.to_owned(),
    }));
    let answer = answer.await.map_err(|status| status.code())?.into_inner();
    Ok(answer.svids.into_iter().map(|it| it.svid).collect())
}

#[tokio::test]
async fn without_a_maker_of_tokens_the_calls_are_not_implemented_by_name() {
    let house = House::new(&["/records"]);
    let mut client = house.client().await;
    let refused = refusals(&mut client, || asked(())).await;
    let none = Code::Unimplemented;
    assert_eq!(refused, [Code::Ok, Code::Ok, none, none, none]);
}

#[tokio::test]
async fn tokens_are_asked_for_and_judged_within_bounds() {
    let scribe = Arc::new(Scribe::default());
    let house = House::with(Some(scribe.clone()), &["/records", "/billing"]);
    let mut client = house.client().await;
    let at = NOW.as_secs();
    let [records, billing] = ["/records", "/billing"].map(|path| id(path).to_string());
    let both = [format!("/records|a,b|{at}"), format!("/billing|a,b|{at}")];
    assert_eq!(tokens(&mut client, &["a", "b"], "").await.unwrap(), both);
    let one = tokens(&mut client, &["a", "b"], &billing).await.unwrap();
    assert_eq!(one, both[1..]);
    for (audience, of, code) in [
        (&[][..], "", Code::InvalidArgument),
        (&[""], "", Code::InvalidArgument),
        (&["a"; MAX_AUDIENCES + 1], "", Code::InvalidArgument),
        (&["a"], "records", Code::InvalidArgument),
        (
            &["a"],
            "spiffe://clinic.example/other",
            Code::PermissionDenied,
        ),
        (&["nobody"], "", Code::Unavailable),
    ] {
        let refused = tokens(&mut client, audience, of).await;
        assert_eq!(refused, Err(code), "{audience:?} {of}");
    }
    let mut judged = async |svid: &str, audience: &str| {
        let (svid, audience) = (svid.to_owned(), audience.to_owned());
        let request = asked(wire::ValidateJwtsvidRequest { audience, svid });
        client.validate_jwtsvid(request).await
    };
    for (token, audience) in [("bad", "a"), ("good", ""), ("", "a")] {
        let refused = judged(token, audience).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{token} {audience}");
    }
    let good = judged("good", "a").await.unwrap().into_inner();
    assert_eq!(good.spiffe_id, records);
    let claims = good.claims.unwrap().fields;
    let claim = |name| claims[name].kind.clone().unwrap();
    assert_eq!(claim("exp"), Kind::NumberValue(9.0));
    assert_eq!(claim("none"), Kind::NullValue(0));
    assert!(matches!(claim("aud"), Kind::ListValue(list) if list.values.len() == 1));
}

#[tokio::test]
async fn token_keys_are_told_as_they_change() {
    let scribe = Arc::new(Scribe::default());
    let house = House::with(Some(scribe.clone()), &["/records"]);
    let mut client = house.client().await;
    let keys = client.fetch_jwt_bundles(asked(wire::JwtBundlesRequest {}));
    let mut keys = keys.await.unwrap().into_inner();
    let mut told = async || {
        let bundles = next(&mut keys).await.unwrap().bundles;
        String::from_utf8(bundles["spiffe://clinic.example"].clone()).unwrap()
    };
    assert_eq!(told().await, "keys of 0");
    *lock(&scribe.0) = 1;
    house.prepare(AuthorityKind::Root);
    assert_eq!(told().await, "keys of 1");
    // Whoever was told of keys alone was told of no root.
    assert_eq!(house.acknowledged("/records"), None);
}
