//! The line to a CA: to its folder, or to whoever is serving it.

use std::path::Path;
use std::time::Duration;

use ca::clock::{Clock as _, SystemClock};
use ca::desk::{Answer, Declined, Order};
use ca::error::CaError;
use ca::net::Address;

use super::super::stop::Stop;
use super::folder::Folder;

/// How long a command waits for another that has the CA open, and how often it looks.
pub(super) const TURNS: (u32, Duration) = (100, Duration::from_millis(50));

/// Gives an order to the CA of that folder, and waits for the answer.
pub(super) fn place(dir: &Path, order: Order) -> Result<Answer, Stop> {
    let folder = Folder::of(dir)?;
    for _ in 0..TURNS.0 {
        if let Some(lock) = folder.lock()? {
            let mut ca = folder.open(&lock)?;
            let answered = order.carry_out(&mut ca, &folder.keys(), SystemClock.now());
            return answered.map_err(stop);
        }
        // It is being served, or whoever has it is at the beginning or the end of something.
        #[cfg(unix)]
        if let Some(desk) = super::socket_unix::find(&folder) {
            return super::socket_unix::ask(desk, &folder, &order);
        }
        std::thread::sleep(TURNS.1);
    }
    Err(Stop::file(
        dir,
        "the CA is open elsewhere, and takes no orders there",
    ))
}

/// Why an order was declined, as the program ends with it.
pub(super) fn stop(declined: Declined) -> Stop {
    match declined {
        Declined::Ca(CaError::RootKeySealed(_)) => Stop::Sealed(declined.to_string()),
        Declined::Ca(_) => Stop::Declined(declined.to_string()),
        Declined::Order(why) => Stop::Usage(why),
    }
}

/// Where a CA listens, as it is written: a host and a port.
#[derive(Clone, Debug)]
pub(in super::super) struct Addressee(pub(in super::super) Address);

impl std::str::FromStr for Addressee {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':');
        let parsed = parts.and_then(|(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let port: u16 = port.parse().ok()?;
            (!host.is_empty() && port > 0).then(|| Address::new(host, port))
        });
        parsed
            .map(Self)
            .ok_or_else(|| "it takes a host and a port, as in 127.0.0.1:7443".to_owned())
    }
}
