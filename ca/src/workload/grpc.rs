//! The Workload API on the wire: whole states, as long as they last.
//!
//! It judges the caller at each message and not only at the first. Nothing is queued: a caller that
//! does not read is told the newest state once it does.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use proto::spiffe::prost_types::{ListValue, NullValue, Struct, Value, value};
use proto::spiffe::workload as wire;
use proto::spiffe::workload::spiffe_workload_api_server::{
    SpiffeWorkloadApi, SpiffeWorkloadApiServer,
};
use serde_json::Value as Json;
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::Workloads;
use super::caller::Caller;
use super::jwt::{JwtSvids, Unasked, audience_fits, token_fits};
use super::registry::Workload;
use crate::announced::Announced;
use crate::bundle::Bundle;
use crate::clock::Time;
use crate::conn::{MAX_MESSAGE, MAX_STATE};
use crate::identity::{SpiffeId, TrustDomain};

/// Every call says so: a request that was smuggled through somebody's server does not (Workload
/// Endpoint, section 3).
const HEADER: (&str, &str) = ("workload.spiffe.io", "true");
/// How long a stream goes without a look at the clock.
const AGAIN: Duration = Duration::from_secs(15);

type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A state to be sent: the message, what tells it from the last, and when to look again.
struct Whole<T, M> {
    message: T,
    mark: M,
    again: Option<Time>,
}

/// What to verify X.509-SVIDs with. Roots are DER, one after another.
#[derive(Clone, PartialEq)]
struct Believed {
    roots: Vec<u8>,
    lists: Vec<Vec<u8>>,
    /// The roots of each other trust domain, by its name.
    others: HashMap<String, Vec<u8>>,
}

/// Whether a request may come in at all, whatever it asks for.
///
/// # Errors
/// When it lacks the metadata that every call carries, or says anything else there.
pub fn admit(headers: &http::HeaderMap) -> Result<(), Status> {
    let (name, value) = HEADER;
    let mut values = headers.get_all(name).iter().peekable();
    if values.peek().is_none() || values.any(|it| it.as_bytes() != value.as_bytes()) {
        return Err(Status::invalid_argument(format!(
            "the metadata `{name}: {value}` is missing"
        )));
    }
    Ok(())
}

