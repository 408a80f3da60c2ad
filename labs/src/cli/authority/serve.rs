//! `schism ca serve`: the CA on the network, until it is interrupted.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ca::net::TcpNet;
use ca::seams::Seams;

use super::super::Exit;
use super::super::daemon::{self, Warnings};
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::folder::Folder;

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
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    if words.listen.port() == 0 {
        return Err(Stop::Usage("--listen takes a port from 1 on".to_owned()));
    }
    let folder = Folder::of(&words.dir)?;
    // Said before anything is opened, and of the port rather than of a disk.
    let taken = |error| Stop::Usage(format!("--listen {}: {error}", words.listen));
    drop(TcpListener::bind(words.listen).map_err(taken)?);
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
        let serving = ca::node::serve(seams.clone(), Arc::clone(&ca), words.listen.port());
        let note = format!(
            "serving {} on {}",
            folder.config()?.trust_domain,
            words.listen
        );
        printer.note(&note);
        #[cfg(unix)]
        let desk = {
            let listener = super::socket_unix::open(&folder)?;
            super::socket_unix::attend(listener, ca, folder.keys(), Arc::clone(&seams.clock))
        };
        #[cfg(not(unix))]
        let desk = std::future::pending::<()>();
        tokio::select! {
            biased;
            () = daemon::interrupted() => Ok(Exit::Done),
            served = serving => served.map(|()| Exit::Done).map_err(Stop::from),
            () = desk => Ok(Exit::Done),
            () = warnings.tell(printer) => Ok(Exit::Done),
        }
    })?;
    drop(lock);
    Ok(exit)
}
