//! Commands that the laboratory binary carries out: built in release mode, started where the user stands.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsString;
use std::path::Path;

use crate::error::XtaskError;
use crate::invocation::{Invocation, workspace_root};

/// The package of the laboratory.
pub(crate) const PACKAGE: &str = "ffjord-lab";

/// Builds the laboratory if needed and runs one of its subcommands; the result is its exit code.
pub(crate) fn run(subcommand: &str, arguments: &[OsString]) -> Result<u8, XtaskError> {
    let folder = std::env::current_dir().map_err(XtaskError::CurrentFolder)?;
    let built = is_built();
    if !built {
        eprintln!("Building {PACKAGE} in release mode; a first build takes some minutes.");
    }
    invocation(workspace_root(), &folder, subcommand, arguments, built).run()
}

/// The command line; relative paths among the arguments keep their meaning because cargo runs in the user's `folder`.
fn invocation(root: &Path, folder: &Path, subcommand: &str, arguments: &[OsString], quiet: bool) -> Invocation {
    let mut line: Vec<OsString> = vec!["run".into(), "--release".into()];
    if quiet {
        line.push("--quiet".into());
    }
    line.extend(["--manifest-path".into(), root.join("Cargo.toml").into_os_string()]);
    line.extend(["--package", PACKAGE, "--", subcommand].map(OsString::from));
    line.extend_from_slice(arguments);
    Invocation::new(folder, line)
}

/// True if a laboratory lies beside this program, in `release` of the target folder that holds xtask itself.
fn is_built() -> bool {
    let Ok(own) = std::env::current_exe() else { return false };
    let target = own.parent().and_then(Path::parent);
    target.is_some_and(|target| target.join("release").join(format!("{PACKAGE}{EXE_SUFFIX}")).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_follow_the_subcommand_and_the_user_stays_where_they_are() {
        let arguments = ["toy-moons", "--out", "../here", "--", "-x"].map(OsString::from);
        let line = invocation(
            Path::new("/house"),
            Path::new("/elsewhere"),
            "experiment",
            &arguments,
            true,
        );
        assert_eq!(line.folder, Path::new("/elsewhere"));
        let manifest = Path::new("/house").join("Cargo.toml");
        assert_eq!(
            line.display(),
            format!(
                "cargo run --release --quiet --manifest-path {} --package ffjord-lab -- \
                 experiment toy-moons --out ../here -- -x",
                manifest.display()
            )
        );
    }

    #[test]
    fn a_first_build_shows_its_progress() {
        let line = invocation(Path::new("/house"), Path::new("/house"), "plot", &[], false);
        assert!(!line.arguments.contains(&"--quiet".into()));
        assert_eq!(line.arguments.last(), Some(&"plot".into()));
    }
}