impl Workloads {
    /// The service as tonic serves it. Requests carry their [`Caller`] as an extension, and
    /// [`admit`] has let them in.
    pub fn routes(&self) -> Routes {
        let server = SpiffeWorkloadApiServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_STATE);
        Routes::new(server)
    }

    /// Who the caller is, by the registry in force.
    fn entitled(&self, caller: &Caller) -> Result<Vec<Workload>, Status> {
        let own = self.registry().of(caller);
        if own.is_empty() {
            let Caller { uid, gid, .. } = caller;
            // Clients know SPIRE's first three words, and come again more slowly.
            return Err(Status::permission_denied(format!(
                "no identity issued: none is registered for this process of uid {uid}, gid {gid}"
            )));
        }
        Ok(own)
    }

    fn jwt(&self) -> Result<&dyn JwtSvids, Status> {
        let jwt = self.0.jwt.as_deref();
        jwt.ok_or_else(|| Status::unimplemented("this CA makes and judges no JWT-SVIDs"))
    }

    /// Sends a state now, and again whenever it is another; ends when nothing is the caller's. Only
    /// a stream that `carries` roots and lists counts as having been told of them.
    fn states<T, M, F>(&self, caller: Caller, carries: bool, whole: F) -> Response<BoxStream<T>>
    where
        T: Send + 'static,
        M: PartialEq + Send + 'static,
        F: Fn(&Self, &[Workload], &Announced) -> Result<Whole<T, M>, Status> + Send + 'static,
    {
        let (workloads, listener) = (self.clone(), self.0.heard.listener());
        let mut registry = self.0.registry.subscribe();
        let mut announced = self.ca().announced();
        Response::new(Box::pin(async_stream::try_stream! {
            let clock = &workloads.0.seams.clock;
            let (mut sent, mut last_seen) = (None, clock.now());
            loop {
                registry.mark_unchanged();
                let told = announced.borrow_and_update().clone();
                let own = workloads.entitled(&caller)?;
                let ids: Vec<SpiffeId> = own.iter().map(|it| it.spiffe_id.clone()).collect();
                let Whole { message, mark, again } = whole(&workloads, &own, &told)?;
                if sent.as_ref() != Some(&mark) {
                    if carries {
                        listener.attends(&ids);
                    }
                    yield message;
                    sent = Some(mark);
                }
                // Only here it was taken up.
                if carries {
                    listener.took(&ids, told.bundle.generation);
                }
                let again = again.unwrap_or(clock.now() + AGAIN);
                let go_on = tokio::select! {
                    biased;
                    changed = registry.changed() => changed.is_ok(),
                    changed = announced.changed() => changed.is_ok(),
                    _ = clock.wait(again, AGAIN, &mut last_seen) => true,
                };
                if !go_on {
                    return;
                }
            }
        }))
    }

    fn x509_svids(
        &self,
        own: &[Workload],
        told: &Announced,
    ) -> Result<Whole<wire::X509svidResponse, impl PartialEq + use<>>, Status> {
        let believed = believed(told);
        let (mut svids, mut leaves, mut again) = (Vec::new(), Vec::new(), None::<Time>);
        for workload in own {
            let (svid, next) = self.0.svids.current(&workload.spiffe_id)?;
            let hint = workload.hint.clone().unwrap_or_default();
            leaves.push((svid.facts.leaf_sha256, hint.clone()));
            again = Some(again.map_or(next, |again| again.min(next)));
            svids.push(wire::X509svid {
                spiffe_id: workload.spiffe_id.to_string(),
                x509_svid: svid.chain.iter().flat_map(|der| der.to_vec()).collect(),
                x509_svid_key: svid.key.to_vec(),
                bundle: believed.roots.clone(),
                hint,
            });
        }
        Ok(Whole {
            mark: (leaves, believed.clone()),
            message: wire::X509svidResponse {
                svids,
                crl: believed.lists,
                federated_bundles: believed.others,
            },
            again,
        })
    }
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for Workloads {
    type FetchX509SVIDStream = BoxStream<wire::X509svidResponse>;
    type FetchX509BundlesStream = BoxStream<wire::X509BundlesResponse>;
    type FetchJWTBundlesStream = BoxStream<wire::JwtBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<wire::X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        let caller = of(&request)?;
        self.entitled(&caller)?;
        Ok(self.states(caller, true, Self::x509_svids))
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<wire::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        let caller = of(&request)?;
        self.entitled(&caller)?;
        Ok(self.states(caller, true, |_, _, told| {
            let believed = believed(told);
            let mark = believed.clone();
            let mut bundles = believed.others;
            bundles.insert(name(&told.bundle.trust_domain), believed.roots);
            let crl = believed.lists;
            let message = wire::X509BundlesResponse { crl, bundles };
            let again = None;
            Ok(Whole {
                message,
                mark,
                again,
            })
        }))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<wire::JwtsvidRequest>,
    ) -> Result<Response<wire::JwtsvidResponse>, Status> {
        let mut own = self.entitled(&of(&request)?)?;
        let wire::JwtsvidRequest {
            audience,
            spiffe_id,
        } = request.into_inner();
        audience_fits(&audience)?;
        if !spiffe_id.is_empty() {
            let wanted = SpiffeId::parse(&spiffe_id);
            let wanted = wanted.map_err(|error| Status::invalid_argument(error.to_string()))?;
            own.retain(|workload| workload.spiffe_id == wanted);
            if own.is_empty() {
                let why = format!("`{wanted}` is not registered for this process");
                return Err(Status::permission_denied(why));
            }
        }
        let (jwt, now) = (self.jwt()?, self.0.seams.clock.now());
        let svids = own.into_iter().map(|workload| {
            let svid = jwt.issue(&workload.spiffe_id, &audience, now);
            let svid = svid.map_err(|error| {
                tracing::error!(%error, "the CA could not make a JWT-SVID");
                Status::unavailable("the CA could not make a JWT-SVID")
            })?;
            Ok::<_, Status>(wire::Jwtsvid {
                spiffe_id: workload.spiffe_id.to_string(),
                hint: workload.hint.unwrap_or_default(),
                svid,
            })
        });
        let svids = svids.collect::<Result<_, _>>()?;
        Ok(Response::new(wire::JwtsvidResponse { svids }))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<wire::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        let caller = of(&request)?;
        self.entitled(&caller)?;
        self.jwt()?;
        Ok(self.states(caller, false, |workloads, _, told| {
            let own = workloads.jwt()?.jwks().into_bytes();
            let others = told.federated_jwks.iter();
            let others = others.map(|(domain, set)| (name(domain), set.clone().into_bytes()));
            let mut bundles: HashMap<String, Vec<u8>> = others.collect();
            bundles.insert(name(&told.bundle.trust_domain), own);
            let (mark, again) = (bundles.clone(), None);
            let message = wire::JwtBundlesResponse { bundles };
            Ok(Whole {
                message,
                mark,
                again,
            })
        }))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<wire::ValidateJwtsvidRequest>,
    ) -> Result<Response<wire::ValidateJwtsvidResponse>, Status> {
        self.entitled(&of(&request)?)?;
        let wire::ValidateJwtsvidRequest { audience, svid } = request.into_inner();
        token_fits(&svid, &audience)?;
        let now = self.0.seams.clock.now();
        let valid = self.jwt()?.validate(&svid, &audience, now);
        let valid = valid.map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Response::new(wire::ValidateJwtsvidResponse {
            spiffe_id: valid.spiffe_id.to_string(),
            claims: Some(structure(valid.claims)),
        }))
    }
}

