//! A CA that is served with its Workload API, driven through the program as a person drives it.
//!
//! Which program, the variable `SCHISM` says. Everything is in a folder of its own and ends with
//! the test.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How often anything is looked for, ten times a second.
const PATIENCE: u32 = 600;

/// Whom the CA issues for.
pub(crate) const DOMAIN: &str = "clinic.example";

/// The served CA; it ends with this value.
pub(crate) struct House {
    folder: TempDir,
    port: u16,
    served: Option<Child>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill();
    }
}

impl House {
    /// Founds a CA whose leaves live for ten seconds, and serves it.
    pub(crate) async fn founded() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("it has a port").port();
        drop(free);
        let mut house = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
            port,
            served: None,
        };
        fs::write(house.path("pass"), "correct horse battery\n").expect("it can be written");
        let founding = format!("ca init --dir ca --trust-domain {DOMAIN} --leaf-ttl 10");
        house.ordered(&format!("{founding} --passphrase-file pass"));
        house.register(&[("/records", "internal"), ("/billing", "external")]);
        house.serve().await;
        house
    }

    /// Serves it from now on.
    pub(crate) async fn serve(&mut self) {
        let line = format!(
            "ca serve --dir ca --listen 127.0.0.1:{} --workload-socket api.sock",
            self.port
        );
        let served = self
            .command(&line)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        self.served = Some(served);
        for _ in 0..PATIENCE {
            if std::os::unix::net::UnixStream::connect(self.path("api.sock")).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the CA is not served");
    }

    /// SIGKILL: nothing is said, nothing is tidied.
    pub(crate) fn kill(&mut self) {
        if let Some(mut served) = self.served.take() {
            let _ = served.kill();
            let _ = served.wait();
        }
    }

    /// What a client is told of the socket.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix:{}", self.path("api.sock").display())
    }

    /// Registers these workloads, by path and hint, for the user that runs this.
    pub(crate) fn register(&self, workloads: &[(&str, &str)]) {
        let uid = fs::metadata(self.folder.path()).expect("it is there").uid();
        let entry = |(path, hint): &(&str, &str)| {
            let id = format!("spiffe_id = 'spiffe://{DOMAIN}{path}'");
            format!("[[workload]]\n{id}\nuid = {uid}\nhint = '{hint}'\n")
        };
        let entries: String = workloads.iter().map(entry).collect();
        fs::write(
            self.path("ca/workloads.toml"),
            format!("format = 1\n{entries}"),
        )
        .expect("it can be written");
    }

    /// Gives the CA an order, which must be followed.
    pub(crate) fn order(&self, line: &str) -> Value {
        let (order, rest) = line.split_once(' ').unwrap_or((line, ""));
        let said = self.ordered(&format!("ca {order} --dir ca --json {rest}"));
        serde_json::from_str(&said).expect("the answer is JSON")
    }

    /// Gives it until it is not declined any more.
    pub(crate) async fn as_soon_as_it_may(&self, line: &str) {
        let (order, rest) = line.split_once(' ').unwrap_or((line, ""));
        let line = format!("ca {order} --dir ca {rest}");
        let mut last = String::new();
        for _ in 0..PATIENCE {
            let output = self.command(&line).stderr(Stdio::piped()).output();
            let output = output.expect("it starts");
            if output.status.success() {
                return;
            }
            last = String::from_utf8_lossy(&output.stderr).into_owned();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{line}: never: {last}");
    }

    fn ordered(&self, line: &str) -> String {
        let output = self.command(line).output().expect("it starts");
        assert!(output.status.success(), "{line}: {}", output.status);
        String::from_utf8(output.stdout).expect("it says text")
    }

    fn command(&self, line: &str) -> Command {
        let program = env::var_os("SCHISM").expect("SCHISM names the program");
        let mut command = Command::new(program);
        command.args(line.split_whitespace());
        command.current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
