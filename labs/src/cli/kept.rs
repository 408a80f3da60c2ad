//! A kept run, read back: what ran, and what came of it.
//!
//! Nothing is taken at its word: settings and scenario must have the hashes that the report says,
//! and the timeline must hash to the report's trace. A folder's names never lead out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ca::tlog::note::VerifyingKey;
use services::audit::entry::Entry;
use services::audit::verify::verify;
use services::policy::check::check;
use services::policy::entry::MAX_ENTRY;
use services::posture::document::{nearest, quoted};
use services::posture::{MAX_POSTURE, Posture};

use super::Place;
use super::origin::{self, Text};
use super::stop::Stop;
use super::timeline::{self, MAX_LINES_FILE};
use crate::history::Request;
use crate::report::{DemoReport, RunReport, json};
use crate::scenario::{MAX_SCENARIO, Scenario};
use crate::trace::{TraceEvent, trace_hash};

/// The longest report that is read back, in bytes.
const MAX_REPORT: usize = 16 * 1024 * 1024;

/// The longest note: a checkpoint or a key.
const MAX_NOTE: usize = 64 * 1024;

/// A kept run's folder and its report.
#[derive(Debug)]
pub(super) struct Kept {
    /// The folder's name.
    pub(super) name: String,
    pub(super) report: DemoReport,
    folder: PathBuf,
    /// The folder as it is shown.
    shown: String,
}

impl Kept {
    /// The run that a word names: a path, or a name under `.schism/runs/`; the newest without one.
    pub(super) fn find(word: Option<&str>, place: &Place) -> Result<Self, Stop> {
        let runs = place.workspace()?.root().join("runs");
        let folder = match word {
            Some(word) => named(&runs, word)?,
            None => newest(&runs, &place.shown(&runs))?,
        };
        let shown = place.shown(&folder);
        let path = fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone());
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let text = read(&folder, &shown, "report.json", MAX_REPORT)?;
        let report = report(&text)?;
        Ok(Self {
            name,
            report,
            folder,
            shown,
        })
    }

    /// Whose report it is, if it is another version's.
    pub(super) fn other_version(&self) -> Option<String> {
        other_version(&self.report.version)
    }

    fn text(&self, name: &str, most: usize) -> Result<Text, Stop> {
        read(&self.folder, &self.shown, name, most)
    }

    /// One line that names a file that is not what the report says.
    pub(super) fn edited(&self, name: &str, what: &str) -> Stop {
        let age = self
            .other_version()
            .map_or(String::new(), |age| format!("; {age}"));
        Stop::File(format!("{}/{name}", self.shown), format!("{what}{age}"))
    }

    /// The scenario that ran.
    pub(super) fn scenario(&self) -> Result<Scenario, Stop> {
        let text = self.text("scenario.toml", MAX_SCENARIO)?;
        let scenario = Scenario::parse(&text.name, &text.text)?;
        if scenario.canonical_sha256() != self.report.scenario_sha256 {
            let what = "it is not the scenario that ran: its hash is not the report's";
            return Err(self.edited("scenario.toml", what));
        }
        Ok(scenario)
    }

    /// The posture and the policy of one run. The report says nothing of the policy: it is what
    /// the folder holds.
    pub(super) fn settings(&self, run: &RunReport) -> Result<(Posture, String), Stop> {
        let name = format!("{}/posture.toml", run.posture);
        let text = self.text(&name, MAX_POSTURE)?;
        let (posture, _) = Posture::parse(&text.name, &text.text)?;
        if posture.sha256() != run.posture_sha256 {
            let what = "it is not the posture that ran: its hash is not the report's";
            return Err(self.edited(&name, what));
        }
        let policy = self.text(&format!("{}/policy.cedar", run.posture), MAX_ENTRY)?;
        check(&policy.name, &policy.text)?;
        Ok((posture, policy.text))
    }

    /// The events of every run of the report, each found to be those that ran.
    pub(super) fn events(&self) -> Result<BTreeMap<String, Vec<TraceEvent>>, Stop> {
        let name = "timeline.jsonl";
        let mut events = timeline::read_events(&self.text(name, MAX_LINES_FILE)?)?;
        for run in &self.report.runs {
            let of_run = events.entry(run.posture.clone()).or_default();
            if trace_hash(of_run) != run.trace_hash {
                let what = format!(
                    "its events of `{}` are not those that ran: their hash is not the report's",
                    run.posture
                );
                return Err(self.edited(name, &what));
            }
        }
        if events.len() != self.report.runs.len() {
            return Err(self.edited(name, "it has events of a run that the report does not"));
        }
        Ok(events)
    }

    /// What the clients of each run asked and heard.
    pub(super) fn requests(&self) -> Result<BTreeMap<String, Vec<Request>>, Stop> {
        timeline::read_requests(&self.text("requests.jsonl", MAX_LINES_FILE)?)
    }

    /// Each node's audit log of one run, or why it does not verify.
    pub(super) fn audits(
        &self,
        run: &RunReport,
    ) -> Result<BTreeMap<String, Result<Vec<Entry>, String>>, Stop> {
        let within = format!("audit/{}", run.posture);
        let fail = |why| Stop::File(format!("{}/{within}", self.shown), why);
        let mut logs = BTreeMap::new();
        let nodes = fs::read_dir(self.folder.join(&within));
        for node in nodes.map_err(|why| fail(why.to_string()))? {
            let node = node.map_err(|why| fail(why.to_string()))?.file_name();
            let node = node.to_string_lossy().into_owned();
            let log = self.audit(&format!("{within}/{node}"), &node);
            logs.insert(node, log.map_err(|why| why.to_string()));
        }
        Ok(logs)
    }

    /// Finds every node's signed log to verify.
    pub(super) fn signed(&self) -> Result<(), Stop> {
        for run in &self.report.runs {
            for (node, log) in self.audits(run)? {
                if let Err(why) = log {
                    let what = format!("the log does not verify: {why}");
                    return Err(self.edited(&format!("audit/{}/{node}", run.posture), &what));
                }
            }
        }
        Ok(())
    }

    fn audit(&self, folder: &str, node: &str) -> Result<Vec<Entry>, Stop> {
        let path = |name: &str| self.folder.join(folder).join(name);
        let entries = origin::read_bytes(&path("entries"), MAX_LINES_FILE)?;
        let checkpoint = origin::read_bytes(&path("checkpoint"), MAX_NOTE)?;
        let key = self.text(&format!("{folder}/key"), MAX_NOTE)?;
        let key = VerifyingKey::parse(key.text.trim_end())
            .map_err(|why| Stop::File(key.name, why.to_string()))?;
        verify(node, &entries, &checkpoint, &key).map_err(|flaw| Stop::Usage(flaw.to_string()))
    }
}

