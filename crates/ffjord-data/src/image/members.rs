//! The publishers' files of a set: their names, and where they lie.

use super::{ImageError, ImageSet};
use crate::{DataError, fs};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A file's name and its contents.
pub(super) type Member = (String, Vec<u8>);

/// More than any file of a set; bounds what an archive can make us hold.
const MAX_MEMBER: u64 = 1 << 31;

impl ImageSet {
    /// The files at a path, or of a set that needs none.
    pub(super) fn members(self, path: Option<&Path>) -> Result<Vec<Member>, DataError> {
        match (self, path) {
            (Self::Digits, _) => Ok(Vec::new()),
            (_, Some(path)) => self.gather(path),
            (_, None) => Err(self.missing(Path::new("."), self.alternatives()[0][0]).into()),
        }
    }

    /// The names of the publisher's files, one list for each way to have all images; texts and files of the idx format may
    /// also be gzip-compressed.
    pub(super) fn alternatives(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Digits => &[&[]],
            Self::Mnist | Self::FashionMnist => &[&["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"]],
            Self::Cifar10 => &[&[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
                "test_batch.bin",
            ]],
            Self::Svhn => &[&["train_32x32.mat", "test_32x32.mat"]],
            Self::BinarizedMnist => &[&[
                "binarized_mnist_train.amat",
                "binarized_mnist_valid.amat",
                "binarized_mnist_test.amat",
            ]],
            Self::Omniglot => &[&["chardata.mat"]],
            Self::FreyFaces => &[&["freyfaces.pkl"], &["frey_rawface.mat"]],
            Self::Caltech101Silhouettes => &[&["caltech101_silhouettes_28_split1.mat"]],
        }
    }

    /// All names of the publisher's files.
    pub(super) fn files(self) -> impl Iterator<Item = &'static str> {
        self.alternatives().iter().flat_map(|files| files.iter().copied())
    }

    pub(super) fn missing(self, path: &Path, missing: &'static str) -> ImageError {
        let name = self.name();
        ImageError::Missing {
            name,
            missing,
            path: path.to_path_buf(),
            remedy: format!("fetch it with `cargo xtask data fetch {name}`, or `data import {name} --from FOLDER`"),
        }
    }

    /// Whether a file of this name is one of the set's, and under which name.
    pub(super) fn known(self, name: &str) -> Option<&'static str> {
        let stem = name.strip_suffix(".gz").unwrap_or(name);
        self.files().find(|known| *known == stem)
    }

    /// The publisher's files at a path: a folder, an archive, or the only file that a set needs.
    pub(super) fn gather(self, path: &Path) -> Result<Vec<Member>, DataError> {
        let single = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|_| path.is_file());
        let found = match single {
            Some(name) if self.known(name).is_some() => vec![(name.to_string(), fs::read(path)?)],
            Some(_) => self.unpack(path)?,
            None => self.in_folder(path)?,
        };
        let absent = |files: &&[&'static str]| {
            let has = |known: &str| found.iter().any(|(name, _)| self.known(name) == Some(known));
            files.iter().copied().find(|known| !has(known))
        };
        let complete = self.alternatives().iter().find(|files| absent(files).is_none());
        match complete {
            Some(files) => {
                let needed = |name: &str| self.known(name).is_some_and(|known| files.contains(&known));
                Ok(found.into_iter().filter(|(name, _)| needed(name)).collect())
            }
            None => {
                // Of several ways the one that is said first is the published one.
                let missing = absent(&self.alternatives()[0]).unwrap_or_default();
                Err(self.missing(path, missing).into())
            }
        }
    }

    fn in_folder(self, folder: &Path) -> Result<Vec<Member>, DataError> {
        let mut found = Vec::new();
        for known in self.files() {
            let names = [known.to_string(), format!("{known}.gz")];
            let places = [folder.to_path_buf(), folder.join("cifar-10-batches-bin")];
            let candidates = places
                .iter()
                .flat_map(|place| names.iter().map(move |name| (place.join(name), name)));
            if let Some((path, name)) = candidates.into_iter().find(|(path, _): &(PathBuf, _)| path.is_file()) {
                found.push((name.clone(), fs::read(&path)?));
            }
        }
        Ok(found)
    }

    /// The set's files in a `.tar` or `.tar.gz` archive.
    fn unpack(self, archive: &Path) -> Result<Vec<Member>, DataError> {
        let file = File::open(archive).map_err(|source| DataError::Io {
            action: "open",
            path: archive.to_path_buf(),
            source,
        })?;
        let reader = BufReader::new(file);
        let plain = archive.extension().is_some_and(|ending| ending == "tar");
        let members = match plain {
            true => self.archived(reader),
            false => self.archived(MultiGzDecoder::new(reader)),
        };
        members.map_err(|error| {
            ImageError::File {
                path: archive.to_path_buf(),
                reason: format!("it is no archive that can be read: {error}; give the archive or a folder"),
            }
            .into()
        })
    }

    fn archived(self, reader: impl Read) -> std::io::Result<Vec<Member>> {
        let mut found = Vec::new();
        for entry in tar::Archive::new(reader).entries()? {
            let entry = entry?;
            let path = entry.path()?.into_owned();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if entry.header().entry_type().is_file() && self.known(name).is_some() {
                let mut contents = Vec::new();
                entry.take(MAX_MEMBER).read_to_end(&mut contents)?;
                found.push((name.to_string(), contents));
            }
        }
        Ok(found)
    }
}
