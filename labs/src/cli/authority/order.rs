//! Orders at the desk: from words to an order, and the answer printed.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ca::desk::{Deed, Order, Passphrase};
use ca::dns::{DnsName, DnsNames};

use super::super::answer::Answer;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, origin};
use super::{Act, Confirm, Issue, Join, Log, Look, RevokeLeaf, Which, line, passphrase};

/// Largest signing request that is read, in bytes.
const MAX_REQUEST: usize = 64 * 1024;

pub(super) fn join(words: &Join, printer: &mut Printer) -> Result<Exit, Stop> {
    let order = Order::Join {
        spiffe_id: words.spiffe_id.clone(),
        dns_names: dns_names(&words.dns)?,
        ttl_s: words.ttl,
    };
    place(&words.which, &words.answer, order, printer)
}

fn dns_names(words: &[DnsName]) -> Result<DnsNames, Stop> {
    let names = DnsNames::new(words.iter().cloned());
    names.map_err(|error| Stop::Usage(format!("`--dns`: {error}")))
}

pub(super) fn issue(words: &Issue, printer: &mut Printer) -> Result<Exit, Stop> {
    let request = origin::read_bytes(&words.csr, MAX_REQUEST)?;
    let der = ca::pem::request(&request)
        .ok_or_else(|| Stop::file(&words.csr, "it is neither PEM nor DER"))?;
    let order = Order::Issue {
        spiffe_id: words.spiffe_id.clone(),
        dns_names: dns_names(&words.dns)?,
        csr: BASE64_STANDARD.encode(der),
    };
    place(&words.which, &words.answer, order, printer)
}

pub(super) fn look(words: &Look, order: Order, printer: &mut Printer) -> Result<Exit, Stop> {
    place(&words.which, &words.answer, order, printer)
}

pub(super) fn log(words: &Log, printer: &mut Printer) -> Result<Exit, Stop> {
    let from = words.from;
    place(&words.which, &words.answer, Order::Log { from }, printer)
}

pub(super) fn revoke_leaf(words: &RevokeLeaf, printer: &mut Printer) -> Result<Exit, Stop> {
    let order = Order::RevokeLeaf {
        serial: words.serial.clone(),
        reason: words.reason.clone(),
    };
    place(&words.which, &words.answer, order, printer)
}

pub(super) fn confirm(words: &Confirm, printer: &mut Printer) -> Result<Exit, Stop> {
    let order = Order::Confirm {
        spiffe_id: words.spiffe_id.clone(),
        serial: words.serial.clone(),
    };
    place(&words.which, &words.answer, order, printer)
}

pub(super) fn act(words: &Act, deed: Deed, printer: &mut Printer) -> Result<Exit, Stop> {
    let order = |passphrase: Option<Passphrase>| Order::Act {
        act: deed,
        authority: words.authority.clone(),
        id: words.id,
        override_reason: words.reason.clone(),
        passphrase,
    };
    let given = words.passphrase_file.as_deref().map(passphrase::read);
    let given = given.transpose()?.map(|it| Passphrase::new(&it));
    let (answer, asked) = (&words.answer, given.is_some() || !passphrase::can_ask());
    match place(&words.which, answer, order(given), printer) {
        Err(Stop::Sealed(_)) if !asked => {
            let given = passphrase::ask("passphrase of the root's key")?;
            place(
                &words.which,
                answer,
                order(Some(Passphrase::new(&given))),
                printer,
            )
        }
        placed => placed,
    }
}

pub(super) fn place(
    which: &Which,
    answer: &Answer,
    order: Order,
    printer: &mut Printer,
) -> Result<Exit, Stop> {
    answer.can_be_given()?;
    let answered = line::place(&which.dir, order)?;
    let text = if answer.json {
        format!("{:#}\n", answered.json)
    } else {
        answered.words
    };
    answer.give(&text, printer)?;
    Ok(Exit::Done)
}
