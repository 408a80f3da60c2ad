//! Attestation: whom the kernel names at the other end of a Unix socket.
//!
//! User and group are of the moment when the connection was made (`SO_PEERCRED`) and cannot be
//! forged. The program is looked up by process number right after: a process that ends in between
//! may leave its number to another. So the number's owner must be the same user, and a program is
//! a guard against mix-ups between one user's processes, not a wall between them: who may run as
//! a user may also look into that user's processes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use tokio::net::UnixStream;

use super::caller::{Caller, Program};

/// Who calls, if the kernel says.
pub(super) fn caller(stream: &UnixStream) -> Option<Caller> {
    let credentials = stream.peer_cred().ok()?;
    let (uid, gid) = (credentials.uid(), credentials.gid());
    let program = credentials.pid().and_then(|pid| run_by(pid, uid));
    Some(Caller { uid, gid, program })
}

/// The file at that path, behind every link.
pub(super) fn program(path: &Path) -> Option<Program> {
    let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Program {
        device: file.dev(),
        inode: file.ino(),
    })
}

/// The program of a process of that user: Linux tells root, and the user itself.
fn run_by(pid: i32, uid: u32) -> Option<Program> {
    let process = Path::new("/proc").join(pid.to_string());
    let program = program(&process.join("exe"))?;
    // After the look: if the number is another's by now, so may be the program.
    let owner = fs::metadata(&process).ok()?.uid();
    (owner == uid).then_some(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::registry::Workload;

    /// This very process, at the other end of a socket.
    fn this() -> Caller {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let (near, _far) = UnixStream::pair().unwrap();
            caller(&near).unwrap()
        })
    }

    fn workload(caller: &Caller, path: Option<&Path>) -> Workload {
        Workload {
            spiffe_id: "spiffe://clinic.example/a".parse().unwrap(),
            uid: caller.uid,
            gid: None,
            path: path.map(Path::to_owned),
            hint: None,
        }
    }

    #[test]
    fn a_process_is_known_by_its_user_its_group_and_its_program() {
        let caller = this();
        let own = fs::metadata("/proc/self").map(|own| (own.uid(), own.gid()));
        if let Ok(own) = own {
            assert_eq!((caller.uid, caller.gid), own);
        }
        let any = workload(&caller, None);
        assert!(caller.is(&any));
        let (uid, gid) = (caller.uid + 1, Some(caller.gid + 1));
        assert!(!caller.is(&Workload { uid, ..any.clone() }));
        assert!(!caller.is(&Workload { gid, ..any }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_is_its_file_and_not_its_name() {
        let (caller, exe) = (this(), std::env::current_exe().unwrap());
        assert!(caller.is(&workload(&caller, Some(&exe))));
        let scratch = tempfile::tempdir().unwrap();
        let [link, copy] = ["link", "copy"].map(|name| scratch.path().join(name));
        std::os::unix::fs::symlink(&exe, &link).unwrap();
        assert!(caller.is(&workload(&caller, Some(&link))), "the same file");
        fs::copy(&exe, &copy).unwrap();
        for other in [copy.as_path(), Path::new("/none"), scratch.path()] {
            assert!(!caller.is(&workload(&caller, Some(other))), "{other:?}");
        }
        let untold = Caller {
            program: None,
            ..caller
        };
        assert!(!untold.is(&workload(&untold, Some(Path::new("/none")))));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_number_that_is_another_users_by_now_says_nothing() {
        let own = i32::try_from(std::process::id()).unwrap();
        let uid = this().uid;
        assert!(run_by(own, uid).is_some());
        assert_eq!(run_by(own, uid + 1), None);
    }
}