fn read(folder: &Path, shown: &str, name: &str, most: usize) -> Result<Text, Stop> {
    let text = origin::read(&folder.join(name), most);
    let name = format!("{shown}/{name}");
    match text {
        Ok(Text { text, .. }) => Ok(Text { name, text }),
        Err(Stop::File(_, why)) => Err(Stop::File(name, why)),
        Err(other) => Err(other),
    }
}

fn other_version(version: &str) -> Option<String> {
    let own = env!("CARGO_PKG_VERSION");
    (version != own).then(|| {
        let version: String = version.chars().take(40).collect();
        format!("it was recorded by schism {version}, this is {own}: that may be why")
    })
}

/// Reads a report whose names can be names of folders.
fn report(text: &Text) -> Result<DemoReport, Stop> {
    let fail = |why: String| Stop::File(text.name.clone(), why);
    let report = json::parse(&text.text).map_err(|why| {
        let value: Option<serde_json::Value> = serde_json::from_str(&text.text).ok();
        let version = value.as_ref().and_then(|value| value["version"].as_str());
        let age = version.and_then(other_version);
        fail(format!(
            "{why}{}",
            age.map_or(String::new(), |age| format!("; {age}"))
        ))
    })?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    for run in &report.runs {
        let name = &run.posture;
        if name.is_empty() || !name.chars().all(plain) {
            return Err(fail(
                "a run's posture has a name that no folder has".to_owned(),
            ));
        }
    }
    let names: BTreeSet<&str> = report.runs.iter().map(|run| run.posture.as_str()).collect();
    if names.is_empty() || names.len() < report.runs.len() {
        return Err(fail("it tells of no run, or of one twice".to_owned()));
    }
    if report.fabric != "sim" {
        return Err(fail(
            "only runs on the fabric `sim` can be read back".to_owned(),
        ));
    }
    Ok(report)
}

/// The folder that a word names.
fn named(runs: &Path, word: &str) -> Result<PathBuf, Stop> {
    let path = Path::new(word);
    let is_path = word.contains(['/', '\\']) || word == "." || word == "..";
    if !is_path && !word.is_empty() && runs.join(word).is_dir() {
        return Ok(runs.join(word));
    }
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    if is_path {
        return Err(Stop::file(path, "no such folder"));
    }
    let names: Vec<String> = list(runs)?.into_iter().map(|(_, name)| name).collect();
    let hint = match (
        nearest(word, names.iter().map(String::as_str)),
        names.first(),
    ) {
        (Some(near), _) => format!("the nearest is `{near}`"),
        (None, Some(newest)) => format!("the newest is `{newest}`"),
        (None, None) => "none is kept yet; `demo LAB` keeps one".to_owned(),
    };
    Err(Stop::Usage(format!("no kept run {}; {hint}", quoted(word))))
}

fn newest(runs: &Path, shown: &str) -> Result<PathBuf, Stop> {
    match list(runs)?.into_iter().next() {
        Some((_, name)) => Ok(runs.join(name)),
        None => Err(Stop::file(
            Path::new(shown),
            "no run is kept here; `demo LAB` keeps one",
        )),
    }
}

/// The folders of kept runs, the newest first. Drafts of runs begin with a point.
pub(super) fn list(runs: &Path) -> Result<Vec<(std::time::SystemTime, String)>, Stop> {
    let entries = match fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(Stop::file(runs, why)),
    };
    let of = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let about = entry.metadata().ok()?;
        let kept = about.is_dir() && !name.starts_with('.');
        kept.then_some((about.modified().ok()?, name))
    };
    let mut list: Vec<_> = entries.flatten().filter_map(of).collect();
    list.sort_by(|a, b| b.cmp(a));
    Ok(list)
}
