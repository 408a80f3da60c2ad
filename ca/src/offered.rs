//! What a door offers: services of its own, and beside them the two that every gRPC tool asks for,
//! health (`grpc.health.v1`) and reflection (`v1` and `v1alpha`).
//!
//! Both answer whoever has shown a certificate, and nobody else: what a server is made of is no
//! stranger's business. Reflection names the services of this door and no other. A server whose own
//! leaf has ended is not serving, whatever else of it works: nobody new can reach it, and a check
//! that comes over an old connection must not be green (linkerd2#13136).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::agent::Published;
use crate::clock::Clock;
use crate::conn::PeerIdentity;

/// The health service's own name.
const HEALTH: &str = "grpc.health.v1.Health";

/// Services, by name.
pub struct Offered {
    routes: Routes,
    names: Vec<&'static str>,
}

/// A service as tonic generates it.
pub trait Served:
    tonic::codegen::Service<
        Request<Body>,
        Response = Response<Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Served for S where
    S: tonic::codegen::Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + NamedService
        + Clone
        + Send
        + Sync
        + 'static
{
}

impl Offered {
    /// One service.
    pub fn of(service: impl Served) -> Self {
        let (routes, names) = (Routes::default(), Vec::new());
        Self { routes, names }.and(service)
    }

    /// One more.
    #[must_use]
    pub fn and<S: Served>(mut self, service: S) -> Self {
        self.names.push(S::NAME);
        let routes = self.routes.add_service(service);
        Self { routes, ..self }
    }

    /// Its own services alone, for who asks them without a door.
    #[cfg(test)]
    pub(crate) fn bare(self) -> Routes {
        self.routes
    }

    /// All of it, as tonic serves it; who reports on its health is one of `reporting`, and ends
    /// with it. Must be called inside a tokio runtime.
    pub(crate) fn routes(
        self,
        identity: watch::Receiver<Option<Arc<Published>>>,
        clock: Arc<dyn Clock>,
        reporting: &mut JoinSet<()>,
    ) -> Routes {
        let reporter = HealthReporter::new();
        let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        let routes = self
            .routes
            .add_service(InterceptedService::new(health, known));
        let names = [&self.names[..], &[HEALTH]].concat();
        reporting.spawn(report(reporter, self.names, identity, clock));
        match reflected(routes.clone(), &names) {
            Ok(routes) => routes,
            Err(error) => {
                tracing::error!(%error, "no reflection");
                routes
            }
        }
    }
}

fn reflected(routes: Routes, names: &[&str]) -> Result<Routes, tonic_reflection::server::Error> {
    let builder = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        names
            .iter()
            .fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let (v1, v1alpha) = (builder().build_v1()?, builder().build_v1alpha()?);
    Ok(routes
        .add_service(InterceptedService::new(v1, known))
        .add_service(InterceptedService::new(v1alpha, known)))
}

/// Lets in whoever has shown a certificate.
fn known(request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
    if request.extensions().get::<PeerIdentity>().is_none() {
        return Err(Status::unauthenticated("a certificate is needed"));
    }
    Ok(request)
}

/// Says how the services are, as long as the task runs.
pub(crate) async fn report(
    reporter: HealthReporter,
    names: Vec<&'static str>,
    mut identity: watch::Receiver<Option<Arc<Published>>>,
    clock: Arc<dyn Clock>,
) {
    let mut gone = false;
    loop {
        let leaf = identity
            .borrow_and_update()
            .as_ref()
            .map(|own| own.credential.facts.not_after);
        let serving = leaf.is_some_and(|end| clock.now() <= end);
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in names.iter().copied().chain([""]) {
            reporter.set_service_status(name, status).await;
        }
        let end = async {
            match leaf.filter(|_| serving) {
                Some(end) => clock.sleep_until(end + TICK).await,
                // Its clock may be set right again.
                None => clock.sleep(LOOK_AGAIN).await,
            }
        };
        tokio::select! {
            biased;
            // An agent that is gone renews nothing, and what it left ends all the same.
            changed = identity.changed(), if !gone => gone = changed.is_err(),
            () = end => {}
        }
    }
}

/// How often a server that is not serving looks whether it does.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// A leaf's last moment belongs to it.
const TICK: Duration = Duration::from_micros(1);
