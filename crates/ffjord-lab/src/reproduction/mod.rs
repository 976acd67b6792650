//! Lists of commands that are run one after the other, and what has come of them.

mod log;

pub use log::{Log, Step as LoggedStep};

use crate::error::{LabError, Result};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

const QUICK: &str = include_str!("quick.toml");
/// Stands for the folder that all is written into.
const PLACE: &str = "{out}";

/// A command with its name in the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name, which no other has.
    pub name: String,
    /// What it does, in a few words.
    pub about: String,
    arguments: Vec<String>,
}

/// The steps of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    steps: Vec<Step>,
}

impl Step {
    /// What the program is started with, for a folder.
    pub fn arguments(&self, out: &Path) -> Vec<String> {
        let out = out.display().to_string();
        self.arguments
            .iter()
            .map(|argument| argument.replace(PLACE, &out))
            .collect()
    }
}

/// The small version of everything.
///
/// # Errors
/// [`LabError::Steps`] if the program was built with a damaged list.
pub fn quick() -> Result<Vec<Step>> {
    read(QUICK, Path::new("quick.toml"))
}

/// The steps of a file of the same form.
///
/// # Errors
/// When it cannot be read, or is no list of steps of different names.
pub fn of_file(path: &Path) -> Result<Vec<Step>> {
    read(
        &std::fs::read_to_string(path).map_err(LabError::io("read", path))?,
        path,
    )
}

fn read(text: &str, path: &Path) -> Result<Vec<Step>> {
    let refuse = |reason: String| LabError::Steps {
        path: path.to_path_buf(),
        reason,
    };
    let Steps { steps } = toml::from_str(text).map_err(|error| refuse(error.to_string()))?;
    let mut names = BTreeSet::new();
    for step in &steps {
        if !names.insert(&step.name) {
            return Err(refuse(format!(
                "two steps are named `{}`: give each a name of its own",
                step.name
            )));
        }
        if step.arguments.first().is_some_and(|first| first == "reproduce") {
            return Err(refuse(format!(
                "the step `{}` would start all steps anew: leave it out",
                step.name
            )));
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;
    use ffjord_run::config::{Preset, resolve};

    #[test]
    fn every_step_is_a_command_and_every_preset_takes_its_settings() -> Result<()> {
        let steps = quick()?;
        for step in &steps {
            let arguments = step.arguments(Path::new("place"));
            let line = std::iter::once("lab".to_string()).chain(arguments.clone());
            let parsed = Cli::try_parse_from(line).map(drop).map_err(|error| error.to_string());
            assert_eq!(parsed, Ok(()), "{}", step.name);
            assert!(
                !arguments.iter().any(|argument| argument.contains(PLACE)),
                "{}",
                step.name
            );
            if arguments[0] == "experiment" {
                let settings = arguments.windows(2).filter(|pair| pair[0] == "--set");
                let settings: Vec<String> = settings.map(|pair| pair[1].clone()).collect();
                resolve(&Preset::find(&arguments[1])?, &settings, None)?;
                assert!(arguments.contains(&"--resume".to_string()), "{}", step.name);
            }
        }
        // Runs that later steps look at are those that earlier ones have trained.
        let made: Vec<String> = steps
            .iter()
            .flat_map(|step| step.arguments(Path::new("place")))
            .collect();
        for run in ["place/power-quick", "place/toy-8gaussians-fast", "place/digits-quick"] {
            let first = made.iter().position(|argument| argument == run);
            assert!(first.is_some_and(|first| made[first - 1] == "--out"), "{run}");
        }
        Ok(())
    }

    #[test]
    fn lists_that_cannot_be_run_are_refused() {
        let step = "[[steps]]\nname = \"a\"\nabout = \"b\"\narguments = [\"reproduce\"]\n";
        let of =
            |text: &str| read(text, Path::new("mine.toml")).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(of(step).contains("anew"), "{}", of(step));
        let runs = step.replace("reproduce", "runs");
        assert_eq!(of(&runs), "");
        assert!(of(&runs.repeat(2)).contains("two steps are named `a`"));
        assert!(of("[[steps]]\nname = 3\n").contains("mine.toml"));
    }
}
