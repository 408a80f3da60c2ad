//! `schism token verify`: the verdict of the services' own code on tokens, one a line.
//!
//! A refused token is an exit status of its own. No connection is there, so the binding of a token
//! to a leaf is not judged.

use std::io;
use std::path::PathBuf;

use ca::clock::{Clock as _, SystemClock, Time};
use clap::Subcommand;
use services::posture::Posture;
use services::token::keys::{KeySet, MAX_JWKS};
use services::token::lines::judge_lines;
use services::token::verify::Demand;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Exit;
use super::origin;
use super::printer::Printer;
use super::stop::Stop;

/// Look at tokens
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true)]
pub(super) struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(Verify),
}

/// Answer each line of standard input with `valid` or the name of a refusal
///
/// Judged as the services do, at hardened settings; that a token is bound to the leaf of its
/// connection is not judged, because there is no connection. Ends with status 0 if every token is
/// valid, 1 if any was refused.
#[derive(Debug, clap::Args)]
struct Verify {
    /// The key set, a JWKS
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
    /// For whom the tokens must be
    #[arg(long = "aud", value_name = "AUDIENCE")]
    audience: String,
    /// Who must have issued them; if left out, anyone with a key in the set
    #[arg(long = "iss", value_name = "ISSUER")]
    issuer: Option<String>,
    /// The time of judgement, in seconds since 1970 or as in RFC 3339; if left out, now
    #[arg(long, value_name = "TIME", value_parser = time)]
    now: Option<Time>,
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    let Command::Verify(verify) = &words.command;
    let jwks = origin::read(&verify.jwks, MAX_JWKS)?;
    let keys = KeySet::parse(jwks.text.as_bytes()).map_err(|why| Stop::Keys(jwks.name, why))?;
    let demand = Demand {
        issuer: verify.issuer.as_deref(),
        audience: Some(&verify.audience),
        leeway: Posture::hardened().token.leeway,
        leaf_sha256: None,
        require_binding: false,
    };
    let now = verify.now.unwrap_or_else(|| SystemClock.now());
    let tally = printer.lines(|out| {
        judge_lines(io::stdin().lock(), &keys, &demand, now, out)
            .map_err(|why| Stop::Stream("standard input or output", why))
    })?;
    let refused = tally.is_some_and(|tally| tally.refused > 0);
    Ok(if refused { Exit::Broken } else { Exit::Done })
}

/// A time as people write one.
fn time(text: &str) -> Result<Time, String> {
    if let Ok(secs) = text.parse::<u64>() {
        return Ok(Time::from_secs(secs));
    }
    let read = OffsetDateTime::parse(text, &Rfc3339).ok();
    let micros = read.and_then(|at| u64::try_from(at.unix_timestamp_nanos() / 1_000).ok());
    micros
        .map(Time::from_micros)
        .ok_or_else(|| "it takes seconds since 1970, or a time such as 2026-01-31T12:00:00Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_seconds_or_rfc_3339() {
        assert_eq!(time("1700000000"), Ok(Time::from_secs(1_700_000_000)));
        let half = Time::from_micros(1_700_000_000_500_000);
        assert_eq!(time("2023-11-14T22:13:20.5Z"), Ok(half));
        assert_eq!(time("2023-11-14T23:13:20.5+01:00"), Ok(half));
        for wrong in ["", "now", "-1", "1960-01-01T00:00:00Z", "1e9"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
