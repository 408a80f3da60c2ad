//! The binary: everything it does is in [`labs::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    labs::cli::main()
}
