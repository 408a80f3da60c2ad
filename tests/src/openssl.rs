//! OpenSSL, where it is installed: somebody else's word on what we wrote.

use std::process::Command;

/// Whether it is there to be asked; if not, the test that asks says so.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
pub fn is_there() -> bool {
    let version = Command::new("openssl").arg("version").output();
    let there = version.is_ok_and(|output| output.status.success());
    if !there {
        println!("SKIPPED: there is no `openssl` to be asked");
    }
    there
}
