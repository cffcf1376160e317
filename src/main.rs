//! The `palisade` program: see [`palisade::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(palisade::cli::main())
}
