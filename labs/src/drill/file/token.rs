//! `[token]`: where the target reads the keys of tokens, and what it wants a token to say.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use toml::de::DeValue;

use super::document::Value;
use super::fields::{Fields, wrong_kind};
use super::files;
use super::flaw::Placed;
use super::target::{listen, owned};

/// How deep the values of a claim may be.
const MAX_DEPTH: usize = 8;

/// Where the target reads the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwks {
    /// The drill serves them here, over HTTP.
    Listen(SocketAddr),
    /// From this file.
    File(PathBuf),
}

/// What a token is like.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Where the target reads the keys.
    pub jwks: Jwks,
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: Vec<String>,
    /// `typ` in its header.
    pub typ: String,
    /// Further claims.
    pub claims: Map<String, Json>,
    /// The header or metadata it goes in. In `authorization` it comes after `Bearer`.
    pub header: String,
    /// How long one lives.
    pub life: Duration,
    /// Whether it carries the digest of the caller's certificate (RFC 8705) and the target checks.
    pub bound: bool,
}

impl Token {
    pub(super) const KNOWN: [&'static str; 8] = [
        "jwks", "issuer", "audience", "type", "claims", "header", "life", "bound",
    ];

    pub(super) fn read<'a, 'i>(fields: &Fields<'a, 'i>, folder: &Path) -> Placed<Self> {
        let wanted = "{ listen = \"127.0.0.1:9080\" } or { file = \"jwks.json\" }";
        let jwks = fields.need("jwks", fields.get("jwks"), wanted)?;
        let jwks = fields.table("jwks", jwks, &["listen", "file"])?;
        let jwks = match (jwks.word("listen")?, jwks.word("file")?) {
            (Some(word), None) => Jwks::Listen(listen(&word, "listen")?),
            (None, Some(word)) => Jwks::File(files::path(&word, "file", folder)?),
            _ => return jwks.need("listen", None, "this or `file`, and not both"),
        };
        let issuer = fields.need("issuer", fields.word("issuer")?, "the `iss` it wants")?;
        let audience = match fields.get("audience") {
            Some(value) if value.get_ref().is_str() => {
                owned(fields.word("audience")?.into_iter().collect())
            }
            _ => owned(fields.words("audience")?),
        };
        let header = fields.word("header")?;
        if let Some(word) = &header {
            let legal =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if !word.text.bytes().all(legal) {
                return Err(word.refused("header", "a header's name in lower case"));
            }
        }
        let claims = match fields.get("claims") {
            Some(value) => claims(fields, value)?,
            None => Map::new(),
        };
        Ok(Self {
            jwks,
            issuer: issuer.text.to_owned(),
            audience,
            typ: fields
                .word("type")?
                .map_or("JWT", |word| word.text)
                .to_owned(),
            claims,
            header: header.map_or("authorization", |word| word.text).to_owned(),
            life: fields.duration("life")?.unwrap_or(Duration::from_secs(300)),
            bound: fields.flag("bound")?,
        })
    }
}

fn claims<'a, 'i>(fields: &Fields<'a, 'i>, value: Value<'a, 'i>) -> Placed<Map<String, Json>> {
    let table = fields.open("`claims`".to_owned(), value, None)?;
    let mut claims = Map::new();
    for (name, value) in table.entries() {
        if ["iss", "aud", "exp", "nbf", "iat", "cnf", "jti"].contains(&name.text) {
            let wanted = "claims that the drill does not set itself";
            return Err(name.refused("claims", wanted));
        }
        claims.insert(name.text.to_owned(), json(name.text, value, 0)?);
    }
    Ok(claims)
}

fn json(field: &str, value: Value<'_, '_>, depth: usize) -> Placed<Json> {
    let refused = |wanted| wrong_kind(field, value, wanted);
    if depth > MAX_DEPTH {
        return Err(refused("nothing so deep"));
    }
    Ok(match value.get_ref() {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Boolean(flag) => Json::Bool(*flag),
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            Json::from(read.map_err(|_| refused("a smaller number"))?)
        }
        DeValue::Float(number) => {
            let read: Option<f64> = number.as_str().parse().ok();
            let read = read.and_then(serde_json::Number::from_f64);
            Json::Number(read.ok_or_else(|| refused("a number that JSON has"))?)
        }
        DeValue::Datetime(_) => return Err(refused("a text or a number: JSON has no dates")),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| json(field, item, depth + 1));
            Json::Array(items.collect::<Placed<_>>()?)
        }
        DeValue::Table(table) => {
            let mut map = Map::new();
            for (key, value) in super::document::ordered(table) {
                map.insert(key.get_ref().to_string(), json(field, value, depth + 1)?);
            }
            Json::Object(map)
        }
    })
}
