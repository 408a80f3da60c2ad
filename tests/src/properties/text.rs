//! Files that people write: postures, scenarios, policies, and the entries that policies become.
//!
//! Whichever system a file was saved on, it says the same, and what is wrong with it is on the
//! same line. What is accepted keeps every bound that the rest of the house relies on.

use std::sync::Arc;

use ca::clock::Time;
use ca::tlog::tree::empty_root;
use labs::scenario::{Act, MAX_REQUESTS, MAX_STEPS, MAX_USERS, Part, REGIONS, Scenario};
use services::policy::check::check;
use services::policy::entry::Entry;
use services::policy::fold::PolicyState;
use services::policy::view::{Mark, PolicyView, Verdict, danger};
use services::posture::document::plain;
use services::posture::{ACTIONS, Posture, Source};

/// The same text as an editor of another system saves it.
fn saved_elsewhere(text: &str) -> String {
    format!("\u{feff}{}", plain(text).replace('\n', "\r\n"))
}

/// An error is one line, of a line that the file has.
fn placed(text: &str, line: usize, said: &str) {
    let lines = 1 + text.matches('\n').count();
    assert!((1..=lines).contains(&line), "line {line} of {lines}");
    assert!(!said.contains(char::is_control), "{said:?}");
}

/// A posture: what it says in its one canonical form is what was read.
pub fn posture(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let read = Posture::parse("p", text);
    let elsewhere = saved_elsewhere(text);
    if elsewhere.len() <= services::posture::MAX_POSTURE {
        assert_eq!(Posture::parse("p", &elsewhere), read);
    }
    let (posture, sources) = match read {
        Err(error) => return placed(text, error.line, &error.to_string()),
        Ok(read) => read,
    };
    let canonical = posture.canonical();
    let again = Posture::parse("c", &canonical);
    let (again, _) = again.expect("the canonical text is a posture");
    assert_eq!(again, posture);
    assert_eq!(again.canonical(), canonical);
    assert_eq!(again.sha256(), posture.sha256());
    for dial in sources.set_by_file() {
        assert!(
            posture.value(dial).is_some(),
            "{dial} is set and has no value"
        );
        let Source::Line(line) = sources.get(dial) else {
            panic!("{dial} is set by the file, on no line");
        };
        placed(text, line, dial);
    }
}

/// A scenario: what is accepted can be run, within its bounds.
pub fn scenario(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let read = Scenario::parse("s", text);
    let elsewhere = saved_elsewhere(text);
    if elsewhere.len() <= labs::scenario::MAX_SCENARIO {
        assert_eq!(Scenario::parse("s", &elsewhere), read);
    }
    match read {
        Err(error) => placed(text, error.line, &error.to_string()),
        Ok(scenario) => bounded(&scenario),
    }
}

fn bounded(scenario: &Scenario) {
    assert_eq!(
        scenario.canonical_sha256(),
        scenario.clone().canonical_sha256()
    );
    let (world, end) = (&scenario.world, scenario.world.duration);
    assert_eq!(world.regions.len(), REGIONS);
    assert!((1..=MAX_USERS).contains(&world.users.len()));
    assert!((1..=MAX_STEPS).contains(&scenario.schedule.len()));
    let nodes = world.nodes();
    let mut requests = 0;
    for step in &scenario.schedule {
        let instants = step.instants(end);
        assert!(instants.is_sorted() && instants.iter().all(|at| *at < end));
        assert!(step.ends().is_none_or(|ends| step.at < ends && ends <= end));
        if let Act::Request {
            as_, via, actions, ..
        } = &step.act
        {
            assert!(!instants.is_empty() && !actions.is_empty());
            assert!(world.user(as_).is_some() && nodes.contains(via));
            requests += instants.len() as u64 * actions.len() as u64;
        }
    }
    assert!(requests <= MAX_REQUESTS, "{requests} requests");
    for vary in &scenario.vary {
        let step = scenario.step(&vary.step).expect("what varies is a step");
        match &vary.part {
            Part::At(low, high) => assert!(low <= high && *high < end),
            Part::For(low, high) => {
                assert!(low <= high && *high <= end && step.lasts.is_some());
            }
            Part::Region(regions) => {
                assert!(regions.iter().all(|region| world.regions.contains(region)));
            }
        }
    }
    for floor in &scenario.expect.availability {
        assert!((0.0..=1.0).contains(&floor.floor), "{}", floor.floor);
    }
}

/// A policy: what is accepted fits in the log as it is, and no decision under it is kinder than
/// Cedar's own.
pub fn policy(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    // As it comes out of a file. Cedar itself takes a line feed between quotes, and no CRLF.
    let text = &*plain(text);
    let judged = check("p", text);
    assert_eq!(check("p", &plain(&saved_elsewhere(text))), judged);
    if let Err(error) = judged {
        return placed(text, error.line, "");
    }
    let entry = Entry::PutPolicy {
        policy: text.to_owned(),
        entities: Vec::new(),
    };
    let bytes = entry.to_bytes().expect("it fits in an entry");
    let stored = Entry::parse(&bytes).expect("an entry reads back");
    assert_eq!(stored, entry);
    decided(&stored, text.trim().is_empty());
}

fn decided(policy: &Entry, is_empty: bool) {
    let mut state = PolicyState::default();
    let grant = Entry::Grant {
        principal: "alice".to_owned(),
        role: "doctor".to_owned(),
    };
    for entry in [policy, &grant] {
        state.apply(entry).expect("two entries are not too much");
    }
    let mark = Mark {
        size: 2,
        root: empty_root(),
    };
    let view = PolicyView::build(None, &state, mark, Time::from_secs(0));
    let view = Arc::new(view.expect("what was checked is what a view takes"));
    for (principal, resource) in [("alice", "r1"), ("mallory", "\u{0}\"")] {
        for action in ACTIONS {
            let verdict = view.decide(principal, action, resource);
            if verdict == Verdict::Permit {
                assert!(!is_empty, "nothing permits nothing");
                let skipping = danger::decide_skipping_errors(&view, principal, action, resource);
                assert_eq!(skipping, Verdict::Permit);
            }
        }
        let erased = view.decide(principal, "erase", resource);
        assert!(matches!(erased, Verdict::Error(_)), "{erased:?}");
    }
}

/// An entry of the policy log: what is read is what its own bytes say.
pub fn entry(data: &[u8]) {
    let Ok(entry) = Entry::parse(data) else {
        return;
    };
    // It may have come with more spaces or escapes than fit when it is written plainly, never
    // with fewer.
    let bytes = entry.to_bytes().expect("an entry can be written");
    assert!(
        bytes.len() <= data.len(),
        "{} of {}",
        bytes.len(),
        data.len()
    );
    assert_eq!(Entry::parse(&bytes), Ok(entry.clone()));
    let mut state = PolicyState::default();
    state.apply(&entry).expect("one entry is not too much");
    let roles: usize = state.memberships().values().map(|roles| roles.len()).sum();
    assert_eq!(roles, usize::from(matches!(entry, Entry::Grant { .. })));
}
