//! Claims about what every door offers beside its own services: to whom, and what it says.

use std::collections::BTreeSet;

use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::pb::{v1, v1alpha};

use super::*;
use crate::conn::{Connection, dial};
use crate::offered::report;

async fn identity(clinic: &mut Clinic) -> Identity {
    let (mut identity, _) = clinic.agent(&clinic.clock.clone(), &MemDisk::new(), None);
    identity.wait_for(Option::is_some).await.unwrap();
    identity
}

/// To the CA, with a certificate or without.
async fn connected(clinic: &Clinic, own: Option<&Published>) -> Connection {
    let AgentConfig {
        ca, ca_id, bundle, ..
    } = &clinic.config;
    let trust = Trust {
        clock: Arc::new(clinic.clock.clone()),
        tolerance: clinic.config.tolerance,
    };
    let seams = seams(&clinic.net, &clinic.clock, &MemDisk::new());
    let trusted = Arc::new(Trusted::of(Bundle::clone(bundle)));
    let own = own.map(|own| &own.credential);
    dial(&seams, &trust, (own, &trusted), ca, ca_id)
        .await
        .unwrap()
}

async fn health(connection: Connection, service: &str) -> Result<i32, Code> {
    let service = service.to_owned();
    let asked = HealthClient::new(connection)
        .check(HealthCheckRequest { service })
        .await;
    asked
        .map(|said| said.into_inner().status)
        .map_err(|status| status.code())
}

/// The services that reflection names, by the first version and by the one before it.
async fn named(connection: Connection) -> Result<[BTreeSet<String>; 2], Code> {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    use v1alpha::server_reflection_request::MessageRequest as OldRequest;
    use v1alpha::server_reflection_response::MessageResponse as OldResponse;
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(connection.clone());
    let asked = client
        .server_reflection_info(tokio_stream::once(request))
        .await;
    let mut said = asked.map_err(|status| status.code())?.into_inner();
    let said = said.next().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(new)) = said else {
        panic!("{said:?}");
    };
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(OldRequest::ListServices(String::new())),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(connection);
    let asked = client
        .server_reflection_info(tokio_stream::once(request))
        .await;
    let mut said = asked.map_err(|status| status.code())?.into_inner();
    let said = said.next().await.unwrap().unwrap().message_response;
    let Some(OldResponse::ListServicesResponse(old)) = said else {
        panic!("{said:?}");
    };
    Ok([
        new.service.into_iter().map(|it| it.name).collect(),
        old.service.into_iter().map(|it| it.name).collect(),
    ])
}

#[tokio::test(start_paused = true)]
async fn health_and_reflection_answer_a_member_and_nobody_else() {
    let mut clinic = Clinic::new();
    let identity = identity(&mut clinic).await;
    let own = identity.borrow().clone().unwrap();
    let (member, stranger) = (
        connected(&clinic, Some(&own)).await,
        connected(&clinic, None).await,
    );
    let serving = Ok(ServingStatus::Serving as i32);
    assert_eq!(health(member.clone(), "").await, serving);
    assert_eq!(
        health(member.clone(), "schism.ca.v1.Identity").await,
        serving
    );
    let other = health(member.clone(), "schism.records.v1.Records").await;
    assert_eq!(other, Err(Code::NotFound));
    assert_eq!(
        health(stranger.clone(), "").await,
        Err(Code::Unauthenticated)
    );
    let [new, old] = named(member).await.unwrap();
    let own = [
        "grpc.health.v1.Health",
        "schism.ca.v1.Identity",
        "schism.ca.v1.Secrets",
        "schism.ca.v1.TokenKeys",
        "schism.ca.v1.Trust",
    ];
    assert_eq!(
        new,
        own.map(str::to_owned).into(),
        "of this door, and no others"
    );
    assert_eq!(new, old);
    assert_eq!(named(stranger).await, Err(Code::Unauthenticated));
}

#[tokio::test(start_paused = true)]
async fn whose_leaf_has_ended_is_not_serving() {
    let mut clinic = Clinic::new();
    let identity = identity(&mut clinic).await;
    let reporter = HealthReporter::new();
    let service = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
    let clock = JumpyClock::new();
    let watched: Arc<dyn Clock> = Arc::new(clock.clone());
    tokio::spawn(report(reporter, vec!["records"], identity.clone(), watched));
    let mut client = HealthClient::new(service);
    let mut asked = async || {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let service = "records".to_owned();
        let said = client.check(HealthCheckRequest { service }).await.unwrap();
        said.into_inner().status
    };
    assert_eq!(asked().await, ServingStatus::Serving as i32);
    // The agent renews on the clinic's clock, and it is away by now.
    drop(clinic);
    let end = identity
        .borrow()
        .as_ref()
        .unwrap()
        .credential
        .facts
        .not_after;
    clock.sleep_until(end).await;
    assert_eq!(asked().await, ServingStatus::NotServing as i32);
}
