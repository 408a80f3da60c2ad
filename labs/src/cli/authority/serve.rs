//! `schism ca serve`: the CA on the network, until it is interrupted.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

#[cfg(unix)]
use ca::issue::Ca;
use ca::net::TcpNet;
use ca::seams::Seams;

use super::super::Exit;
use super::super::daemon::{self, Warnings};
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::folder::Folder;
use super::public;
#[cfg(unix)]
use super::workload_unix::Offer;

/// Serve the CA: agents enrol, renew and hear of roots and revocations
///
/// Ctrl-C ends it. Orders are given meanwhile with the other commands, from another terminal.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// The CA's folder
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Where to listen, an address of this machine and a port
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Serve the SPIFFE Workload API as well, on a socket at this path: who is whom on this machine
    /// stands in workloads.toml in the CA's folder
    #[arg(long, value_name = "PATH")]
    workload_socket: Option<PathBuf>,
    #[command(flatten)]
    public: public::Outward,
}

impl Words {
    /// Whether the ports can be had, said before anything is opened, and of the port rather than
    /// of a disk.
    fn ports_are_free(&self) -> Result<(), Stop> {
        // Held together: they may be one and the same.
        let mut held = Vec::new();
        let http = self.public.http.map(|http| ("--http", http));
        for (word, address) in [("--listen", self.listen)].into_iter().chain(http) {
            if address.port() == 0 {
                return Err(Stop::Usage(format!("{word} takes a port from 1 on")));
            }
            let taken = |error| Stop::Usage(format!("{word} {address}: {error}"));
            held.push(TcpListener::bind(address).map_err(taken)?);
        }
        Ok(())
    }
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    #[cfg(not(unix))]
    if words.workload_socket.is_some() {
        let why = "--workload-socket: this system has no Unix sockets; `schism agent` serves it";
        return Err(Stop::Usage(why.to_owned()));
    }
    let folder = Folder::of(&words.dir)?;
    words.ports_are_free()?;
    let (outside, files) = words.public.outside(&folder.seams())?;
    let Some(lock) = folder.lock_soon()? else {
        return Err(Stop::file(
            &words.dir,
            "the CA is being served, or commanded, already",
        ));
    };
    let warnings = Warnings::listen();
    let ca = Arc::new(Mutex::new(folder.open(&lock)?));
    let seams = Seams {
        net: Arc::new(TcpNet {
            interface: words.listen.ip(),
        }),
        ..folder.seams()
    };
    let exit = daemon::runtime()?.block_on(async {
        let (shared, port) = (Arc::clone(&ca), words.listen.port());
        let serving = ca::node::serve_with(seams.clone(), shared, port, outside);
        let (domain, listen) = (folder.config()?.trust_domain, words.listen);
        let http = words.public.http;
        let publicly = http.map_or_else(String::new, |http| format!(", publicly on {http}"));
        let note = format!("serving {domain} on {listen}{publicly}");
        let renewing = async {
            match files {
                Some(files) => files.keep().await,
                None => std::future::pending().await,
            }
        };
        #[cfg(unix)]
        let (beside, offered) = beside(words, &folder, &seams, ca)?;
        #[cfg(not(unix))]
        let (beside, offered) = (std::future::pending::<()>(), None::<String>);
        printer.note(&note);
        offered.iter().for_each(|note| printer.note(note));
        tokio::select! {
            biased;
            () = daemon::interrupted() => Ok(Exit::Done),
            served = serving => served.map(|()| Exit::Done).map_err(Stop::from),
            () = beside => Ok(Exit::Done),
            never = renewing => match never {},
            () = warnings.tell(printer) => Ok(Exit::Done),
        }
    })?;
    drop(lock);
    Ok(exit)
}

/// What is served beside the network: the desk, and the Workload API if it is asked for; and what
/// there is to say of it.
#[cfg(unix)]
fn beside(
    words: &Words,
    folder: &Folder,
    seams: &Seams,
    ca: Arc<Mutex<Ca>>,
) -> Result<(impl Future<Output = ()> + use<>, Option<String>), Stop> {
    let offer = words.workload_socket.as_deref();
    let offer = offer.map(|place| Offer::open(place, folder, seams.clone(), Arc::clone(&ca)));
    let offer = offer.transpose()?;
    let told = |offer: &Offer| format!("workloads: SPIFFE_ENDPOINT_SOCKET={}", offer.endpoint);
    let told = offer.as_ref().map(told);
    let listener = super::socket_unix::open(folder)?;
    let desk = super::socket_unix::attend(listener, ca, folder.keys(), Arc::clone(&seams.clock));
    let both = async {
        match offer {
            Some(offer) => tokio::join!(desk, offer.serve()),
            None => (desk.await, ()),
        };
    };
    Ok((both, told))
}
