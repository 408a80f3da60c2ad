//! The socket of the Workload API.
//!
//! Anybody on the machine may connect: the standard forbids to ask callers for a secret, and the
//! kernel's word decides what they are given. So the socket is open to all (mode 0777); how many
//! connections there are, and how long a silent one lasts, is bounded. It stands in a folder where
//! nobody else can put another in its place, now or after its end. Invariant: a request is judged
//! as its connection's process, whatever it says.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as Probe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

use super::connection_unix::attend;
use super::places_unix::Places;
use super::{Workloads, attest_unix};

pub use super::places_unix::{MAX_CONNECTIONS, MAX_OF_ONE_USER};

/// Pause after a failed accept: out of file descriptors, trying at once is a busy loop.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How often it is told how many connections were dropped, where any were.
const TOLD: Duration = Duration::from_secs(60);
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
    /// Others could put their own socket in its place, and be taken for the CA.
    #[error("others may write to `{0}`: take a folder that only its owner may write to")]
    OpenFolder(String),
    /// So could the folder's owner.
    #[error("`{folder}` belongs to user {uid}: take a folder of your own, or of root")]
    ForeignFolder {
        /// Which folder.
        folder: String,
        /// Whose it is.
        uid: u32,
    },
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
        is_safe(folder, own_uid()?)?;
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
        let places = Places::default();
        tokio::select! {
            biased;
            never = workloads.follow() => never,
            never = self.accept(&workloads, &places) => never,
            never = tell(&workloads, &places) => never,
        }
    }

    async fn accept(&self, workloads: &Workloads, places: &Places) -> Infallible {
        let (routes, clock) = (workloads.routes(), &workloads.0.seams.clock);
        let mut connections = tokio::task::JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = self.0.accept().await else {
                clock.sleep(ACCEPT_AGAIN).await;
                continue;
            };
            let Some(caller) = attest_unix::caller(&stream) else {
                places.nameless();
                continue;
            };
            if let Some(place) = places.take(caller.uid) {
                let (routes, clock) = (routes.clone(), Arc::clone(clock));
                connections.spawn(attend(stream, caller, place, routes, clock));
            }
        }
    }
}

/// Tells what was dropped, in a line a period at most.
async fn tell(workloads: &Workloads, places: &Places) -> Infallible {
    loop {
        workloads.0.seams.clock.sleep(TOLD).await;
        if let Some(lost) = places.lost() {
            tracing::warn!("the workload socket: {lost}");
        }
    }
}

/// Whether nobody but its owner can change what is in that folder, and that is `own` or root.
fn is_safe(folder: &Path, own: u32) -> Result<(), NoSocket> {
    let whole = fs::canonicalize(folder)?;
    let there = fs::metadata(&whole)?;
    let named = |folder: &Path| folder.display().to_string();
    if ![own, 0].contains(&there.uid()) {
        let (folder, uid) = (named(folder), there.uid());
        return Err(NoSocket::ForeignFolder { folder, uid });
    }
    // The sticky bit lets others make what is not there yet, as after the CA's end.
    if there.mode() & 0o022 != 0 {
        return Err(NoSocket::OpenFolder(named(folder)));
    }
    for above in whole.ancestors().skip(1) {
        let mode = fs::metadata(above)?.mode();
        // Under it, nobody moves what is another's.
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            return Err(NoSocket::OpenFolder(named(above)));
        }
    }
    Ok(())
}

/// Whom this process is to the other end of a socket.
fn own_uid() -> io::Result<u32> {
    let (own, _) = UnixStream::pair()?;
    Ok(own.peer_cred()?.uid())
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
    async fn where_others_could_put_another_in_its_place_there_is_none() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("inner");
        fs::create_dir(&folder).unwrap();
        let place = folder.join("api.sock");
        let open = |folder_mode, above| {
            let modes = [(&*folder, folder_mode), (scratch.path(), above)];
            for (folder, mode) in modes {
                fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
            }
            Socket::open(&place)
        };
        for mode in [0o777, 0o1777, 0o775, 0o1757, 0o720] {
            let refused = open(mode, 0o755).unwrap_err();
            let said = refused.to_string();
            assert!(
                matches!(refused, NoSocket::OpenFolder(_)),
                "{mode:o}: {said}"
            );
            assert!(said.contains("inner"), "{said}");
        }
        let refused = open(0o755, 0o777).unwrap_err();
        assert!(matches!(refused, NoSocket::OpenFolder(_)), "{refused}");
        for (mode, above) in [(0o755, 0o755), (0o700, 0o1777), (0o750, 0o775)] {
            assert!(open(mode, above).is_ok(), "{mode:o} in {above:o}");
        }
    }

    #[tokio::test]
    async fn where_a_strangers_folder_is_there_is_none() {
        let scratch = tempfile::tempdir().unwrap();
        let own = own_uid().unwrap();
        assert_eq!(fs::metadata(scratch.path()).unwrap().uid(), own);
        assert!(is_safe(scratch.path(), own).is_ok());
        // To somebody else it is a stranger's, unless it is root's.
        let strange = is_safe(scratch.path(), own + 1);
        assert_eq!(own == 0, strange.is_ok());
        let owner = own + 7;
        if std::os::unix::fs::chown(scratch.path(), Some(owner), None).is_ok() {
            let refused = Socket::open(&scratch.path().join("api.sock")).unwrap_err();
            let foreign = matches!(refused, NoSocket::ForeignFolder { uid, .. } if uid == owner);
            assert!(foreign, "{refused}");
        }
    }
}
