//! Registries of workloads, files that people write: what is taken names nobody but workloads of
//! the trust domain, and gives no process two identities that could be mixed up.

use std::collections::BTreeSet;

use ca::workload::caller::Caller;
use ca::workload::registry::{
    InvalidRegistry, MAX_HINT, MAX_REGISTRY, MAX_WORKLOADS, Registry, Workload,
};

use super::crl::domain;

/// A registry; what is wrong with it is said in one line, of a line that it has.
pub fn registry(data: &[u8]) {
    let read = match Registry::parse(data, &domain()) {
        Ok(read) => read,
        Err(refused) => return said(data, &refused),
    };
    assert!(data.len() <= MAX_REGISTRY && !data.is_empty());
    let all: Vec<&Workload> = read.iter().collect();
    assert!(all.len() <= MAX_WORKLOADS);
    for workload in &all {
        let id = &workload.spiffe_id;
        assert_eq!(*id.trust_domain(), domain());
        assert!(!id.is_root() && id.path() != ca::node::PATH, "{id}");
        assert!(workload.path.as_ref().is_none_or(|it| it.is_absolute()));
        let hint = workload.hint.as_ref();
        assert!(hint.is_none_or(|it| (1..=MAX_HINT).contains(&it.len())));
    }
    for workload in &all {
        // A process that no path fits, as each entry names it otherwise.
        let caller = Caller {
            uid: workload.uid,
            gid: workload.gid.unwrap_or_default(),
            program: None,
        };
        mine(&read.of(&caller), &caller);
    }
    // On another system it is saved with other ends of lines, and says the same.
    let text = str::from_utf8(data).expect("what was read is text");
    let elsewhere = text.replace("\r\n", "\n");
    if !elsewhere.contains('\r') {
        assert_eq!(Registry::parse(elsewhere.as_bytes(), &domain()), Ok(read));
    }
}

/// What one process is.
fn mine(own: &[Workload], caller: &Caller) {
    let fits = |it: &Workload| {
        it.uid == caller.uid && it.gid.is_none_or(|gid| gid == caller.gid) && it.path.is_none()
    };
    assert!(own.iter().all(fits));
    let names: BTreeSet<_> = own.iter().map(|it| &it.spiffe_id).collect();
    assert_eq!(names.len(), own.len(), "a name twice");
    let hints: Vec<&String> = own.iter().filter_map(|it| it.hint.as_ref()).collect();
    let different: BTreeSet<_> = hints.iter().collect();
    assert_eq!(different.len(), hints.len(), "a hint twice");
}

fn said(data: &[u8], refused: &InvalidRegistry) {
    let said = refused.to_string();
    assert!(!said.contains(char::is_control), "{said:?}");
    if let InvalidRegistry::Toml { line, .. } = refused {
        let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
        assert!((1..=lines).contains(line), "line {line} of {lines}");
    }
}
