//! The socket of the Workload API.
//!
//! Anybody on the machine may connect: the standard forbids to ask callers for a secret, and the
//! kernel's word decides what they are given. So the socket is open to all (mode 0777), and it is
//! bounded how many connections there are, and how many of one user. It stands in a folder where
//! nobody else can put another in its place. Invariant: a request is judged as its connection's
//! process, whatever it says.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as Probe;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tonic::service::Routes;
use tower::Service as _;

use super::caller::Caller;
use super::{Workloads, admit, attest_unix, lock};
use crate::conn::{KEEP_ALIVE, KEEP_ALIVE_TIMEOUT, MAX_HEADERS};

/// Connections at once; more are dropped.
pub const MAX_CONNECTIONS: usize = 512;
/// Connections of one user at once: no user keeps out the others.
pub const MAX_OF_ONE_USER: usize = 128;
/// Calls at once on one connection.
const MAX_CALLS: u32 = 32;
/// Pause after a failed accept: out of file descriptors, trying at once is a busy loop.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Everybody may connect.
const MODE: u32 = 0o777;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum NoSocket {
    /// A link could lead anywhere.
    #[error("it is a symbolic link: name the place itself")]
    Link,
    /// Whoever serves there keeps it.
    #[error("somebody is serving there already")]
    Served,
    /// Something is there that is no socket.
    #[error("something is there already, and it is no socket")]
    NotASocket,
    /// Others could put their own socket in its place.
    #[error("anybody may write to its folder: take one that only its owner may write to")]
    OpenFolder,
    /// The system does not let us.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// The open socket.
#[derive(Debug)]
pub struct Socket(UnixListener);

impl Socket {
    /// Opens the socket at that path. One that was left behind gives way.
    ///
    /// # Errors
    /// When something else is there, or the place is not safe.
    pub fn open(path: &Path) -> Result<Self, NoSocket> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mode = fs::metadata(folder)?.mode();
        // In a folder like /tmp, with the sticky bit, nobody takes away what is another's.
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            return Err(NoSocket::OpenFolder);
        }
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
            Ok(there) if there.is_symlink() => return Err(NoSocket::Link),
            Ok(there) if !there.file_type().is_socket() => return Err(NoSocket::NotASocket),
            Ok(_) => match Probe::connect(path) {
                Ok(_) => return Err(NoSocket::Served),
                // Nobody listens to it any more.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path)?;
                }
                Err(error) => return Err(error.into()),
            },
        }
        // It follows no link, and takes nobody's place.
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
        Ok(Self(listener))
    }

    /// Serves the Workload API, and follows its registry, until the task is dropped.
    pub async fn serve(self, workloads: Workloads) -> Infallible {
        tokio::select! {
            biased;
            never = workloads.follow() => never,
            never = self.accept(&workloads) => never,
        }
    }

    async fn accept(&self, workloads: &Workloads) -> Infallible {
        let places = Places::default();
        let routes = workloads.routes();
        let mut connections = tokio::task::JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = self.0.accept().await else {
                workloads.0.seams.clock.sleep(ACCEPT_AGAIN).await;
                continue;
            };
            let Some(caller) = attest_unix::caller(&stream) else {
                tracing::warn!("the system does not say who calls: a connection dropped");
                continue;
            };
            let Some(place) = places.take(caller.uid) else {
                tracing::warn!(uid = caller.uid, "too many connections: one dropped");
                continue;
            };
            let routes = routes.clone();
            connections.spawn(async move {
                attend(stream, caller, routes).await;
                drop(place);
            });
        }
    }
}

/// Serves one connection to its end.
async fn attend(stream: UnixStream, caller: Caller, routes: Routes) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(caller);
        let mut routes = routes.clone();
        async move {
            if let Err(refused) = admit(request.headers()) {
                return Ok::<_, Infallible>(refused.into_http());
            }
            match routes.call(request).await {
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        }
    });
    let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .auto_date_header(false)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(MAX_CALLS)
        .max_header_list_size(MAX_HEADERS);
    // How it ends is for its caller to mind.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// Who has how many connections.
#[derive(Clone, Debug, Default)]
struct Places(Arc<Mutex<BTreeMap<u32, usize>>>);

/// One connection's place, given back when dropped.
#[derive(Debug)]
struct Place(Places, u32);

impl Places {
    /// A place for one more of that user, if there is one.
    fn take(&self, uid: u32) -> Option<Place> {
        let mut taken = lock(&self.0);
        let own = taken.get(&uid).copied().unwrap_or_default();
        if own >= MAX_OF_ONE_USER || taken.values().sum::<usize>() >= MAX_CONNECTIONS {
            return None;
        }
        taken.insert(uid, own + 1);
        Some(Place(self.clone(), uid))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.0.0);
        if let Some(own) = taken.get_mut(&self.1) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_takes_no_place_but_an_empty_or_a_deserted_one() {
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("api.sock");
        let first = Socket::open(&place).unwrap();
        let mode = fs::metadata(&place).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert!(matches!(Socket::open(&place), Err(NoSocket::Served)));
        drop(first);
        let link = scratch.path().join("link");
        std::os::unix::fs::symlink(&place, &link).unwrap();
        assert!(matches!(Socket::open(&link), Err(NoSocket::Link)));
        assert!(Socket::open(&place).is_ok(), "it was left behind");
        let file = scratch.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(matches!(Socket::open(&file), Err(NoSocket::NotASocket)));
        assert_eq!(fs::read(&file).unwrap(), b"precious");
        let none = scratch.path().join("none/api.sock");
        assert!(matches!(Socket::open(&none), Err(NoSocket::System(_))));
    }

    #[tokio::test]
    async fn where_anybody_could_put_another_in_its_place_there_is_none() {
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("api.sock");
        for (mode, safe) in [(0o777, false), (0o1777, true), (0o755, true)] {
            fs::set_permissions(scratch.path(), Permissions::from_mode(mode)).unwrap();
            match Socket::open(&place) {
                Ok(_) => assert!(safe, "{mode:o}"),
                Err(NoSocket::OpenFolder) => assert!(!safe, "{mode:o}"),
                Err(other) => panic!("{mode:o}: {other}"),
            }
        }
    }

    #[test]
    fn one_user_keeps_out_no_other_and_places_come_back() {
        let places = Places::default();
        let many =
            |uid, most| -> Vec<Place> { (0..most).map_while(|_| places.take(uid)).collect() };
        let first = many(0, MAX_CONNECTIONS);
        assert_eq!(first.len(), MAX_OF_ONE_USER);
        let users = u32::try_from(MAX_CONNECTIONS / MAX_OF_ONE_USER).unwrap();
        let others: Vec<_> = (1..users).map(|uid| many(uid, MAX_OF_ONE_USER)).collect();
        assert!(others.iter().all(|own| own.len() == MAX_OF_ONE_USER));
        assert!(places.take(users).is_none(), "there is an end to it");
        drop(first);
        assert!(places.take(users).is_some());
        drop(others);
        assert!(lock(&places.0).is_empty());
    }
}
