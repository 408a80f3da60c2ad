//! Two CAs as two people found, serve and federate them, through the program and real sockets.
//!
//! The stranger who reads the public port is curl: where it is not installed, its half is skipped,
//! and says so.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]
#![cfg(unix)]

#[expect(dead_code, reason = "other tests use more of it")]
mod program;

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::Value;

use program::Desk;

/// A program that runs until it is killed, at the latest at the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("never: {what}");
}

fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

/// Founds a CA in a folder of its trust domain's first name.
fn found(desk: &Desk, name: &str) {
    desk.write("pass", "correct horse battery\n");
    let founding = format!("ca init --dir {name} --trust-domain {name}.example");
    let founded = desk.run(&format!("{founding} --passphrase-file pass"));
    assert_eq!(founded.status, Some(0), "{}", founded.err);
}

/// Serves it; gives both ports.
fn serve(desk: &Desk, name: &str) -> (Running, u16, u16) {
    let [listen, http] = [free_port(), free_port()];
    let line = format!(
        "ca serve --dir {name} --listen 127.0.0.1:{listen} \
         --http 127.0.0.1:{http} --refresh-hint 1s"
    );
    let mut served = Running(desk.command(&line).spawn().unwrap());
    until("the desk is open", || {
        if let Some(status) = served.0.try_wait().unwrap() {
            let mut said = String::new();
            let mut err = served.0.stderr.take().unwrap();
            err.read_to_string(&mut said).unwrap();
            panic!("{status}: {said}");
        }
        UnixStream::connect(desk.path(&format!("{name}/desk.sock"))).ok()
    });
    (served, listen, http)
}

fn orders(desk: &Desk, line: &str) -> Value {
    let ended = desk.run(&format!("ca {line} --json"));
    assert_eq!(ended.status, Some(0), "{line}: {}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

/// What is federated, as `ca status` has it.
fn federated(desk: &Desk, name: &str) -> Value {
    orders(desk, &format!("status --dir {name}"))["federated"].clone()
}

#[test]
fn two_cas_federate_and_follow_each_others_roots_until_one_is_gone() {
    let desk = Desk::new();
    found(&desk, "clinic");
    found(&desk, "other");
    let (_clinic, _, _) = serve(&desk, "clinic");
    let (other, _, http) = serve(&desk, "other");
    let given = desk.run("ca bundle --dir other --spiffe --refresh-hint 1s");
    assert_eq!(given.status, Some(0), "{}", given.err);
    desk.write("other.json", &given.out);
    let first: Value = serde_json::from_str(&given.out).unwrap();
    let who = "--dir clinic --trust-domain other.example";
    let by = "--profile https_spiffe --endpoint-id spiffe://other.example/ca --max-age 3s";
    let endpoint = format!("--endpoint https://127.0.0.1:{http}/bundle {by}");
    let taken = orders(
        &desk,
        &format!("federate {who} --bundle other.json {endpoint}"),
    );
    assert_eq!(taken["sequence"], first["spiffe_sequence"]);
    assert_eq!(taken["counts"], true);

    let prepare = "prepare --dir other --authority root --passphrase-file pass";
    let prepared = orders(&desk, prepare);
    until("the second root is fetched", || {
        let held = federated(&desk, "clinic");
        let same = held[0]["sequence"] == prepared["generation"];
        let roots = held[0]["roots_pem"].as_str()?.matches("BEGIN").count();
        (same && roots == 2).then_some(())
    });
    let older = desk.run(&format!("ca federate {who} --bundle other.json"));
    assert_eq!(older.status, Some(1));
    assert!(older.err.contains("rolled back"), "{}", older.err);
    let page = desk.run("ca status --dir clinic").out;
    assert!(
        page.contains("federated with\nother.example: sequence"),
        "{page}"
    );
    let own = desk.run("ca bundle --dir clinic").out;
    assert_eq!(own.matches("BEGIN").count(), 1, "never merged");

    drop(other);
    let gone = until("it is too old", || {
        let held = federated(&desk, "clinic");
        (held[0]["counts"] == false).then(|| held[0].clone())
    });
    assert!(gone["failure"].is_string(), "{gone}");
    let withdrawn = orders(&desk, &format!("federate {who} --withdraw"));
    assert_eq!(withdrawn["withdrawn"], true);
    assert_eq!(federated(&desk, "clinic"), serde_json::json!([]));
}

#[test]
fn an_agent_delivers_each_other_domains_roots_in_a_file_of_their_own() {
    let desk = Desk::new();
    found(&desk, "clinic");
    found(&desk, "other");
    let (_clinic, listen, _) = serve(&desk, "clinic");
    let joined = orders(
        &desk,
        "join --dir clinic --spiffe-id spiffe://clinic.example/records",
    );
    desk.write("records.join", joined["invitation"].as_str().unwrap());
    let line = format!("agent --ca 127.0.0.1:{listen} --join-file records.join --out records");
    let _agent = Running(desk.command(&line).spawn().unwrap());
    let file = |name: &str| fs::read_to_string(desk.path(&format!("records/current/{name}"))).ok();
    until("a first delivery", || file("trust.pem"));
    assert_eq!(file("trust.other.example.pem"), None);
    desk.write("other.json", desk.run("ca bundle --dir other --spiffe").out);
    let who = "federate --dir clinic --trust-domain other.example";
    orders(&desk, &format!("{who} --bundle other.json"));
    let theirs = until("the other's roots", || file("trust.other.example.pem"));
    assert_eq!(theirs, desk.run("ca bundle --dir other").out);
    assert_eq!(
        file("trust.pem").unwrap(),
        desk.run("ca bundle --dir clinic").out
    );
    orders(&desk, &format!("{who} --withdraw"));
    until("they are gone", || {
        file("trust.other.example.pem").is_none().then_some(())
    });
}

#[test]
fn curl_reads_the_public_port_under_the_certificate_that_it_was_given() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: curl is not installed");
        return;
    }
    let desk = Desk::new();
    found(&desk, "clinic");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    desk.write("web.pem", made.cert.pem());
    desk.write("web.key", made.signing_key.serialize_pem());
    let [listen, http] = [free_port(), free_port()];
    let line = format!(
        "ca serve --dir clinic --listen 127.0.0.1:{listen} --http 127.0.0.1:{http} \
         --http-cert web.pem --http-key web.key --http-url https://localhost:{http}"
    );
    let _served = Running(desk.command(&line).spawn().unwrap());
    until("the desk is open", || {
        UnixStream::connect(desk.path("clinic/desk.sock")).ok()
    });
    let curl = |more: &[&str], path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "--noproxy", "*", "--cacert"])
            .arg(desk.path("web.pem"));
        let url = format!("https://localhost:{http}{path}");
        let got = curl.args(more).arg(url).output().unwrap();
        (got.status.code(), String::from_utf8(got.stdout).unwrap())
    };
    let served = until("it answers", || {
        let (status, served) = curl(&["--http1.1"], "/bundle");
        (status == Some(0)).then_some(served)
    });
    let read: Value = serde_json::from_str(&served).unwrap();
    assert_eq!(read["spiffe_refresh_hint"], 300);
    let (status, found) = curl(&[], "/.well-known/openid-configuration");
    assert_eq!(status, Some(0));
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["jwks_uri"], format!("https://localhost:{http}/keys"));
    assert_eq!(curl(&["--http1.1"], "/nothing").0, Some(22));
}

