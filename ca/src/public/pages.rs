//! What is at which path, as functions of what the CA announces.
//!
//! No path takes an argument, and no answer depends on who asks. Pages are made once for each
//! announced state. Invariant: a page's tag changes with its content and with nothing else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderValue, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::sync::watch;

use crate::announced::Announced;
use crate::bundle_json::Document;
use crate::clock::Time;
use crate::pem;
use crate::svid::sha256;

/// The bundle, for other trust domains (SPIFFE Federation, section 4).
pub const BUNDLE: &str = "/bundle";
/// The token keys, a plain JWK set (RFC 7517).
pub const KEYS: &str = "/keys";
/// Where consumers of token keys learn of [`KEYS`] (`OpenID` Connect Discovery, section 4).
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Every current revocation list, in PEM.
pub const LISTS: &str = "/crl";

/// Of the time after which the bundle should be asked for again, the part that caches may keep it.
const CACHED: u32 = 5;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PEM: HeaderValue = HeaderValue::from_static("application/x-pem-file");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The pages of one CA.
#[derive(Debug)]
pub struct Pages {
    announced: watch::Receiver<Arc<Announced>>,
    hint: Duration,
    url: String,
    made: Mutex<Option<Arc<Made>>>,
}

/// The pages of one announced state.
#[derive(Debug)]
struct Made {
    of: Arc<Announced>,
    pages: [(&'static str, Page); 4],
}

#[derive(Debug)]
struct Page {
    kind: HeaderValue,
    tag: HeaderValue,
    body: Bytes,
}

impl Page {
    fn new(kind: HeaderValue, body: String) -> Self {
        let tag = URL_SAFE_NO_PAD.encode(sha256(body.as_bytes()));
        // Base64 in quotes is always a value.
        let tag = HeaderValue::from_str(&format!("\"{tag}\""));
        Self {
            kind,
            tag: tag.unwrap_or_else(|_| HeaderValue::from_static("\"\"")),
            body: body.into(),
        }
    }
}

impl Pages {
    /// The pages of a CA that announces this, that is to be asked again after `hint`, and that is
    /// reached at `url`, as in `https://ca.clinic.example:8443`.
    pub const fn new(
        announced: watch::Receiver<Arc<Announced>>,
        hint: Duration,
        url: String,
    ) -> Self {
        Self {
            announced,
            hint,
            url,
            made: Mutex::new(None),
        }
    }

    /// The answer to a request, whose body nobody reads.
    pub fn answer<B>(&self, request: &Request<B>, now: Time) -> Response<Full<Bytes>> {
        let made = self.made();
        let mut pages = made.pages.iter();
        let page = pages.find(|(path, _)| *path == request.uri().path());
        let mut response = match page {
            None => said(StatusCode::NOT_FOUND, "there is nothing here\n"),
            Some(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => {
                let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
                let allowed = HeaderValue::from_static("GET, HEAD");
                response.headers_mut().insert(ALLOW, allowed);
                response
            }
            Some((_, page)) => self.shown(page, holds(request, &page.tag)),
        };
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.extend(date(now).map(|date| (DATE, date)));
        if request.method() == Method::HEAD {
            *response.body_mut() = Full::default();
        }
        response
    }

    fn shown(&self, page: &Page, held: bool) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        let headers = response.headers_mut();
        headers.insert(ETAG, page.tag.clone());
        let cached = format!("public, max-age={}", (self.hint / CACHED).as_secs());
        headers.extend(HeaderValue::from_str(&cached).map(|it| (CACHE_CONTROL, it)));
        if held {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, page.kind.clone());
        headers.insert(CONTENT_LENGTH, page.body.len().into());
        *response.body_mut() = page.body.clone().into();
        response
    }

    /// The pages of what is announced now.
    fn made(&self) -> Arc<Made> {
        let announced = Arc::clone(&self.announced.borrow());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref().filter(|it| Arc::ptr_eq(&it.of, &announced)) {
            return Arc::clone(made);
        }
        let new = Arc::new(self.make(announced));
        *made = Some(Arc::clone(&new));
        new
    }

    fn make(&self, announced: Arc<Announced>) -> Made {
        let bundle = Document::of(&announced, self.hint).to_json();
        let lists = announced.listed.iter();
        let lists: String = lists.map(|list| pem::crl(&list.crl)).collect();
        let url = &self.url;
        let discovery = json!({
            "issuer": url,
            "jwks_uri": format!("{url}{KEYS}"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        let pages = [
            (BUNDLE, Page::new(JSON, bundle)),
            (KEYS, Page::new(JSON, announced.jwks.clone())),
            (DISCOVERY, Page::new(JSON, discovery.to_string())),
            (LISTS, Page::new(PEM, lists)),
        ];
        Made {
            of: announced,
            pages,
        }
    }
}

/// Whether the asker holds the page of that tag already (RFC 9110, section 13.1.2).
fn holds<B>(request: &Request<B>, tag: &HeaderValue) -> bool {
    let held = request.headers().get_all(IF_NONE_MATCH).iter();
    held.filter_map(|held| held.to_str().ok())
        .flat_map(|held| held.split(','))
        .map(|held| held.trim().trim_start_matches("W/"))
        .any(|held| held == "*" || held.as_bytes() == tag.as_bytes())
}

/// A few words instead of a page. Nobody keeps them.
fn said(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(words));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(CONTENT_LENGTH, words.len().into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The time as HTTP writes it (RFC 9110, section 5.6.7).
fn date(now: Time) -> Option<HeaderValue> {
    let form = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let secs = i64::try_from(now.as_secs()).ok()?;
    let at = OffsetDateTime::from_unix_timestamp(secs).ok()?;
    HeaderValue::from_str(&at.format(form).ok()?).ok()
}
