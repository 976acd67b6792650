//! Places in the workspace that the program was built in.

use std::path::{Path, PathBuf};

/// Its root.
pub fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.unwrap_or(Path::new("."))
}

/// Where fetched data are kept unless another place is given: a folder that git ignores.
pub fn default_cache() -> PathBuf {
    root().join("datasets/cache")
}
