//! One run of cargo: its command line, built without side effects, and running it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::error::XtaskError;

/// A cargo command line, the folder in which it runs and the variables that are set for it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) folder: PathBuf,
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Invocation {
    pub(crate) fn new<A: Into<OsString>>(folder: &Path, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self {
            arguments,
            folder: folder.to_path_buf(),
            variables: Vec::new(),
        }
    }

    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs cargo to its end, however often Ctrl-C is pressed meanwhile, and returns its exit code.
    ///
    /// Ctrl-C reaches every process in the terminal's foreground: the command stops in its own time (a training saves
    /// first), and xtask waits for it.
    pub(crate) fn run(&self) -> Result<u8, XtaskError> {
        // The cargo that started xtask says where it is; it may be another toolchain's than the one on the PATH.
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(&program);
        command
            .args(&self.arguments)
            .current_dir(&self.folder)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut child = command
            .spawn()
            .map_err(|source| XtaskError::Start { program, source })?;
        Ok(exit_code(child.wait().map_err(XtaskError::Wait)?))
    }

    /// The command line as a person would type it.
    pub(crate) fn display(&self) -> String {
        let variables = self
            .variables
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\" "));
        let arguments = self.arguments.iter().map(|argument| format!(" {}", argument.display()));
        variables.chain(["cargo".to_owned()]).chain(arguments).collect()
    }
}

/// The workspace that this xtask was built from.
pub(crate) fn workspace_root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Lets Ctrl-C pass by xtask; processes that it starts still receive it.
pub(crate) fn ignore_interrupts() -> Result<(), XtaskError> {
    Ok(ctrlc::set_handler(|| {})?)
}

/// The code to pass on; as shells do, 128 plus the signal for a process that a signal ended.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_workspace() {
        assert!(workspace_root().join("Cargo.lock").is_file());
    }

    #[cfg(unix)]
    #[test]
    fn exit_codes_and_signals_are_passed_on() {
        use std::os::unix::process::ExitStatusExt;
        for (raw, code) in [(0, 0), (1 << 8, 1), (101 << 8, 101), (2, 130), (9, 137)] {
            assert_eq!(exit_code(ExitStatus::from_raw(raw)), code);
        }
    }

    #[test]
    fn a_command_line_is_shown_with_its_variables() {
        let invocation = Invocation::new(Path::new("."), ["doc", "--no-deps"]).variable("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(invocation.display(), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps");
    }
}
