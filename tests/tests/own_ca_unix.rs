//! A CA as a person founds, serves and commands it, and an agent whose files a stranger reads.
//!
//! Everything here goes through the program, real sockets and real files. The stranger is OpenSSL:
//! where it is not installed, its half is skipped, and says so.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]
#![cfg(unix)]

#[expect(dead_code, reason = "other tests use more of it")]
mod program;

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::Value;

use program::{Desk, Ended};
use tests::openssl;

/// How often anything is looked for, ten times a second: the end of a leaf of thirty seconds is the
/// longest of it.
const PATIENCE: u32 = 1200;

/// A program that runs until it is killed, at the latest at the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder with a CA in it that is being served.
struct Clinic {
    desk: Desk,
    port: u16,
    served: Option<Running>,
}

impl Clinic {
    fn founded() -> Self {
        let desk = Desk::new();
        desk.write("pass", "correct horse battery\n");
        let founding = "ca init --dir clinic --trust-domain clinic.example --leaf-ttl 30";
        let founded = desk.run(&format!("{founding} --passphrase-file pass"));
        assert_eq!(founded.status, Some(0), "{}", founded.err);
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut clinic = Self {
            desk,
            port,
            served: None,
        };
        clinic.serve();
        clinic
    }

    fn serve(&mut self) {
        let line = format!("ca serve --dir clinic --listen 127.0.0.1:{}", self.port);
        let mut served = Running(self.desk.command(&line).spawn().unwrap());
        until("the desk is open", || {
            if let Some(status) = served.0.try_wait().unwrap() {
                let mut said = String::new();
                served
                    .0
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut said)
                    .unwrap();
                panic!("{status}: {said}");
            }
            UnixStream::connect(self.desk.path("clinic/desk.sock")).ok()
        });
        self.served = Some(served);
    }

    fn orders(&self, line: &str) -> Value {
        let (order, rest) = line.split_once(' ').unwrap_or((line, ""));
        let ended = self
            .desk
            .run(&format!("ca {order} --dir clinic --json {rest}"));
        assert_eq!(ended.status, Some(0), "{line}: {}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }

    fn declined(&self, line: &str) -> Ended {
        let (order, rest) = line.split_once(' ').unwrap();
        let ended = self.desk.run(&format!("ca {order} --dir clinic {rest}"));
        assert_eq!(ended.status, Some(1), "{line}: {} {}", ended.out, ended.err);
        ended
    }

    /// Gives an order until it is not declined any more.
    fn as_soon_as_it_may(&self, line: &str) {
        let (order, rest) = line.split_once(' ').unwrap();
        until(line, || {
            let ended = self.desk.run(&format!("ca {order} --dir clinic {rest}"));
            (ended.status == Some(0)).then_some(())
        });
    }

    /// An agent for that workload, with files in a folder of its name.
    fn agent(&self, name: &str) -> Running {
        if !self.desk.path(name).exists() {
            let joined = self.orders(&format!("join --spiffe-id spiffe://clinic.example/{name}"));
            let invitation = joined["invitation"].as_str().unwrap();
            self.desk.write(&format!("{name}.join"), invitation);
        }
        let join = self.desk.path(name).join("state").exists();
        let join = if join {
            String::new()
        } else {
            format!("--join-file {name}.join")
        };
        let line = format!("agent --ca 127.0.0.1:{} {join} --out {name}", self.port);
        Running(self.desk.command(&line).spawn().unwrap())
    }

    fn file(&self, name: &str, file: &str) -> PathBuf {
        self.desk.path(&format!("{name}/current/{file}"))
    }
}

#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..PATIENCE {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("never: {what}");
}

/// The name of a leaf's issuer and the leaf's serial, as OpenSSL reads them.
fn read(leaf: &Path) -> Option<[String; 2]> {
    let of = |what: &str| {
        let mut openssl = Command::new("openssl");
        let output = openssl
            .args(["x509", "-noout", what, "-in"])
            .arg(leaf)
            .output()
            .ok()?;
        let said = String::from_utf8(output.stdout).ok()?;
        let value = said.trim().rsplit('=').next()?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    };
    Some([of("-issuer")?, of("-serial")?])
}

