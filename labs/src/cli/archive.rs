//! What a demonstration leaves in the workspace: enough to read, verify and rerun it.
//!
//! ```text
//! report.json             as `--json` prints it
//! timeline.jsonl          every canonical event of every run, one a line
//! requests.jsonl          what every client asked and heard, one a line
//! scenario.toml           the lab's, as it was read
//! <run>/posture.toml      and policy.cedar: the settings, as they were read
//! audit/<run>/<node>/     entries, checkpoint, key: each node's signed log
//! ```

use super::settings::Settings;
use super::timeline;
use crate::run::Ran;

/// The files to keep: the path in the run's folder, and the content.
pub(super) fn files(
    report: &str,
    scenario: &str,
    runs: &[(&Settings, &Ran)],
) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        ("report.json".to_owned(), report.into()),
        ("scenario.toml".to_owned(), scenario.into()),
    ];
    let (mut events, mut requests) = (String::new(), String::new());
    for (settings, ran) in runs {
        let run = &settings.name;
        let mut keep = |path: String, bytes: &[u8]| files.push((path, bytes.to_vec()));
        keep(
            format!("{run}/posture.toml"),
            settings.posture_text.as_bytes(),
        );
        keep(format!("{run}/policy.cedar"), settings.policy.as_bytes());
        for (node, audit) in &ran.audit {
            let folder = format!("audit/{run}/{node}");
            keep(format!("{folder}/entries"), &audit.entries);
            keep(format!("{folder}/checkpoint"), &audit.checkpoint);
            keep(
                format!("{folder}/key"),
                format!("{}\n", audit.key.trim_end()).as_bytes(),
            );
        }
        events.push_str(&timeline::events(run, &ran.trace));
        requests.push_str(&timeline::requests(run, &ran.history.requests));
    }
    files.push(("requests.jsonl".to_owned(), requests.into_bytes()));
    files.push(("timeline.jsonl".to_owned(), events.into_bytes()));
    files
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use ca::journal::Event;

    use super::super::origin::Lab;
    use super::super::settings;
    use super::*;
    use crate::history::History;
    use crate::run::AuditFiles;
    use crate::trace::TraceEvent;

    #[test]
    fn every_run_keeps_its_settings_its_logs_and_its_lines() {
        let lab = Lab::find("stale-acl").unwrap();
        let both = settings::both(&lab).unwrap();
        let event = Event {
            kind: "decision",
            principal: "a\"b\n".to_owned(),
            ..Event::default()
        };
        let traced = TraceEvent {
            at_us: 5,
            node: "records.south".to_owned(),
            seq: 0,
            event,
        };
        let audit = BTreeMap::from([("records.south".to_owned(), AuditFiles::default())]);
        let ran = Ran {
            history: History::default(),
            trace: vec![traced; 2],
            audit,
            sightings: Vec::new(),
            wall_ms: 1,
        };
        let runs: Vec<_> = both.iter().map(|settings| (settings, &ran)).collect();
        let files = files("{}", "format = 1", &runs);
        let names: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), files.len(), "no file twice");
        assert!(names.contains("audit/solution/records.south/checkpoint"));
        assert!(names.contains("exposed/posture.toml"));
        assert!(names.iter().all(|name| Path::new(name).is_relative()));
        let (_, timeline) = files.last().unwrap();
        let lines: Vec<serde_json::Value> = String::from_utf8_lossy(timeline)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3]["run"], "solution");
        assert_eq!(lines[0]["principal"], "a\"b\n");
    }
}
