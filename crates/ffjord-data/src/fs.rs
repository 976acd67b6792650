//! Files that are read whole, or a line at a time, plain or gzip-compressed.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use crate::DataError;

/// Opens a text file for buffered reading, decompressing it on the fly if it starts with gzip's magic bytes.
///
/// ```
/// use std::io::BufRead;
/// use ffjord_data::fs::open_text;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("lines.txt");
/// std::fs::write(&path, "1 2\n3 4\n")?;
/// let lines = open_text(&path)?.lines().collect::<Result<Vec<String>, _>>()?;
/// assert_eq!(lines, ["1 2", "3 4"]);
/// let missing = open_text("no/such/file".as_ref()).map(drop).unwrap_err().to_string();
/// assert!(missing.starts_with("cannot open no/such/file"), "{missing}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    use std::io::Write;

    use super::*;

    #[test]
    fn gzip_is_recognised_by_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any-name");
        ffjord_files::write_atomic_with(&path, |file| {
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
