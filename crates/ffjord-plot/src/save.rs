//! Writing a file so that a reader sees either the old one or the whole new one.

use std::io::Write;
use std::path::Path;

use crate::PlotError;

/// Writes `bytes` to a temporary name in the same folder, syncs it and renames it onto `path`.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), PlotError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let write = || -> std::io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".ffjord-plot-").suffix(".tmp");
        // tempfile's default of 0600 would make pictures unreadable to everybody else.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o644));
        }
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source| PlotError::Write {
        path: path.to_path_buf(),
        source,
    })
}