/// What OpenSSL makes of the files of a generation, revocation of every certificate included.
fn verified(folder: &Path) -> Result<(), String> {
    let mut openssl = Command::new("openssl");
    openssl.args(["verify", "-x509_strict", "-crl_check_all"]);
    for (option, file) in [
        ("-CAfile", "trust.pem"),
        ("-untrusted", "chain.pem"),
        ("-CRLfile", "crl.pem"),
    ] {
        openssl.arg(option).arg(folder.join(file));
    }
    let output = openssl
        .arg(folder.join("certificate.pem"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = said + &String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or(said)
}

#[test]
fn root_and_issuer_rotate_under_an_agent_and_a_revoked_leaf_is_revoked_to_openssl() {
    let clinic = Clinic::founded();
    let _agent = clinic.agent("records");
    let leaf = clinic.file("records", "certificate.pem");
    until("the first delivery", || leaf.exists().then_some(()));
    if !openssl::is_there() {
        return;
    }
    let current = || fs::canonicalize(clinic.desk.path("records/current")).unwrap();
    until("a chain that stands, its lists included", || {
        verified(&current()).ok()
    });

    let sealed = clinic.declined("prepare --authority root");
    assert!(sealed.err.contains("passphrase"), "{}", sealed.err);
    for kind in ["root", "x509"] {
        clinic.orders(&format!(
            "prepare --authority {kind} --passphrase-file pass"
        ));
        clinic.as_soon_as_it_may(&format!("activate --authority {kind}"));
    }
    until("a leaf of the new issuer", || {
        let [issuer, _] = read(&leaf)?;
        issuer.contains("issuer generation 2").then_some(())
    });
    until("it stands under the new root", || verified(&current()).ok());
    for kind in ["x509", "root"] {
        clinic.orders(&format!("taint --authority {kind} --id 1"));
        clinic.as_soon_as_it_may(&format!(
            "revoke --authority {kind} --id 1 --passphrase-file pass"
        ));
    }
    until("the old root is gone, and the leaf stands", || {
        let roots = fs::read_to_string(clinic.file("records", "trust.pem")).ok()?;
        (roots.matches("BEGIN").count() == 1).then_some(())?;
        verified(&current()).ok()
    });

    let [_, serial] = read(&leaf).unwrap();
    clinic.orders(&format!(
        "revoke-leaf --serial {serial} --reason key-compromise"
    ));
    until("OpenSSL refuses it", || {
        let why = verified(&current()).err()?;
        why.contains("certificate revoked").then_some(())
    });
    let log = clinic.orders("log");
    let entries = log["entries"].as_array().unwrap();
    let revoked = entries.iter().filter(|entry| entry["kind"] == "revoke");
    let serials: Vec<_> = revoked
        .map(|entry| entry["serial"].as_str().unwrap())
        .collect();
    assert_eq!(serials, [serial.to_lowercase()]);
}

#[test]
fn killed_at_any_moment_ca_and_agent_go_on_with_what_they_had() {
    let mut clinic = Clinic::founded();
    let key = |clinic: &Clinic| fs::read(clinic.file("records", "key.pem")).ok();
    let mut last = None;
    for _ in 0..3 {
        let agent = clinic.agent("records");
        last = until("a new key", || {
            key(&clinic).filter(|key| Some(key) != last.as_ref())
        })
        .into();
        let second = format!("agent --ca 127.0.0.1:{} --out records", clinic.port);
        clinic.desk.refuses(&second, &["another agent"]);
        // SIGKILL, both: nothing is said, nothing is tidied.
        drop(agent);
        clinic.served = None;
        let status = clinic.orders("status");
        assert_eq!(status["trust_domain"], "clinic.example", "served by nobody");
        clinic.serve();
    }
    let log = clinic.orders("log");
    let of = |name: &'static str| {
        let entries = log["entries"].as_array().unwrap().iter();
        let issued = entries.filter(move |entry| {
            let kind = entry["kind"].as_str().unwrap_or_default();
            ["enroll", "renew"].contains(&kind)
                && entry["spiffe_id"] == format!("spiffe://clinic.example/{name}")
        });
        issued
            .map(|entry| entry["serial"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    let mut serials = of("records");
    assert!(serials.len() >= 3, "{serials:?}");
    let issued = serials.len();
    serials.sort_unstable();
    serials.dedup();
    assert_eq!(serials.len(), issued, "no serial twice");
}

#[test]
fn settings_that_make_no_sense_are_named_with_their_file() {
    let desk = Desk::new();
    desk.write("bad/ca.toml", "format = 1\ncolour = \"red\"\n");
    desk.refuses("ca status --dir none", &["none", "ca init"]);
    desk.refuses("ca status --dir bad", &["bad/ca.toml", "colour"]);
    let endless = u64::MAX;
    desk.write(
        "endless/ca.toml",
        format!(
            "format=1\ntrust_domain='a'\nroot_keys='k'\nleaf_ttl_s={}\n",
            endless / 2
        ),
    );
    desk.refuses(
        "ca status --dir endless",
        &["endless/ca.toml", "leaf_ttl_s"],
    );
    let week = 7 * 24 * 60 * 60 + 1;
    desk.write(
        "patient/ca.toml",
        format!("format=1\ntrust_domain='a'\nroot_keys='k'\nleaf_ttl_s=60\nway_back_s={week}\n"),
    );
    desk.refuses(
        "ca status --dir patient",
        &["patient/ca.toml", "way_back_s", "604800"],
    );
}

#[test]
fn what_makes_no_sense_is_said_in_one_line_and_changes_nothing() {
    let desk = Desk::new();
    desk.write("pass", "correct horse battery\n");
    desk.write("short", "short\n");
    desk.refuses(
        "ca init --dir d --trust-domain a/b --passphrase-file pass",
        &["a/b"],
    );
    let founding = "ca init --dir d --trust-domain clinic.example";
    desk.refuses(founding, &["--passphrase-file"]);
    desk.refuses(&format!("{founding} --leaf-ttl 5"), &["10"]);
    let short = desk.run(&format!("{founding} --passphrase-file short"));
    assert_eq!(short.status, Some(1), "{}", short.err);
    assert!(!desk.path("d/ca.toml").exists(), "nothing was founded");
    assert_eq!(
        desk.run(&format!("{founding} --passphrase-file pass"))
            .status,
        Some(0)
    );
    desk.refuses(
        &format!("{founding} --passphrase-file pass"),
        &["d/ca.toml", "already"],
    );
    // A founding that was cut off at its end, and somebody who remembers another passphrase.
    fs::remove_file(desk.path("d/ca.toml")).unwrap();
    desk.write("other", "another horse battery\n");
    let other = desk.run(&format!("{founding} --passphrase-file other"));
    assert_eq!(other.status, Some(1), "{}", other.err);
    assert!(other.err.contains("does not open"), "{}", other.err);
    let again = desk.run(&format!("{founding} --passphrase-file pass"));
    assert_eq!(again.status, Some(0), "{}", again.err);
    desk.refuses("ca taint --dir d --authority x509", &["--id"]);
    desk.refuses("ca prepare --dir d --authority ssh", &["`ssh`", "x509"]);
    desk.refuses("ca serve --dir d --listen nowhere", &["--listen"]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let serving = format!("ca serve --dir d --listen 127.0.0.1:{port} --workload-socket");
    desk.refuses(&format!("{serving} pass"), &["pass", "no socket"]);
    desk.refuses(&format!("{serving} none/s"), &["none/s"]);
    desk.write("d/workloads.toml", "format = 1\n[[workload]]\nuser = 7\n");
    desk.refuses(&format!("{serving} s"), &["d/workloads.toml", "line 3"]);
    desk.refuses("ca join --dir d --spiffe-id alice", &["alice"]);
    desk.refuses("agent --ca 127.0.0.1:1 --out o", &["ca join"]);
    desk.refuses("agent --ca 127.0.0.1:1 --out o --join x", &["invitation"]);
    desk.refuses("agent --ca nowhere --out o --join x", &["127.0.0.1:7443"]);
    desk.write("request", "no request");
    let issue = "ca issue --dir d --spiffe-id spiffe://clinic.example/a --csr request";
    desk.refuses(issue, &["request", "PEM"]);
}
