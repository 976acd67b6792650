//! `cargo xtask ci`: everything that a change must pass.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use clap::ValueEnum;

use crate::error::XtaskError;
use crate::invocation::{Invocation, workspace_root};

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The format is rustfmt's
    Fmt,
    /// No warning of the compiler or of clippy in any target
    Clippy,
    /// All tests, also the examples in the documentation
    Test,
    /// The documentation builds without a warning
    Doc,
    /// The crates to depend on compile with the oldest Rust that `Cargo.toml` promises, if that toolchain is there
    MinimumRust,
    /// Tests of the crate with unsafe code under AddressSanitizer; only by `--step`, and if there is a nightly toolchain
    Sanitize,
}

/// What runs without `--step`.
const ALL: [Step; 5] = [Step::Fmt, Step::Clippy, Step::Test, Step::Doc, Step::MinimumRust];

/// The oldest Rust that the workspace promises to compile with.
const MINIMUM_RUST: &str = env!("CARGO_PKG_RUST_VERSION");

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "format",
            Self::Clippy => "clippy",
            Self::Test => "tests",
            Self::Doc => "documentation",
            Self::MinimumRust => "minimum Rust",
            Self::Sanitize => "sanitizer",
        }
    }

    fn invocation(self, root: &Path) -> Invocation {
        let cargo = |line: &[&str]| Invocation::new(root, line.iter().copied());
        match self {
            Self::Fmt => cargo(&["fmt", "--all", "--check"]),
            Self::Clippy => cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
            Self::Test => cargo(&["test", "--workspace"]),
            // Set for this step alone: in the environment of all it would rebuild the doc tests too.
            Self::Doc => cargo(&["doc", "--workspace", "--no-deps"]).variable("RUSTDOCFLAGS", "-D warnings"),
            // A folder of its own: another compiler would build everything in the common one again.
            Self::MinimumRust => cargo(&["check", "--package", "ffjord", "--all-features"])
                .argument("--target-dir")
                .argument("target/minimum-rust")
                .variable("RUSTUP_TOOLCHAIN", MINIMUM_RUST),
            // A target, so that build scripts and macros stay without; a folder, so that nothing else is built again.
            Self::Sanitize => cargo(&["test", "--package", "ffjord-kernels", "--tests", "--target"])
                .argument(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
                .argument("--target-dir")
                .argument("target/sanitize")
                .variable("RUSTUP_TOOLCHAIN", "nightly")
                .variable("RUSTFLAGS", "-Zsanitizer=address"),
        }
    }

    /// Why the step cannot run here.
    fn obstacle(self) -> Option<&'static str> {
        match self {
            Self::Sanitize if !cfg!(target_os = "linux") => Some("it is set up for Linux alone"),
            Self::MinimumRust if !has_toolchain(MINIMUM_RUST, MINIMUM_RUST) => Some(concat!(
                "there is no such toolchain: `rustup toolchain install ",
                env!("CARGO_PKG_RUST_VERSION"),
                "`"
            )),
            Self::Sanitize if !has_toolchain("nightly", "nightly") => {
                Some("there is no nightly toolchain: `rustup toolchain install nightly`")
            }
            _ => None,
        }
    }
}

/// Whether rustup has a toolchain whose compiler says `version`; asking does not install one.
fn has_toolchain(name: &str, version: &str) -> bool {
    let output = Command::new("rustc")
        .arg("--version")
        .env("RUSTUP_TOOLCHAIN", name)
        .env("RUSTUP_AUTO_INSTALL", "0")
        .output();
    output.is_ok_and(|output| output.status.success() && String::from_utf8_lossy(&output.stdout).contains(version))
}

/// Runs one step, or those of [`ALL`] up to the first failure; the result is the exit code.
pub(crate) fn run(only: Option<Step>) -> Result<u8, XtaskError> {
    let steps = only.as_ref().map_or(&ALL[..], std::slice::from_ref);
    for step in steps {
        if let Some(obstacle) = step.obstacle() {
            println!("==> {} skipped: {obstacle}", step.name());
            continue;
        }
        let invocation = step.invocation(workspace_root());
        println!("==> {}: {}", step.name(), invocation.display());
        let start = Instant::now();
        let code = invocation.run()?;
        let seconds = start.elapsed().as_secs_f64();
        if code != 0 {
            println!("==> {} failed after {seconds:.1} s", step.name());
            return Ok(code);
        }
        println!("==> {} passed in {seconds:.1} s", step.name());
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_run_in_order_of_their_cost_to_the_user() {
        let lines: Vec<String> = ALL
            .iter()
            .map(|step| step.invocation(Path::new(".")).display())
            .collect();
        assert_eq!(
            lines,
            [
                "cargo fmt --all --check",
                "cargo clippy --workspace --all-targets -- -D warnings",
                "cargo test --workspace",
                "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --no-deps",
                "RUSTUP_TOOLCHAIN=\"1.94\" cargo check --package ffjord --all-features --target-dir target/minimum-rust",
            ]
        );
    }

    #[test]
    fn the_sanitizer_has_a_folder_and_flags_of_its_own() {
        let line = Step::Sanitize.invocation(Path::new(".")).display();
        let variables = "RUSTUP_TOOLCHAIN=\"nightly\" RUSTFLAGS=\"-Zsanitizer=address\" ";
        assert!(line.starts_with(variables), "{line}");
        assert!(line.ends_with("--target-dir target/sanitize"), "{line}");
    }

    #[test]
    fn every_step_runs_at_the_root() {
        let root = Path::new("/house");
        assert!(
            Step::value_variants()
                .iter()
                .all(|step| step.invocation(root).folder == root)
        );
    }
}
