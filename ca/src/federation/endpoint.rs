//! Where another domain's bundle is fetched, and by what its server is known there (SPIFFE
//! Federation, section 5.2).

use std::fmt;
use std::str::FromStr;

use http::Uri;
use serde::{Deserialize, Serialize};

use crate::identity::SpiffeId;
use crate::net::Address;

/// Longest URL, in bytes.
const MAX_URL: usize = 2048;

/// Where, and by what it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where.
    pub url: EndpointUrl,
    /// By what.
    #[serde(flatten)]
    pub profile: Profile,
}

/// By what an endpoint is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "profile", rename_all = "snake_case")]
pub enum Profile {
    /// By a SPIFFE ID, under the bundle that is held of its domain; never by a host name.
    HttpsSpiffe {
        /// Which one.
        id: SpiffeId,
    },
    /// By its host name, under a public CA.
    HttpsWeb,
}

/// Why a text is no endpoint's URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint is an https URL without a user, as in https://ca.other.example:8443/bundle")]
pub struct InvalidUrl;

/// The URL of a bundle endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointUrl {
    text: String,
    to: Address,
    path: String,
}

impl EndpointUrl {
    /// The host and port to dial.
    pub const fn to(&self) -> &Address {
        &self.to
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for EndpointUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = match text.len() {
            0..=MAX_URL => text.parse().map_err(|_| InvalidUrl)?,
            _ => return Err(InvalidUrl),
        };
        let authority = uri.authority().ok_or(InvalidUrl)?;
        if uri.scheme_str() != Some("https") || authority.as_str().contains('@') {
            return Err(InvalidUrl);
        }
        let host = authority.host();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let after = &authority.as_str()[authority.host().len()..];
        let port: u16 = match after.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| InvalidUrl)?,
            None => 443,
        };
        if host.is_empty() || port == 0 {
            return Err(InvalidUrl);
        }
        Ok(Self {
            text: text.to_owned(),
            to: Address::new(host, port),
            path: uri
                .path_and_query()
                .map_or("/", |it| it.as_str())
                .to_owned(),
        })
    }
}

impl TryFrom<String> for EndpointUrl {
    type Error = InvalidUrl;

    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        text.parse()
    }
}

impl From<EndpointUrl> for String {
    fn from(url: EndpointUrl) -> Self {
        url.text
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_https_url_without_a_user() {
        let url: EndpointUrl = "https://ca.other.example:8443/bundle?x".parse().unwrap();
        assert_eq!(url.to(), &Address::new("ca.other.example", 8443));
        assert_eq!(url.path(), "/bundle?x");
        let url: EndpointUrl = "https://[::1]".parse().unwrap();
        assert_eq!((url.to().host.as_str(), url.to().port), ("::1", 443));
        for wrong in [
            "",
            "/bundle",
            "http://other.example/bundle",
            "https:///bundle",
            "https://me@other.example/bundle",
            "https://other.example:0/bundle",
            "https://other.example:99999/bundle",
            "other.example:8443",
        ] {
            assert_eq!(wrong.parse::<EndpointUrl>(), Err(InvalidUrl), "`{wrong}`");
        }
    }

    #[test]
    fn an_endpoint_is_kept_in_the_words_of_the_standard() {
        let id = SpiffeId::parse("spiffe://other.example/ca").unwrap();
        for (profile, word) in [
            (Profile::HttpsSpiffe { id }, "https_spiffe"),
            (Profile::HttpsWeb, "https_web"),
        ] {
            let url = "https://other.example/bundle".parse().unwrap();
            let endpoint = Endpoint { url, profile };
            let json = serde_json::to_value(&endpoint).unwrap();
            assert_eq!(json["profile"], word);
            let read: Endpoint = serde_json::from_value(json).unwrap();
            assert_eq!(read, endpoint);
        }
    }
}
