//! Files: complete or absent when written, plain or gzip-compressed when read.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use tempfile::Builder;

use crate::DataError;

/// Writes a file so that readers see the old content or the whole new one, never a part.
///
/// `write` fills a temporary file in the same folder, which is then synchronised to the disk and renamed to `path`.
///
/// # Errors
/// [`DataError::Io`] if the folder does not exist or cannot be written; `path` is then unchanged.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("note.txt");
/// ffjord_data::fs::write_atomic(&path, |file| file.write_all(b"done"))?;
/// assert_eq!(std::fs::read(&path)?, b"done");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), DataError> {
    let attempt = || -> io::Result<()> {
        // The parent of a bare file name is the empty path, which does not name the current folder.
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let temporary = temporary_builder().tempfile_in(folder)?;
        let mut buffered = BufWriter::new(temporary.as_file());
        write(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        Ok(())
    };
    attempt().map_err(|source| DataError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

/// Temporary files are private by default; what is renamed to its final name must have a new file's usual access.
fn temporary_builder() -> Builder<'static, 'static> {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

/// Opens a text file for buffered reading, decompressing it on the fly if it starts with gzip's magic bytes.
///
/// # Errors
/// [`DataError::Io`] if the file cannot be opened or read. Damaged compressed data and a line longer than a mebibyte
/// show as errors of the reader.
pub fn open_text(path: &Path) -> Result<impl BufRead, DataError> {
    let failed = |action| {
        move |source| DataError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let mut file = BufReader::new(File::open(path).map_err(failed("open"))?);
    let gzip = file.fill_buf().map_err(failed("read"))?.starts_with(&[0x1f, 0x8b]);
    let plain: Box<dyn Read> = if gzip {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    Ok(BufReader::new(LineLimit {
        reader: plain,
        line_bytes: 0,
    }))
}

/// A line beyond this is no row of numbers; without a bound a damaged file would be read into memory whole.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Fails on a line that is too long, before it is all in memory.
struct LineLimit<R> {
    reader: R,
    line_bytes: usize,
}

impl<R: Read> Read for LineLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        match buffer[..count].iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => self.line_bytes = count - newline - 1,
            None => self.line_bytes += count,
        }
        if self.line_bytes > MAX_LINE_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a line is longer than {MAX_LINE_BYTES} bytes, which no row of numbers is"),
            ));
        }
        Ok(count)
    }
}

/// Reads a whole file.
///
/// # Errors
/// [`DataError::Io`] if the file cannot be opened or read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let failed = |action| {
        move |source| DataError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(failed("open"))?
        .read_to_end(&mut bytes)
        .map_err(failed("read"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        write_atomic(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write_atomic(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(matches!(failed, Err(DataError::Io { action: "write", .. })));
        assert_eq!(read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn gzip_is_recognised_by_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any-name");
        write_atomic(&path, |file| {
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            encoder.write_all(b"a line\n")?;
            encoder.finish().map(drop)
        })
        .unwrap();
        let mut text = String::new();
        open_text(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "a line\n");
    }
}
