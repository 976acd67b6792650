//! `cargo xtask ci`: everything that a change must pass.

use std::path::Path;
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
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "format",
            Self::Clippy => "clippy",
            Self::Test => "tests",
            Self::Doc => "documentation",
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
        }
    }
}

/// Runs one step, or all of them up to the first failure; the result is the exit code.
pub(crate) fn run(only: Option<Step>) -> Result<u8, XtaskError> {
    let steps = only.as_ref().map_or(Step::value_variants(), std::slice::from_ref);
    for step in steps {
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
        let lines: Vec<String> = Step::value_variants()
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
            ]
        );
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
