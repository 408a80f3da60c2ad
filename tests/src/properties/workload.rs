//! Questions to the Workload API, as bytes on the wire: whatever is asked, a process is given
//! nothing but its own names, and no token is good that was not made here for that audience.

use std::sync::{Arc, LazyLock, Mutex};

use ca::clock::{ManualClock, Time};
use ca::disk::{Disk as _, MemDisk};
use ca::issue::{Ca, CaConfig};
use ca::seams::Seams;
use ca::workload::Workloads;
use ca::workload::caller::Caller;
use ca::workload::jwt::{MAX_AUDIENCE, MAX_AUDIENCES, MAX_TOKEN};
use ca::workload::registry::FILE;
use prost::Message;
use proto::spiffe::workload as wire;
use proto::spiffe::workload::spiffe_workload_api_server::SpiffeWorkloadApi as _;
use services::token::svid::CaJwtSvids;
use tokio::runtime::{Builder, Runtime};
use tonic::{Code, Request, Response, Status};

use super::crl::{Known, domain};

/// What the caller is.
const NAMES: [&str; 2] = ["spiffe://clinic.example/a", "spiffe://clinic.example/b"];
/// What another process of this machine is.
const ANOTHER: &str = "spiffe://clinic.example/c";
/// Whose process the caller is.
const UID: u32 = 7;
/// When it asks.
const NOW: Time = Time::from_secs(1_767_225_600);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let built = Builder::new_current_thread().build();
    built.expect("a runtime of one thread")
});

/// Its keys are known, so that kept tokens go on being good.
static WORKLOADS: LazyLock<Workloads> = LazyLock::new(|| {
    let disk = Arc::new(MemDisk::new());
    let entry = |(name, uid)| format!("[[workload]]\nspiffe_id = '{name}'\nuid = {uid}\n");
    let [one, two] = NAMES;
    let entries = [(one, UID), (two, UID), (ANOTHER, UID + 1)].map(entry);
    let text = format!("format = 1\n{}", entries.concat());
    disk.replace(FILE, text.as_bytes())
        .expect("memory can be written");
    let seams = Seams {
        clock: Arc::new(ManualClock::new(NOW)),
        disk,
        keys: Arc::new(Known),
        ..Seams::real("never-written")
    };
    let ca = Ca::open(&seams, CaConfig::lab(domain())).expect("a CA can be founded");
    let jwt = CaJwtSvids::of(&ca).expect("it has a token key");
    let opened = Workloads::open(seams, Arc::new(Mutex::new(ca)), Some(Arc::new(jwt)));
    opened.expect("the registry is good")
});

fn ask<Q, A>(
    question: Q,
    call: impl AsyncFnOnce(Request<Q>) -> Result<Response<A>, Status>,
) -> Result<A, Status> {
    let mut request = Request::new(question);
    request.extensions_mut().insert(Caller {
        uid: UID,
        gid: UID,
        program: None,
    });
    let answer = RUNTIME.block_on(call(request));
    answer.map(Response::into_inner)
}

fn fetch(question: wire::JwtsvidRequest) -> Result<wire::JwtsvidResponse, Status> {
    ask(question, async |it| WORKLOADS.fetch_jwtsvid(it).await)
}

fn validate(token: &str, audience: &str) -> Result<wire::ValidateJwtsvidResponse, Status> {
    let question = wire::ValidateJwtsvidRequest {
        audience: audience.to_owned(),
        svid: token.to_owned(),
    };
    ask(question, async |it| WORKLOADS.validate_jwtsvid(it).await)
}

/// A token for that audience, as it is given out.
pub fn issued(audience: &str) -> String {
    let question = wire::JwtsvidRequest {
        audience: vec![audience.to_owned()],
        spiffe_id: NAMES[0].to_owned(),
    };
    let mut answer = fetch(question).expect("it is the caller's");
    answer.svids.remove(0).svid
}

/// One question: the first byte says which call it is for.
pub fn workload(data: &[u8]) {
    match data.split_first() {
        Some((0, question)) => fetches(question),
        Some((1, question)) => validates(question),
        _ => {}
    }
}

/// A refusal says whose fault it is, and can be printed.
fn refuses(status: &Status, codes: &[Code]) {
    assert!(codes.contains(&status.code()), "{status:?}");
    assert!(!status.message().is_empty());
}

fn fetches(question: &[u8]) {
    let Ok(asked) = wire::JwtsvidRequest::decode(question) else {
        return;
    };
    let (audience, wanted) = (asked.audience.clone(), asked.spiffe_id.clone());
    let given = match fetch(asked) {
        Ok(given) => given.svids,
        Err(status) => {
            return refuses(&status, &[Code::InvalidArgument, Code::PermissionDenied]);
        }
    };
    assert!((1..=MAX_AUDIENCES).contains(&audience.len()));
    let fits = |it: &String| (1..=MAX_AUDIENCE).contains(&it.len());
    assert!(audience.iter().all(fits));
    let names: Vec<&str> = given.iter().map(|it| &*it.spiffe_id).collect();
    if wanted.is_empty() {
        assert_eq!(names, NAMES);
    } else {
        assert!(names == [wanted] && NAMES.contains(&names[0]));
    }
    for svid in &given {
        for one in &audience {
            let Ok(valid) = validate(&svid.svid, one) else {
                // Eight long ones make a token that nobody would look at.
                assert!(svid.svid.len() > MAX_TOKEN, "it is good for `{one}`");
                continue;
            };
            assert_eq!(valid.spiffe_id, svid.spiffe_id);
        }
        let elsewhere = "nobody would ask for this";
        let other = validate(&svid.svid, elsewhere);
        assert!(other.is_err() || audience.iter().any(|one| one == elsewhere));
    }
}

/// Whether a question about a token is answered with yes.
pub fn is_valid(data: &[u8]) -> bool {
    let question = data.strip_prefix(&[1]).unwrap_or_default();
    let asked = wire::ValidateJwtsvidRequest::decode(question);
    asked.is_ok_and(|it| validate(&it.svid, &it.audience).is_ok())
}

fn validates(question: &[u8]) {
    let Ok(asked) = wire::ValidateJwtsvidRequest::decode(question) else {
        return;
    };
    match validate(&asked.svid, &asked.audience) {
        Err(status) => refuses(&status, &[Code::InvalidArgument]),
        Ok(valid) => {
            // This CA's key is public here; whoever signs with it still says whom it names.
            let known = [NAMES[0], NAMES[1], ANOTHER].contains(&&*valid.spiffe_id);
            assert!(known, "{} was never given a token", valid.spiffe_id);
            let claims = valid.claims.expect("a token has claims");
            assert!(claims.fields.contains_key("aud") && claims.fields.contains_key("exp"));
        }
    }
}
