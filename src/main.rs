//! The `palisade` program: see [`palisade::cli`].

use std::process::ExitCode;

/// A run over many hosts makes and gives back millions of small texts, on two threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(palisade::cli::main())
}
