//! `--workload-socket`: the SPIFFE Workload API beside a CA that is being served.

use std::path::{self, Path};
use std::sync::{Arc, Mutex, PoisonError};

use ca::issue::Ca;
use ca::seams::Seams;
use ca::workload::registry::FILE;
use ca::workload::socket_unix::Socket;
use ca::workload::{NotOffered, Workloads};
use services::token::svid::CaJwtSvids;

use super::super::stop::Stop;
use super::folder::Folder;

/// The open socket, and what will be served on it.
pub(super) struct Offer {
    socket: Socket,
    workloads: Workloads,
    /// How clients are told of it.
    pub(super) endpoint: String,
}

impl Offer {
    /// Opens the socket, once the registry is understood.
    pub(super) fn open(
        place: &Path,
        folder: &Folder,
        seams: Seams,
        ca: Arc<Mutex<Ca>>,
    ) -> Result<Self, Stop> {
        let jwt = CaJwtSvids::of(&ca.lock().unwrap_or_else(PoisonError::into_inner));
        let jwt = jwt.map_err(|error| Stop::Declined(error.to_string()))?;
        let opened = Workloads::open(seams, ca, Some(Arc::new(jwt)));
        let workloads = opened.map_err(|error| match error {
            NotOffered::Registry(why) => Stop::file(&folder.path.join(FILE), why),
            other => Stop::Declined(other.to_string()),
        })?;
        let failed =
            |why: String| Stop::Usage(format!("--workload-socket {}: {why}", place.display()));
        let whole = path::absolute(place).map_err(|error| failed(error.to_string()))?;
        let socket = Socket::open(place).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            socket,
            workloads,
            endpoint: format!("unix://{}", whole.display()),
        })
    }

    /// Serves it, for ever.
    pub(super) async fn serve(self) {
        match self.socket.serve(self.workloads).await {}
    }
}
