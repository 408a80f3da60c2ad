//! Groups of processes: what is started can be ended with all that it started.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

/// Gives what is started a group of its own: a Ctrl-C at the drill does not reach it before the
/// drill has put everything back.
pub(super) fn own(command: &mut Command) {
    command.process_group(0);
}

/// Tells a group to end.
pub(super) fn end(pid: u32) {
    signal(pid, Signal::TERM);
}

/// Ends a group.
pub(super) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // That nobody is left in the group is what is wanted.
        let _ = kill_process_group(pid, signal);
    }
}

/// The boot and the moment in which a living process began, where `/proc` tells (Linux).
pub(super) fn born(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may have anything in it, so what follows the last of them counts.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    let began = fields.nth(18)?.to_owned();
    Some(format!("{} {began}", boot()?))
}

/// This boot of the system, where it tells.
pub(super) fn boot() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(boot.trim().to_owned())
}
