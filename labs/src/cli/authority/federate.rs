//! The words about bundles: `schism ca bundle`, and `schism ca federate` for those of others.

use std::path::PathBuf;
use std::time::Duration;

use ca::bundle_json::{HINTS_S, MAX_DOCUMENT};
use ca::desk::Order;
use ca::federation::{Endpoint, EndpointUrl, Profile};
use ca::identity::{SpiffeId, TrustDomain};

use super::super::answer::Answer;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, origin, span};
use super::{Which, line, order};

/// The roots, in PEM; with `--spiffe` the bundle as other trust domains read it
#[derive(Debug, clap::Args)]
pub(super) struct Bundle {
    #[command(flatten)]
    which: Which,
    /// The SPIFFE bundle: roots and token keys as a JWK set, with its sequence number
    #[arg(long, conflicts_with_all = ["json", "out"])]
    spiffe: bool,
    /// How often others are to ask for it again
    #[arg(long, value_name = "SPAN", requires = "spiffe", value_parser = hint)]
    refresh_hint: Option<Duration>,
    #[command(flatten)]
    answer: Answer,
}

/// Believe another trust domain: its workloads are verified by its own roots, and by no others
///
/// The bundle is one that you had from the other side in a way that you trust: `schism ca bundle
/// --spiffe` prints it there. With `--endpoint` it is fetched again while the CA is served. An
/// older one is refused, and so is a second one of the same sequence.
#[derive(Debug, clap::Args)]
pub(super) struct Federate {
    #[command(flatten)]
    which: Which,
    /// Whom, as in other.example
    #[arg(long, value_name = "NAME")]
    trust_domain: TrustDomain,
    /// Its bundle, as SPIFFE writes it down
    #[arg(long, value_name = "FILE", required_unless_present = "withdraw")]
    bundle: Option<PathBuf>,
    /// Where the bundle is fetched again, as in https://ca.other.example:8443/bundle
    #[arg(long, value_name = "URL", requires = "profile")]
    endpoint: Option<EndpointUrl>,
    /// By what the endpoint is known: a SPIFFE ID, or a host name under a public CA
    #[arg(long, value_name = "PROFILE", requires = "endpoint", value_enum)]
    profile: Option<Known>,
    /// The SPIFFE ID that the endpoint has, as in spiffe://other.example/ca
    #[arg(long, value_name = "ID", required_if_eq("profile", "https_spiffe"))]
    endpoint_id: Option<SpiffeId>,
    /// How old the bundle may become before it counts no more: five times as long as it is until it
    /// is fetched again, if it is not said
    #[arg(long, value_name = "SPAN", value_parser = age)]
    max_age: Option<Duration>,
    /// Believe nothing of it any more
    #[arg(long, conflicts_with_all = ["bundle", "endpoint", "endpoint_id", "max_age"])]
    withdraw: bool,
    #[command(flatten)]
    answer: Answer,
}

/// By what an endpoint is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Known {
    HttpsSpiffe,
    HttpsWeb,
}

impl Federate {
    fn endpoint(&self) -> Result<Option<Endpoint>, Stop> {
        let (Some(url), Some(known)) = (self.endpoint.clone(), self.profile) else {
            return Ok(None);
        };
        let profile = match (known, self.endpoint_id.clone()) {
            (Known::HttpsSpiffe, Some(id)) if id.is_root() => {
                return Err(Stop::Usage(format!(
                    "`--endpoint-id`: `{id}` is a trust domain, and no workload"
                )));
            }
            (Known::HttpsSpiffe, Some(id)) => Profile::HttpsSpiffe { id },
            (Known::HttpsWeb, None) => Profile::HttpsWeb,
            (Known::HttpsSpiffe, None) => {
                return Err(Stop::Usage(
                    "`https_spiffe` needs `--endpoint-id`".to_owned(),
                ));
            }
            (Known::HttpsWeb, Some(_)) => {
                return Err(Stop::Usage(
                    "`https_web` goes by host names: it takes no `--endpoint-id`".to_owned(),
                ));
            }
        };
        Ok(Some(Endpoint { url, profile }))
    }
}

pub(super) fn federate(words: &Federate, printer: &mut Printer) -> Result<Exit, Stop> {
    let trust_domain = words.trust_domain.clone();
    let order = match &words.bundle {
        None => Order::Withdraw { trust_domain },
        Some(file) => {
            let bytes = origin::read_bytes(file, MAX_DOCUMENT)?;
            let document =
                String::from_utf8(bytes).map_err(|_| Stop::file(file, "it is no text"))?;
            // Said of the file, and before the CA is asked.
            ca::bundle_json::Document::parse(document.as_bytes())
                .map_err(|error| Stop::file(file, error))?;
            Order::Federate {
                trust_domain,
                document,
                endpoint: words.endpoint()?,
                max_age_s: words.max_age.map(|age| age.as_secs()),
            }
        }
    };
    order::place(&words.which, &words.answer, order, printer)
}

pub(super) fn bundle(words: &Bundle, printer: &mut Printer) -> Result<Exit, Stop> {
    let hint_s = words.refresh_hint.map(|hint| hint.as_secs());
    let order = Order::Bundle { hint_s };
    if !words.spiffe {
        return order::place(&words.which, &words.answer, order, printer);
    }
    let answered = line::place(&words.which.dir, order)?;
    let text = answered.json["spiffe"].as_str().unwrap_or_default();
    printer.page(&format!("{text}\n"))?;
    Ok(Exit::Done)
}

/// Whole seconds, as many as anybody would wait before asking again.
pub(super) fn hint(text: &str) -> Result<Duration, String> {
    let hint = span::some(text)?;
    let fits = hint.subsec_nanos() == 0 && HINTS_S.contains(&hint.as_secs());
    let most = span::shown(Duration::from_secs(*HINTS_S.end()));
    fits.then_some(hint)
        .ok_or_else(|| format!("it is whole seconds, {most} at most"))
}

fn age(text: &str) -> Result<Duration, String> {
    let age = span::some(text)?;
    let whole = age.subsec_nanos() == 0;
    whole
        .then_some(age)
        .ok_or_else(|| "it is whole seconds".to_owned())
}
