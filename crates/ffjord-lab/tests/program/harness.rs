//! Starts the program in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A toy run of milliseconds.
const TINY: &[&str] = &[
    "model.hidden=[8]",
    "solver.train.method=rk4",
    "solver.train.control={ kind = \"fixed\", steps = 1 }",
    "solver.test.method=rk4",
    "solver.test.control={ kind = \"fixed\", steps = 1 }",
    "training.iterations=4",
    "training.batch=16",
    "training.validate_every=2",
    "training.validation_rows=20",
    "training.checkpoint_every=2",
    "evaluation.samples=50",
];
const TINY_TOY: &[&str] = &["evaluation.toy_rows=60", "evaluation.grid=20", "evaluation.frames=0"];

/// A folder that the program is started in.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ffjord-lab"));
        command.current_dir(self.0.path()).args(arguments);
        // Messages would go on with a backtrace, for those who ask for one.
        command.env_remove("RUST_BACKTRACE");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        Answer::new(&self.command(arguments).output().unwrap())
    }

    /// Runs and insists on success.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments);
        assert_eq!(answer.code, Some(0), "{arguments:?}: {}", answer.stderr);
        answer.stdout
    }

    /// Runs and insists on exit code 1 with one line that holds all of `words`.
    pub fn refuse(&self, arguments: &[&str], words: &[&str]) {
        let answer = self.run(arguments);
        assert_eq!(answer.code, Some(1), "{arguments:?}: {}", answer.stderr);
        let lines: Vec<&str> = answer.stderr.lines().collect();
        let [line] = lines.as_slice() else {
            panic!("{arguments:?}: one line was expected, not {lines:?}");
        };
        assert!(line.starts_with("error: "), "{line}");
        for word in words {
            assert!(line.contains(word), "`{word}` is not in: {line}");
        }
    }
}

/// What a run of the program answered.
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn new(output: &Output) -> Self {
        let answer = Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
        answer
    }
}

/// The arguments of a tiny `experiment` of the moons into `out`.
pub fn moons<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let settings = TINY.iter().chain(TINY_TOY);
    experiment("toy-moons", out, settings, more)
}

/// The arguments of a tiny `experiment` of a table into `out`.
pub fn table<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    experiment("table", out, TINY.iter(), more)
}

/// The arguments of a tiny `experiment` of a benchmark into `out`.
pub fn benchmark<'a>(preset: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    experiment(preset, out, TINY.iter(), more)
}

fn experiment<'a>(
    preset: &'a str,
    out: &'a str,
    settings: impl Iterator<Item = &'a &'a str>,
    more: &[&'a str],
) -> Vec<&'a str> {
    let mut arguments = vec!["experiment", preset, "--out", out];
    arguments.extend(settings.flat_map(|setting| ["--set", setting]));
    arguments.extend(more);
    arguments
}

/// A table of two columns that depend on each other.
pub fn csv(rows: usize) -> String {
    let row = |index: usize| {
        let x = (index as f64 * 0.7).sin() * 3.0 + 10.0;
        format!("{x},{}\n", x * 0.5 + (index as f64 * 1.3).cos())
    };
    "a,b\n".to_string() + &(0..rows).map(row).collect::<String>()
}

pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
