//! Telling an output from the inputs.

use std::{fs, path::Path};

use crate::FileError;

/// Refuses to write to a file that is also read, whatever names and links lead to it.
///
/// An output that does not exist yet is no input. Devices and pipes may be both: reading from a terminal and writing to
/// it loses nothing.
///
/// # Errors
/// [`FileError::SameFile`] with the first input that is the same file as `output`.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let table = folder.path().join("table.csv");
/// std::fs::write(&table, "1,2\n")?;
/// let again = folder.path().join(".").join("table.csv");
/// assert!(ffjord_files::refuse_same_file(&again, [&table]).is_err());
/// ffjord_files::refuse_same_file(folder.path().join("other.csv"), [&table])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn refuse_same_file<P: AsRef<Path>>(
    output: impl AsRef<Path>,
    inputs: impl IntoIterator<Item = P>,
) -> Result<(), FileError> {
    let output = output.as_ref();
    for input in inputs {
        let input = input.as_ref();
        if is_same_file(output, input) {
            return Err(FileError::SameFile {
                output: output.to_owned(),
                input: input.to_owned(),
            });
        }
    }
    Ok(())
}

/// Whether both paths name one regular file; what cannot be looked at cannot be read either, which has its own error.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let (Ok(of_one), Ok(of_other)) = (one.metadata(), other.metadata()) else {
        return false;
    };
    of_one.is_file() && of_other.is_file() && {
        #[cfg(unix)]
        let same = identity(&of_one) == identity(&of_other);
        #[cfg(not(unix))]
        let same = false;
        same || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
    }
}

/// What a file is, whatever its name: its device and its number there.
#[cfg(unix)]
pub(crate) fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}
