//! `ffjord-mpi`: the program, as one of the processes that `mpirun` or `srun` has started.
#![forbid(unsafe_code)]

use ffjord_mpi::MpiCommunicator;
use ffjord_train::Communicator;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// How long a process may stay silent while another waits for it.
const LIMIT: Duration = Duration::from_secs(600);
/// How long another process than the first waits after a failure: the first one may have to tell of the same.
const GRACE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let communicator = match MpiCommunicator::start(LIMIT) {
        Ok(communicator) => communicator,
        Err(error) => {
            // Where nobody can hear it the exit code still says it.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = ffjord_lab::run(&communicator);
    if code == ExitCode::FAILURE && communicator.size() > 1 {
        // To end MPI in order all processes must come, and some may wait for this one.
        if communicator.rank() > 0 {
            std::thread::sleep(GRACE);
        }
        communicator.abort();
    }
    code
}
