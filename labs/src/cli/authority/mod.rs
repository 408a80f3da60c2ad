//! `schism ca`: a CA of one's own, from its founding to the last revocation.
//!
//! `init` and `serve` open the CA, `budget` and `heal` reckon without one. Each other command is an
//! order at the CA's desk: carried out on the folder itself, or, while the CA is being served, by
//! whoever serves it.

mod budget;
mod federate;
mod folder;
mod heal;
mod init;
mod line;
mod order;
mod passphrase;
mod public;
mod rehearse;
mod secret;
mod serve;
#[cfg(unix)]
mod socket_unix;
#[cfg(unix)]
mod workload_unix;

use std::path::PathBuf;
use std::time::Duration;

use ca::desk::Deed;
use ca::dns::DnsName;
use ca::identity::SpiffeId;
use ca::join::JOIN_TTL_S;
use clap::Subcommand;

use super::Exit;
use super::answer::Answer;
use super::printer::Printer;
use super::span;
use super::stop::Stop;

pub(super) use line::Addressee;

/// Found, serve and command a CA of your own
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true)]
pub(super) struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Words),
    Serve(serve::Words),
    Join(Join),
    Issue(Issue),
    Status(Look),
    Bundle(federate::Bundle),
    Federate(federate::Federate),
    Crl(Look),
    Log(Log),
    Prepare(Act),
    Activate(Act),
    Retire(Act),
    Taint(Act),
    Revoke(Act),
    RollBack(Act),
    RevokeLeaf(RevokeLeaf),
    Confirm(Confirm),
    Budget(budget::Words),
    Heal(heal::Words),
    Rehearse(rehearse::Words),
}

/// Which CA
#[derive(Debug, clap::Args)]
struct Which {
    /// The CA's folder
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
}

/// Invite a workload: one text, to be used once
///
/// With `--dns` its leaves carry that name beside the SPIFFE ID, for clients that know servers by
/// host name. Whether the workload may have it is for you to know; renewals keep it.
#[derive(Debug, clap::Args)]
struct Join {
    #[command(flatten)]
    which: Which,
    /// Whom it is for, as in spiffe://clinic.example/records
    #[arg(long, value_name = "ID")]
    spiffe_id: SpiffeId,
    /// A DNS name that its leaves carry beside; may be said several times
    #[arg(long, value_name = "NAME")]
    dns: Vec<DnsName>,
    /// How long it may be used, as in 1h: a week at most, ten minutes if it is not said
    #[arg(long, value_name = "SPAN", value_parser = join_ttl)]
    ttl: Option<u64>,
    #[command(flatten)]
    answer: Answer,
}

/// Issue a leaf for a signing request; you vouch for whom it is
#[derive(Debug, clap::Args)]
struct Issue {
    #[command(flatten)]
    which: Which,
    /// The signing request, PKCS#10, in PEM or DER
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// Whom the leaf is for
    #[arg(long, value_name = "ID")]
    spiffe_id: SpiffeId,
    /// A DNS name that it carries beside; may be said several times
    #[arg(long, value_name = "NAME")]
    dns: Vec<DnsName>,
    #[command(flatten)]
    answer: Answer,
}

/// Look at what the CA has: its authorities and who blocks what, its revocation lists
#[derive(Debug, clap::Args)]
struct Look {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    answer: Answer,
}

/// The issuance log: every certificate, every step of an authority, every revocation, one a line
#[derive(Debug, clap::Args)]
struct Log {
    #[command(flatten)]
    which: Which,
    /// The first entry to show
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    #[command(flatten)]
    answer: Answer,
}

/// Take an authority a step on: prepared, active, retired, tainted, revoked
///
/// A step that would cut somebody off is refused, and says whom. A root's key is needed to prepare
/// and to revoke; it is asked for.
#[derive(Debug, clap::Args)]
struct Act {
    #[command(flatten)]
    which: Which,
    /// Of which kind: root, x509 or jwt; or of which secret: secret:NAME
    #[arg(long, value_name = "KIND")]
    authority: String,
    /// Which one, if more than one can be meant
    #[arg(long, value_name = "N")]
    id: Option<u64>,
    /// Do it although somebody blocks it, for this reason, which is logged
    #[arg(long = "override", value_name = "REASON")]
    reason: Option<String>,
    /// A file with the passphrase of the roots' keys, which is asked for otherwise
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    answer: Answer,
}

/// Revoke one leaf, by its serial
#[derive(Debug, clap::Args)]
struct RevokeLeaf {
    #[command(flatten)]
    which: Which,
    /// Its serial, hexadecimal
    #[arg(long, value_name = "HEX")]
    serial: String,
    /// Why, in the words of RFC 5280
    #[arg(long, value_name = "REASON", default_value = "unspecified")]
    reason: String,
    #[command(flatten)]
    answer: Answer,
}

/// Let in who came back after its leaf had ended
///
/// It proved the key of that leaf and stands apart until then: `schism ca status` shows who does.
/// Its next renewal, within minutes, gives it its own name. To refuse it, revoke the leaf that it
/// has meanwhile.
#[derive(Debug, clap::Args)]
struct Confirm {
    #[command(flatten)]
    which: Which,
    /// Who it is, as in spiffe://clinic.example/records
    #[arg(long, value_name = "ID")]
    spiffe_id: SpiffeId,
    /// Only if it came back with the leaf of this serial, hexadecimal
    #[arg(long, value_name = "HEX")]
    serial: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

/// Whole seconds, as many as a join code may wait.
fn join_ttl(text: &str) -> Result<u64, String> {
    let span = span::some(text)?;
    let whole = span.subsec_nanos() == 0 && JOIN_TTL_S.contains(&span.as_secs());
    let most = span::shown(Duration::from_secs(*JOIN_TTL_S.end()));
    whole
        .then_some(span.as_secs())
        .ok_or_else(|| format!("it is whole seconds, {most} at most"))
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    match &words.command {
        Command::Init(init) => init::run(init, printer),
        Command::Serve(serve) => serve::run(serve, printer),
        Command::Join(join) => order::join(join, printer),
        Command::Issue(issue) => order::issue(issue, printer),
        Command::Status(look) => order::look(look, ca::desk::Order::Status, printer),
        Command::Bundle(words) => federate::bundle(words, printer),
        Command::Federate(words) => federate::federate(words, printer),
        Command::Crl(look) => order::look(look, ca::desk::Order::Crl, printer),
        Command::Log(log) => order::log(log, printer),
        Command::Prepare(act) => order::act(act, Deed::Prepare, printer),
        Command::Activate(act) => order::act(act, Deed::Activate, printer),
        Command::Retire(act) => order::act(act, Deed::Retire, printer),
        Command::Taint(act) => order::act(act, Deed::Taint, printer),
        Command::Revoke(act) => order::act(act, Deed::Revoke, printer),
        Command::RollBack(act) => order::act(act, Deed::RollBack, printer),
        Command::RevokeLeaf(leaf) => order::revoke_leaf(leaf, printer),
        Command::Confirm(words) => order::confirm(words, printer),
        Command::Budget(words) => budget::run(words, printer),
        Command::Heal(words) => heal::run(words, printer),
        Command::Rehearse(words) => rehearse::run(words, printer),
    }
}