/// The caller that the connection noted.
fn of<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().copied();
    caller.ok_or_else(|| Status::permission_denied("nobody says who is calling"))
}

/// What is announced, each trust domain's roots by themselves. A domain of which nobody is trusted
/// is left out: to a client it is one that it never heard of.
fn believed(told: &Announced) -> Believed {
    let joined = |of: &Bundle| -> Vec<u8> { of.roots.iter().flat_map(|it| it.to_vec()).collect() };
    let others = told.federated.iter().filter(|it| !it.roots.is_empty());
    Believed {
        roots: joined(&told.bundle),
        lists: told.listed.iter().map(|list| list.crl.clone()).collect(),
        others: { others }
            .map(|it| (name(&it.trust_domain), joined(it)))
            .collect(),
    }
}

/// How clients call a trust domain.
fn name(domain: &TrustDomain) -> String {
    domain.root_id().to_string()
}

fn structure(members: serde_json::Map<String, Json>) -> Struct {
    let fields = members.into_iter();
    Struct {
        fields: fields.map(|(name, json)| (name, of_json(json))).collect(),
    }
}

/// JSON as protobuf has it. How deep it may nest, whoever parsed it has seen to.
fn of_json(json: Json) -> Value {
    let kind = match json {
        Json::Null => value::Kind::NullValue(NullValue::NullValue.into()),
        Json::Bool(value) => value::Kind::BoolValue(value),
        Json::Number(value) => value::Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        Json::String(value) => value::Kind::StringValue(value),
        Json::Array(values) => {
            let values = values.into_iter().map(of_json).collect();
            value::Kind::ListValue(ListValue { values })
        }
        Json::Object(members) => value::Kind::StructValue(structure(members)),
    };
    Value { kind: Some(kind) }
}

impl From<Unasked> for Status {
    fn from(unasked: Unasked) -> Self {
        Self::invalid_argument(unasked.to_string())
    }
}
