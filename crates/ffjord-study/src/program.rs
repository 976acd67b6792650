//! The program as a child process in a folder of its own.

use crate::error::{Result, StudyError};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A process that takes longer than this is taken for one that would never end.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks at a process.
const PAUSE: Duration = Duration::from_millis(2);
/// Exit codes that the program documents: success, a refusal, rows without a likelihood, Ctrl-C.
const ORDERLY: [i32; 4] = [0, 1, 3, 130];

/// A temporary folder that the program is started in.
pub(crate) struct Place {
    program: PathBuf,
    folder: TempDir,
}

impl Place {
    pub(crate) fn new(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(StudyError::io("create", Path::new("a temporary folder")))?;
        Ok(Self {
            program: program.to_path_buf(),
            folder,
        })
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<()> {
        let path = self.path(name);
        fs::write(&path, contents).map_err(StudyError::io("write", &path))
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Result<Vec<u8>> {
        let path = self.path(name);
        fs::read(&path).map_err(StudyError::io("read", &path))
    }

    /// The bytes of a file, if it can be read.
    pub(crate) fn bytes(&self, name: impl AsRef<Path>) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    pub(crate) fn remove(&self, name: impl AsRef<Path>) -> Result<()> {
        let path = self.path(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StudyError::io("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[String]) -> Result<Running> {
        self.begin(Command::new(&self.program), arguments)
    }

    /// Starts the program with one thread.
    pub(crate) fn start_with_one_thread(&self, arguments: &[String]) -> Result<Running> {
        let mut command = Command::new(&self.program);
        command.env("RAYON_NUM_THREADS", "1");
        self.begin(command, arguments)
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[String]) -> Result<Ended> {
        self.start(arguments)?.wait()
    }

    /// Runs the program by a script of `sh`, whose `"$@"` it is.
    pub(crate) fn run_by(&self, script: &str, arguments: &[String]) -> Result<Ended> {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(&self.program);
        self.begin(command, arguments)?.wait()
    }

    /// Runs the program, which has to succeed for a check to mean anything.
    pub(crate) fn succeed(&self, arguments: &[String]) -> Result<Ended> {
        self.run(arguments)?.require_success(arguments)
    }

    fn begin(&self, mut command: Command, arguments: &[String]) -> Result<Running> {
        // Pipes that nobody reads would stop the program once they are full.
        let log = |stream: &str| tempfile::NamedTempFile::with_prefix_in(stream, self.folder.path());
        let logs = log("said-").and_then(|said| Ok((said, log("told-")?)));
        let (said, told) = logs.map_err(StudyError::io("create files in", self.folder.path()))?;
        let again = |file: &File| file.try_clone().map_err(StudyError::io("open", self.folder.path()));
        let child = command
            .args(arguments.iter().map(OsString::from))
            .current_dir(self.folder.path())
            // A backtrace is for those who ask for one.
            .env_remove("RUST_BACKTRACE")
            .stdin(std::process::Stdio::null())
            .stdout(again(said.as_file())?)
            .stderr(again(told.as_file())?)
            .spawn()
            .map_err(StudyError::io("run", &self.program))?;
        Ok(Running {
            child,
            said,
            told,
            peak_kib: None,
            clock: Instant::now(),
        })
    }
}

/// A process that runs; it is ended when this is dropped.
pub(crate) struct Running {
    child: Child,
    said: tempfile::NamedTempFile,
    told: tempfile::NamedTempFile,
    peak_kib: Option<u64>,
    clock: Instant,
}

impl Running {
    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        let status = self.child.try_wait();
        Ok(status
            .map_err(StudyError::io("wait for", Path::new("the program")))?
            .is_some())
    }

    /// Waits until `condition` holds, or the process ends.
    pub(crate) fn wait_until(&mut self, condition: impl Fn() -> bool) -> Result<()> {
        while !condition() && !self.has_ended()? && self.clock.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Ends it at once, as `kill -9` does; nothing of its own is run any more.
    pub(crate) fn kill(mut self) -> Result<()> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed
            .map(drop)
            .map_err(StudyError::io("end", Path::new("the program")))
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Result<Ended> {
        let mut hung = false;
        let status = loop {
            self.watch_memory();
            let status = self.child.try_wait();
            if let Some(status) = status.map_err(StudyError::io("wait for", Path::new("the program")))? {
                break status;
            }
            if self.clock.elapsed() > PATIENCE && !hung {
                hung = true;
                self.child
                    .kill()
                    .map_err(StudyError::io("end", Path::new("the program")))?;
            }
            std::thread::sleep(PAUSE);
        };
        let text = |file: &tempfile::NamedTempFile| {
            let bytes = fs::read(file.path()).map_err(StudyError::io("read", file.path()))?;
            Ok::<_, StudyError>(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Ended {
            code: status.code(),
            said: text(&self.said)?,
            told: text(&self.told)?,
            hung,
            peak_kib: self.peak_kib,
            seconds: self.clock.elapsed().as_secs_f64(),
        })
    }

    /// Keeps the largest resident memory so far, where the system tells (Linux).
    fn watch_memory(&mut self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let mark = status.ok().and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().strip_suffix("kB")?.trim().parse().ok()
        });
        self.peak_kib = self.peak_kib.max(mark);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// Its exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) said: String,
    /// Its standard error.
    pub(crate) told: String,
    hung: bool,
    /// The largest resident memory that was seen.
    pub(crate) peak_kib: Option<u64>,
    /// Seconds from start to end.
    pub(crate) seconds: f64,
}

impl Ended {
    /// What was not in order about its end: a signal, a panic, an exit code that is not documented, a failure without a word.
    pub(crate) fn fault(&self) -> Option<String> {
        let wordless = self.code == Some(1) && !self.told.lines().any(|line| line.starts_with("error: "));
        let orderly = self.code.is_some_and(|code| ORDERLY.contains(&code));
        let panicked = self.told.contains("panicked at") || self.said.contains("panicked at");
        (self.hung || !orderly || panicked || wordless).then(|| self.described())
    }

    /// Fails where the program did.
    pub(crate) fn require_success(self, arguments: &[String]) -> Result<Self> {
        match self.code {
            Some(0) => Ok(self),
            _ => Err(StudyError::Program {
                arguments: arguments.join(" "),
                reason: self.described(),
            }),
        }
    }

    /// Its end and its last words.
    pub(crate) fn described(&self) -> String {
        let end = match (self.hung, self.code) {
            (true, _) => "it did not end".to_string(),
            (false, Some(code)) => format!("exit code {code}"),
            (false, None) => "it was ended by a signal".to_string(),
        };
        let last = self.told.lines().rev().find(|line| !line.trim().is_empty());
        format!("{end}: {}", last.unwrap_or("without a word"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn ended(script: &str) -> Result<Ended> {
        let arguments = ["-c", script].map(String::from);
        Place::new(Path::new("sh"))?.run(&arguments)
    }

    #[test]
    fn refusals_are_in_order_and_crashes_are_not() -> Result<()> {
        for script in ["exit 0", "echo 'error: no' >&2; exit 1", "exit 3"] {
            assert_eq!(ended(script)?.fault(), None, "{script}");
        }
        for script in [
            "exit 1",
            "kill -9 $$",
            "exit 101",
            "echo \"thread 'main' panicked at\" >&2",
        ] {
            assert!(ended(script)?.fault().is_some(), "{script}");
        }
        Ok(())
    }

    #[test]
    fn a_wrapper_is_handed_the_program_and_its_arguments() -> Result<()> {
        let place = Place::new(Path::new("echo"))?;
        let ended = place.run_by("exec \"$@\"", &["a b".to_string(), "c".to_string()])?;
        assert_eq!(ended.said, "a b c\n");
        Ok(())
    }
}
