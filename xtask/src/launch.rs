//! `cargo xtask launch` and `mpi`: the laboratory in several processes.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsString;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use clap::Args;

use crate::error::XtaskError;
use crate::invocation::{Invocation, exit_code, workspace_root};
use crate::lab::PACKAGE;

/// What rayon, which the laboratory's threads belong to, takes the number of threads from.
const THREADS: &str = "RAYON_NUM_THREADS";

/// How many processes, and what they run.
#[derive(Args, Debug)]
pub(crate) struct Launch {
    /// The number of processes on this machine
    #[arg(short = 'n', long, value_name = "N")]
    processes: NonZeroUsize,
    /// The threads of each process (default: its share of the machine's cores)
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The laboratory's command and its arguments, for example `-- experiment power-quick --set training.shards=8`
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

impl Launch {
    /// Builds the laboratory if needed and runs it in several processes; the result is the exit code of the first that
    /// failed.
    pub(crate) fn run(&self) -> Result<u8, XtaskError> {
        let built = build(workspace_root()).run()?;
        if built != 0 {
            return Ok(built);
        }
        let program = program()?;
        // The port is free again when the listener is gone, and the first process takes it.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = address.map_err(XtaskError::Port)?.to_string();
        let count = self.processes.get();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or((cores / count).max(1), usize::from);
        let mut children = Vec::with_capacity(count);
        for rank in 0..count {
            let mut command = Command::new(&program);
            command
                .args(self.arguments(rank, &address))
                .env(THREADS, threads.to_string());
            // Those that are started already wait for this one in vain, and end by their time limit.
            let child = command.spawn().map_err(|source| XtaskError::Start {
                program: program.clone().into_os_string(),
                source,
            })?;
            children.push(child);
        }
        wait(children)
    }

    /// The arguments of one process: the command's, and how it finds the others.
    fn arguments(&self, rank: usize, address: &str) -> Vec<OsString> {
        let (rank, ranks) = (rank.to_string(), self.processes.to_string());
        let together = ["--meet", address, "--rank", &rank, "--ranks", &ranks].map(OsString::from);
        self.command.iter().cloned().chain(together).collect()
    }
}

/// The exit code of the first process, by number, that did not succeed.
fn wait(children: Vec<Child>) -> Result<u8, XtaskError> {
    let mut code = 0;
    for mut child in children {
        let ended = exit_code(child.wait().map_err(XtaskError::Wait)?);
        code = if code == 0 { ended } else { code };
    }
    Ok(code)
}

fn build(root: &Path) -> Invocation {
    Invocation::new(root, ["build", "--release", "--quiet", "--package", PACKAGE])
}

/// The laboratory beside this program, in `release` of the target folder that holds xtask itself.
fn program() -> Result<PathBuf, XtaskError> {
    let own = std::env::current_exe().map_err(XtaskError::OwnPlace)?;
    let target = own.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    Ok(target.join("release").join(format!("{PACKAGE}{EXE_SUFFIX}")))
}

/// Builds the program with MPI if needed and runs it, as one of the processes that `mpirun` or `srun` has started.
pub(crate) fn mpi(arguments: &[OsString]) -> Result<u8, XtaskError> {
    let folder = std::env::current_dir().map_err(XtaskError::CurrentFolder)?;
    mpi_invocation(workspace_root(), &folder, arguments).run()
}

fn mpi_invocation(root: &Path, folder: &Path, arguments: &[OsString]) -> Invocation {
    let mut line: Vec<OsString> = ["run", "--release", "--quiet"].map(OsString::from).into();
    line.extend([
        "--manifest-path".into(),
        root.join("crates/ffjord-mpi/Cargo.toml").into(),
    ]);
    line.extend(["--target-dir".into(), root.join("target/mpi").into(), "--".into()]);
    line.extend_from_slice(arguments);
    Invocation::new(folder, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_where_the_others_are() {
        let launch = Launch {
            processes: NonZeroUsize::MIN.saturating_add(2),
            threads: None,
            command: ["experiment", "toy-moons", "--set", "training.shards=4"]
                .map(OsString::from)
                .into(),
        };
        let arguments = launch.arguments(1, "127.0.0.1:4000");
        let line: Vec<_> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
        assert_eq!(
            line.join(" "),
            "experiment toy-moons --set training.shards=4 --meet 127.0.0.1:4000 --rank 1 --ranks 3"
        );
    }

    #[test]
    fn the_program_with_mpi_is_a_workspace_and_a_folder_of_its_own() {
        let line = mpi_invocation(Path::new("/house"), Path::new("/elsewhere"), &["experiment".into()]);
        assert_eq!(line.folder, Path::new("/elsewhere"));
        assert_eq!(
            line.display(),
            "cargo run --release --quiet --manifest-path /house/crates/ffjord-mpi/Cargo.toml --target-dir \
             /house/target/mpi -- experiment"
        );
        assert!(workspace_root().join("crates/ffjord-mpi/Cargo.toml").is_file());
    }

    #[cfg(unix)]
    #[test]
    fn the_first_failure_is_the_exit_code() {
        let children = [0, 3, 130].map(|code| {
            Command::new("sh")
                .args(["-c", &format!("exit {code}")])
                .spawn()
                .unwrap()
        });
        assert_eq!(wait(children.into()).unwrap(), 3);
    }
}