#[test]
fn what_makes_no_sense_is_refused_by_name_and_before_anything_is_opened() {
    let desk = Desk::new();
    found(&desk, "clinic");
    let serving = "ca serve --dir clinic --listen 127.0.0.1:47443";
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = format!("--http {}", taken.local_addr().unwrap());
    desk.refuses(&format!("{serving} {http}"), &["--http", "in use"]);
    desk.refuses(
        &format!("{serving} --http 127.0.0.1:47443"),
        &["--http", "in use"],
    );
    desk.refuses(
        &format!("{serving} --http 127.0.0.1:0"),
        &["--http", "from 1"],
    );
    let port = format!("--http 127.0.0.1:{}", free_port());
    let files = "--http-cert none.pem --http-key none.key";
    desk.refuses(&format!("{serving} {port} {files}"), &["none.pem"]);
    desk.write("none.pem", "nothing\n");
    desk.write("none.key", "nothing\n");
    desk.refuses(
        &format!("{serving} {port} {files}"),
        &["none.pem", "certificate"],
    );
    desk.refuses(&format!("{serving} --web-roots none.pem"), &["none.pem"]);
    for url in ["http://x", "https://", "https://x/y", "https://me@x"] {
        desk.refuses(
            &format!("{serving} {port} --http-url {url}"),
            &["--http-url"],
        );
    }
    desk.refuses(
        &format!("{serving} {port} --refresh-hint 2d"),
        &["--refresh-hint"],
    );
    let who = "ca federate --dir clinic --trust-domain other.example --bundle";
    desk.refuses(&format!("{who} absent.json"), &["absent.json"]);
    desk.refuses(
        &format!("{who} none.pem"),
        &["none.pem", "not a SPIFFE bundle"],
    );
    let own = desk.run("ca bundle --dir clinic --spiffe").out;
    desk.write("own.json", &own);
    desk.refuses(
        &format!("{who} own.json --endpoint http://x/ --profile https_web"),
        &["https"],
    );
    desk.refuses(
        &format!("{who} own.json --endpoint https://x/ --profile https_spiffe"),
        &["--endpoint-id"],
    );
    let own = "ca federate --dir clinic --trust-domain clinic.example --bundle own.json";
    let ended = desk.run(own);
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    assert!(ended.err.contains("own trust domain"), "{}", ended.err);
}
