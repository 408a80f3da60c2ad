//! Who calls, as the system's kernel tells: nothing here is the caller's own word.
//!
//! It decides no name: the registry does. A program is told by the file itself and not by its
//! path, which a process can arrange in a world of its own. Invariant: what the kernel did not
//! tell, no workload matches.

use std::path::Path;

use super::registry::Workload;

/// The file of a program: its device and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Which file system.
    pub device: u64,
    /// Which file of it.
    pub inode: u64,
}

impl Program {
    /// The program at that path, if one is there.
    fn at(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        return super::attest_unix::program(path);
        #[cfg(not(unix))]
        {
            let _ = path;
            None
        }
    }
}

/// The process at the other end of a connection, as it was when the connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose process it is.
    pub uid: u32,
    /// Its group: the one, not those it belongs to besides.
    pub gid: u32,
    /// The program that it runs, where the system says so.
    pub program: Option<Program>,
}

impl Caller {
    /// Whether that process is that workload.
    pub fn is(&self, workload: &Workload) -> bool {
        let runs = |path: &Path| self.program.is_some() && self.program == Program::at(path);
        self.uid == workload.uid
            && workload.gid.is_none_or(|gid| gid == self.gid)
            && workload.path.as_deref().is_none_or(runs)
    }
}
