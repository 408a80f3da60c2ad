//! The front page: what this is, the labs, the commands that exist, and where runs are kept.

use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Place};
use crate::catalog;
use crate::scenario::Scenario;

/// Shows the front page.
pub(super) fn show(place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    printer.page(&page(place)?)?;
    Ok(Exit::Done)
}

fn page(place: &Place) -> Result<String, Stop> {
    let mut page = format!(
        "Schism {}: Jepsen for access control and key rotation, taught as guided labs.\n\
         A lab attacks a small cluster across a cut network, twice from one seed: with\n\
         settings that real products ship, and with a solution. Who got in, at what cost?\n\
         \nLabs\n",
        env!("CARGO_PKG_VERSION")
    );
    for lab in catalog::all() {
        let title = Scenario::parse(lab.id, lab.lab_toml)?.metadata.title;
        page.push_str(&format!("  {:<14}{title}\n", lab.id));
    }
    page.push_str(
        "\nCommands\n  \
         demo <lab>    run a lab exposed and with its solution, and compare\n  \
         token verify  judge tokens, one a line, as the services do\n\n",
    );
    if let Some(lab) = catalog::all().first() {
        let start = place.invocation.command(&["demo", lab.id]);
        page.push_str(&format!("Start here\n  {start}\n\n"));
    }
    page.push_str(&match place.workspace() {
        Ok(workspace) => format!("Runs are kept in {}\n", place.shown(workspace.root())),
        Err(why) => format!("Runs cannot be kept: {why}\n"),
    });
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::next::Invocation;
    use super::*;

    #[test]
    fn it_names_every_lab_and_where_runs_go_in_80_columns() {
        let place = Place {
            folder: None,
            data: Some("/data".into()),
            invocation: Invocation::find(Some("schism".into()), |_| None, None::<&Path>),
        };
        let text = page(&place).unwrap();
        assert!(catalog::all().iter().all(|lab| text.contains(lab.id)));
        assert!(text.contains("\n  schism demo stale-acl\n"));
        assert!(text.contains("/data/.schism\n"));
        let nowhere = Place {
            data: None,
            ..place
        };
        assert!(page(&nowhere).unwrap().contains("cannot be kept"));
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
