//! The desk of a CA that is being served: a socket in its folder, for its owner alone.
//!
//! One order a connection, a line of JSON; one line back. Whoever can open the socket could open
//! the CA's store as well, so nothing else is asked of them.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as Caller;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ca::clock::Clock;
use ca::desk::{Answer, Order};
use ca::disk::Disk;
use ca::issue::Ca;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::super::stop::Stop;
use super::folder::Folder;
use super::line;

/// Longest order, in bytes: another domain's bundle is a part of one.
const MAX_ORDER: u64 = 1024 * 1024;
/// How long an order may take to arrive, and how long its answer may.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    Answered(Answer),
    Declined(String),
    Sealed(String),
    Senseless(String),
}

/// Nobody but the owner looks into the folder.
pub(super) fn private(builder: &mut DirBuilder) {
    builder.mode(0o700);
}

fn path(folder: &Folder) -> PathBuf {
    folder.path.join("desk.sock")
}

/// Opens the desk. Whoever has the CA's lock may: a socket that is there was left behind.
pub(super) fn open(folder: &Folder) -> Result<UnixListener, Stop> {
    let path = path(folder);
    let failed = |error| Stop::file(&path, error);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Takes orders for as long as the CA is served.
pub(super) async fn attend(
    listener: UnixListener,
    ca: Arc<Mutex<Ca>>,
    keys: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            clock.sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (ca, keys, clock) = (Arc::clone(&ca), Arc::clone(&keys), Arc::clone(&clock));
        tokio::spawn(async move {
            let served = tokio::time::timeout(PATIENCE, serve(stream, &ca, &keys, &*clock));
            if let Ok(Err(error)) = served.await {
                tracing::warn!(%error, "an order was not answered");
            }
        });
    }
}

async fn serve(
    stream: UnixStream,
    ca: &Mutex<Ca>,
    keys: &Arc<dyn Disk>,
    clock: &dyn Clock,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = zeroize::Zeroizing::new(String::new());
    let mut read = tokio::io::BufReader::new(read.take(MAX_ORDER));
    read.read_line(&mut line).await?;
    let reply = match serde_json::from_str::<Order>(&line) {
        Err(error) => Reply::Senseless(format!("this is no order: {error}")),
        Ok(order) => {
            let mut ca = ca.lock().unwrap_or_else(PoisonError::into_inner);
            match order
                .carry_out(&mut ca, keys, clock.now())
                .map_err(line::stop)
            {
                Ok(answer) => Reply::Answered(answer),
                Err(Stop::Sealed(why)) => Reply::Sealed(why),
                Err(Stop::Usage(why)) => Reply::Senseless(why),
                Err(other) => Reply::Declined(other.to_string()),
            }
        }
    };
    let mut text = serde_json::to_string(&reply)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

/// The desk of whoever serves the CA, if it is open.
pub(super) fn find(folder: &Folder) -> Option<Caller> {
    Caller::connect(path(folder)).ok()
}

/// Gives an order at a desk.
pub(super) fn ask(mut stream: Caller, folder: &Folder, order: &Order) -> Result<Answer, Stop> {
    let path = path(folder);
    let failed =
        |error: io::Error| Stop::file(&path, format!("the desk of the CA did not answer: {error}"));
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let mut text = serde_json::to_string(order).map_err(|error| failed(error.into()))?;
    text.push('\n');
    stream.write_all(text.as_bytes()).map_err(failed)?;
    zeroize::Zeroize::zeroize(&mut text);
    let mut reply = String::new();
    BufReader::new(stream)
        .read_line(&mut reply)
        .map_err(failed)?;
    match serde_json::from_str(&reply).map_err(|error| failed(error.into()))? {
        Reply::Answered(answer) => Ok(answer),
        Reply::Declined(why) => Err(Stop::Declined(why)),
        Reply::Sealed(why) => Err(Stop::Sealed(why)),
        Reply::Senseless(why) => Err(Stop::Usage(why)),
    }
}
