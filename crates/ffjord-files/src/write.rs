//! Writing a file whole, or not at all.

use std::{
    ffi::OsString,
    fs::{File, Metadata},
    io::{self, BufWriter, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use crate::{
    FileError,
    place::{Place, folder_of},
};

/// Writes a file so that a reader finds its old content or all of `content`, never a part.
///
/// The content goes to a temporary file in the same folder, which is synced and renamed; then the folder is synced. A
/// symbolic link stays, and its target is written; permissions of an existing file are kept; a device or a pipe is
/// written through.
///
/// # Errors
/// Those of [`write_atomic_with`].
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("result.json");
/// ffjord_files::write_atomic(&path, "{}")?;
/// assert_eq!(std::fs::read(&path)?, b"{}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_atomic(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<(), FileError> {
    write_atomic_with(path, |file| file.write_all(content.as_ref()))
}

/// Writes a file as [`write_atomic`] does, from a function that is handed a buffered writer.
///
/// # Errors
/// [`FileError::Write`] if the folder is missing, the folder or the file cannot be written, or `write` fails; the file
/// is then unchanged. [`FileError::Folder`] and [`FileError::EmptyPath`] for what is no name of a file.
/// [`FileError::Sync`] if the file is written but might not outlast a power cut. [`FileError::WriteThrough`] if a
/// device or a pipe fails: it may then have taken a part.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("squares.txt");
/// ffjord_files::write_atomic_with(&path, |file| {
///     for number in 1..=3 {
///         writeln!(file, "{}", number * number)?;
///     }
///     Ok(())
/// })?;
/// assert_eq!(std::fs::read_to_string(&path)?, "1\n4\n9\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_atomic_with(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    let given = path.as_ref();
    match Place::of(given)? {
        Place::Stream => write_through(given, write).map_err(|source| FileError::WriteThrough {
            path: given.to_owned(),
            source,
        }),
        Place::File { path, existing } => {
            replace(&path, existing.as_ref(), write).map_err(|source| FileError::Write {
                path: given.to_owned(),
                source,
            })?;
            sync_folder(folder_of(&path)).map_err(|source| FileError::Sync {
                path: given.to_owned(),
                source,
            })
        }
    }
}

fn replace(
    path: &Path,
    existing: Option<&Metadata>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if existing.is_some() {
        // A rename asks for the folder's permission only; a file that its owner has made read-only is to stay.
        File::options().write(true).open(path)?;
    }
    let temporary = new_temporary(path)?;
    if let Some(existing) = existing {
        // Before the content is written: others may not be allowed to read it.
        keep_access(temporary.as_file(), existing)?;
    }
    fill(temporary.as_file(), write)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

fn fill(file: &File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut buffered = BufWriter::new(file);
    write(&mut buffered)?;
    buffered.flush()
}

/// A new file in the folder of `path`, with a name of its own, so that two programs that write the same file do not
/// mix.
fn new_temporary(path: &Path) -> io::Result<NamedTempFile> {
    let mut prefix = OsString::from(".");
    // The name says what was being written; one that leaves no room for what is added to it does not.
    if let Some(name) = path.file_name().filter(|name| name.len() <= LONGEST_NAME) {
        prefix.push(name);
    }
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(RANDOM_LETTERS);
    // Temporary files are private by default; what gets its final name must have a new file's usual access.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder_of(path))
}

/// Systems allow 255 bytes.
const LONGEST_NAME: usize = 200;
const RANDOM_LETTERS: usize = 6;
const SUFFIX: &str = ".tmp";

/// The name of the file that was being written, if `name` is that of a temporary file of this crate.
///
/// A write that the machine or a signal interrupts leaves such a file behind; whoever owns the folder may delete it.
///
/// ```
/// use ffjord_files::name_of_unfinished;
///
/// assert_eq!(name_of_unfinished(".result.json.x7Qa2b.tmp"), Some("result.json"));
/// assert_eq!(name_of_unfinished("result.json"), None);
/// ```
pub fn name_of_unfinished(name: &str) -> Option<&str> {
    let (name, letters) = name.strip_prefix('.')?.strip_suffix(SUFFIX)?.rsplit_once('.')?;
    let is_random = letters.len() == RANDOM_LETTERS && letters.bytes().all(|letter| letter.is_ascii_alphanumeric());
    is_random.then_some(name)
}

/// Gives a new file the owner and the permissions of the one that it replaces.
fn keep_access(file: &File, existing: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (existing.uid(), existing.gid()) {
            // Only the administrator may give files away: everybody else's new file is their own.
            let _ = fchown(file, Some(existing.uid()), Some(existing.gid()));
        }
    }
    file.set_permissions(existing.permissions())
}

fn write_through(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // What the program has printed so far comes first if this is the same terminal, pipe or file.
    io::stdout().flush()?;
    let file = match own_descriptor(path)? {
        Some(file) => file,
        None => File::options().append(true).open(path)?,
    };
    fill(&file, write)
}

/// The program's own output, if `path` names it; opened anew, a file behind it would be written from its start.
#[cfg(unix)]
fn own_descriptor(path: &Path) -> io::Result<Option<File>> {
    use crate::same_file::identity;
    use std::os::fd::AsFd;

    let wanted = identity(&path.metadata()?);
    for descriptor in [
        io::stdout().as_fd().try_clone_to_owned()?,
        io::stderr().as_fd().try_clone_to_owned()?,
    ] {
        let file = File::from(descriptor);
        if identity(&file.metadata()?) == wanted {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

#[cfg(not(unix))]
fn own_descriptor(_path: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// Makes a rename last; elsewhere than on Unix folders cannot be synced, and renames last by themselves.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems have nothing to sync in a folder, and say so in this way.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
