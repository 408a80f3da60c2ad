//! tonic's own TLS: `grpc.health.v1.Health/Check`, and `Watch` as a stream that never ends.
//!
//! The arguments are the port and the SPIFFE ID that is let in, which is looked for at the
//! beginning of each call in the certificate that tonic hands over. The files are read once:
//! `ServerTlsConfig` takes bytes.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tonic::service::interceptor::InterceptorLayer;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Status};
use tonic_health::ServingStatus;
use x509_parser::extensions::GeneralName;

fn judge(request: &Request<()>, allowed: &str) -> Result<(), Status> {
    let refused = || Status::permission_denied("not for you");
    let chain = request.peer_certs().ok_or_else(refused)?;
    let leaf = chain.first().ok_or_else(refused)?;
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(|_| refused())?;
    let names = leaf
        .subject_alternative_name()
        .map_err(|_| refused())?
        .ok_or_else(refused)?;
    match names.value.general_names.as_slice() {
        [GeneralName::URI(name)] if *name == allowed => Ok(()),
        _ => Err(refused()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let port = words.next().ok_or("no port")?.parse()?;
    let allowed = words.next().ok_or("no name")?;
    let read = |name: &str| std::fs::read(Path::new(".schism/tls").join(name));
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(read("tls.crt")?, read("tls.key")?))
        .client_ca_root(Certificate::from_pem(read("ca.crt")?));
    let (reporter, service) = tonic_health::server::health_reporter();
    tokio::spawn(async move {
        // Watchers are told of each change.
        let states = [ServingStatus::Serving, ServingStatus::NotServing];
        for state in states.into_iter().cycle() {
            reporter.set_service_status("", state).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let names = move |request: Request<()>| judge(&request, &allowed).map(|()| request);
    Server::builder()
        .tls_config(tls)?
        .layer(InterceptorLayer::new(names))
        .add_service(service)
        .serve(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await?;
    Ok(())
}
