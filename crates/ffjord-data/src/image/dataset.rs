//! The sets of images that have a name.

use super::{ImageError, Images, idx, matlab};
use crate::{DataError, fs, manifest::Manifest};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A published set of images.
///
/// ```
/// use ffjord_data::image::ImageSet;
///
/// let digits: ImageSet = "digits".parse()?;
/// let splits = digits.load(None)?;
/// assert_eq!((splits.train.len(), splits.validation.len(), splits.test.len()), (1_297, 200, 300));
/// assert_eq!((splits.train.shape(), splits.train.levels()), ([1, 8, 8], 17));
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageSet {
    /// Handwritten digits of 8 × 8 pixels with 17 levels, which come with the program.
    Digits,
    /// Handwritten digits of 28 × 28 pixels.
    Mnist,
    /// Clothes of 28 × 28 pixels.
    FashionMnist,
    /// Things and animals of 3 × 32 × 32 pixels.
    Cifar10,
    /// House numbers of 3 × 32 × 32 pixels.
    Svhn,
}

/// Images for training, for validation and for testing.
#[derive(Debug, Clone)]
pub struct ImageSplits {
    /// For training.
    pub train: Images,
    /// The last of the published training images.
    pub validation: Images,
    /// All published test images.
    pub test: Images,
}

/// A file's name and its contents.
pub(super) type Member = (String, Vec<u8>);

const DIGITS: &[u8] = include_bytes!("../../datasets/digits/images-idx3-ubyte.gz");
/// The label, and the pixels of an image of CIFAR-10.
const CIFAR_RECORD: usize = 1 + 3072;
/// More than any file of a set; bounds what an archive can make us hold.
const MAX_MEMBER: u64 = 1 << 31;
/// How far moments may be from the manifest's, which are rounded.
const MOMENT_TOLERANCE: f64 = 2e-4;

impl ImageSet {
    /// All sets.
    pub const ALL: [Self; 5] = [Self::Digits, Self::Mnist, Self::FashionMnist, Self::Cifar10, Self::Svhn];

    /// Its name on command lines and in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Svhn => "svhn",
        }
    }

    /// What is known about it: origin, licence, files, and what its images must show.
    ///
    /// # Errors
    /// [`DataError::Manifest`] if the program was built with a damaged manifest.
    pub fn manifest(self) -> Result<Manifest, DataError> {
        Ok(Manifest::from_json(match self {
            Self::Digits => include_str!("../../datasets/digits/manifest.json"),
            Self::Mnist => include_str!("../../datasets/mnist/manifest.json"),
            Self::FashionMnist => include_str!("../../datasets/fashion-mnist/manifest.json"),
            Self::Cifar10 => include_str!("../../datasets/cifar10/manifest.json"),
            Self::Svhn => include_str!("../../datasets/svhn/manifest.json"),
        })?)
    }

    /// The splits, from a folder that holds the publisher's files or, for CIFAR-10, their archive; the digits are part of
    /// the program and need none.
    ///
    /// # Errors
    /// [`ImageError`] for files that are missing or damaged, and for images that are not those of the manifest.
    pub fn load(self, path: Option<&Path>) -> Result<ImageSplits, DataError> {
        let members = match (self, path) {
            (Self::Digits, _) => Vec::new(),
            (_, Some(path)) => self.gather(path)?,
            (_, None) => return Err(self.missing(Path::new("."), self.files()[0]).into()),
        };
        self.splits(&members)
    }

    /// The splits that the publisher's files make.
    pub(super) fn splits(self, members: &[Member]) -> Result<ImageSplits, DataError> {
        let prepared = self.manifest()?.prepared;
        let validation = prepared.validation_rows as usize;
        let (train, test) = self.decode(members)?;
        for (what, given, expected) in [
            (
                "number of training images",
                train.len(),
                prepared.train_rows + prepared.validation_rows,
            ),
            ("number of test images", test.len(), prepared.test_rows),
            ("numbers of an image", train.dimension(), prepared.dimension),
        ] {
            self.require(what.to_string(), given as f64, expected as f64, 0.0)?;
        }
        let expected = prepared.means.iter().zip(&prepared.stds);
        for (channel, ((mean, std), (wanted_mean, wanted_std))) in
            train.channel_moments().iter().zip(expected).enumerate()
        {
            self.require(
                format!("mean of channel {channel}"),
                *mean,
                *wanted_mean,
                MOMENT_TOLERANCE,
            )?;
            self.require(
                format!("deviation of channel {channel}"),
                *std,
                *wanted_std,
                MOMENT_TOLERANCE,
            )?;
        }
        let rest = train.len().saturating_sub(validation);
        Ok(ImageSplits {
            validation: train.slice(rest..train.len())?,
            train: train.slice(0..rest)?,
            test,
        })
    }

    fn require(self, what: String, given: f64, expected: f64, tolerance: f64) -> Result<(), ImageError> {
        if (given - expected).abs() <= tolerance {
            return Ok(());
        }
        Err(ImageError::OtherImages {
            name: self.name(),
            what,
            given,
            expected,
        })
    }

    /// The names of the publisher's files; those of the idx format may also be gzip-compressed.
    pub(super) fn files(self) -> &'static [&'static str] {
        match self {
            Self::Digits => &[],
            Self::Mnist | Self::FashionMnist => &["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"],
            Self::Cifar10 => &[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
                "test_batch.bin",
            ],
            Self::Svhn => &["train_32x32.mat", "test_32x32.mat"],
        }
    }

    fn missing(self, path: &Path, missing: &'static str) -> ImageError {
        let name = self.name();
        ImageError::Missing {
            name,
            missing,
            path: path.to_path_buf(),
            remedy: format!("fetch it with `cargo xtask data fetch {name}`, or `data import {name} --from FOLDER`"),
        }
    }

    /// Whether a file of this name is one of the set's, and under which name.
    fn known(self, name: &str) -> Option<&'static str> {
        let stem = name.strip_suffix(".gz").unwrap_or(name);
        self.files().iter().find(|known| **known == stem).copied()
    }

    /// The publisher's files at a path.
    pub(super) fn gather(self, path: &Path) -> Result<Vec<Member>, DataError> {
        let found = match path.is_file() {
            true => self.unpack(path)?,
            false => self.in_folder(path)?,
        };
        for known in self.files() {
            if !found.iter().any(|(name, _)| self.known(name) == Some(known)) {
                return Err(self.missing(path, known).into());
            }
        }
        Ok(found)
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
            true => self.members(reader),
            false => self.members(MultiGzDecoder::new(reader)),
        };
        members.map_err(|error| {
            ImageError::File {
                path: archive.to_path_buf(),
                reason: format!("it is no archive that can be read: {error}; give the archive or a folder"),
            }
            .into()
        })
    }

    fn members(self, reader: impl Read) -> std::io::Result<Vec<Member>> {
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

    /// All training and all test images.
    fn decode(self, members: &[Member]) -> Result<(Images, Images), DataError> {
        let of = |index: usize| -> Result<(&Path, &[u8]), DataError> {
            let wanted = self.files()[index];
            let member = members.iter().find(|(name, _)| self.known(name) == Some(wanted));
            let (name, bytes) = member.ok_or_else(|| self.missing(Path::new("."), wanted))?;
            Ok((Path::new(name), bytes))
        };
        match self {
            Self::Digits => {
                let all = idx::read(Path::new("images-idx3-ubyte.gz"), DIGITS, 17)?;
                let train = all.len() - self.manifest()?.prepared.test_rows as usize;
                Ok((all.slice(0..train)?, all.slice(train..all.len())?))
            }
            Self::Mnist | Self::FashionMnist => {
                let read = |index| -> Result<Images, DataError> {
                    let (path, bytes) = of(index)?;
                    idx::read(path, bytes, 256)
                };
                Ok((read(0)?, read(1)?))
            }
            Self::Svhn => {
                let read = |index| -> Result<Images, DataError> {
                    let (path, bytes) = of(index)?;
                    matlab::read(path, bytes)
                };
                Ok((read(0)?, read(1)?))
            }
            Self::Cifar10 => {
                let mut train = Vec::new();
                for index in 0..5 {
                    train.extend(cifar(of(index)?)?);
                }
                Ok((
                    Images::new([3, 32, 32], 256, train)?,
                    Images::new([3, 32, 32], 256, cifar(of(5)?)?)?,
                ))
            }
        }
    }
}

/// The pixels of a binary batch without the labels.
fn cifar((path, bytes): (&Path, &[u8])) -> Result<Vec<u8>, DataError> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(CIFAR_RECORD) {
        return Err(ImageError::File {
            path: path.to_path_buf(),
            reason: format!(
                "{} bytes are no whole number of records of {CIFAR_RECORD} bytes",
                bytes.len()
            ),
        }
        .into());
    }
    Ok(bytes
        .chunks_exact(CIFAR_RECORD)
        .flat_map(|record| &record[1..])
        .copied()
        .collect())
}

impl FromStr for ImageSet {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        let found = Self::ALL.into_iter().find(|set| set.name() == name);
        found.ok_or_else(|| {
            ImageError::Unknown {
                given: name.to_owned(),
                accepted: Self::ALL.map(Self::name).join(", "),
            }
            .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_describes_its_set() -> Result<(), DataError> {
        for set in ImageSet::ALL {
            assert_eq!(set.name().parse::<ImageSet>()?, set);
            assert_eq!(set.manifest()?.name, set.name());
        }
        assert!("faces".parse::<ImageSet>().is_err());
        Ok(())
    }

    #[test]
    fn digits_are_complete_and_others_are_told_apart() -> Result<(), DataError> {
        let splits = ImageSet::Digits.load(None)?;
        // The first is a zero: a ring with an empty middle.
        let first = splits.train.get(0).unwrap_or_default();
        assert_eq!(first[..8], [0, 0, 5, 13, 9, 1, 0, 0]);
        let folder = tempfile::tempdir().map_err(|source| DataError::Io {
            action: "write",
            path: "a temporary folder".into(),
            source,
        })?;
        let missing = ImageSet::Mnist.load(Some(folder.path())).unwrap_err().to_string();
        assert!(
            missing.contains("train-images-idx3-ubyte") && missing.contains("data fetch mnist"),
            "{missing}"
        );
        let one = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28];
        for name in ImageSet::Mnist.files() {
            let bytes = [&one[..], &[7; 784]].concat();
            ffjord_files::write_atomic(folder.path().join(name), bytes)?;
        }
        let other = ImageSet::Mnist.load(Some(folder.path())).unwrap_err().to_string();
        assert!(
            other.contains("number of training images is 1 where the manifest has 60000"),
            "{other}"
        );
        let short = cifar((Path::new("data_batch_1.bin"), &[0; 3072]));
        assert!(short.is_err());
        let (record, next) = ([&[9u8][..], &[1; 3072]].concat(), [&[8u8][..], &[2; 3072]].concat());
        let pixels = cifar((Path::new("data_batch_1.bin"), &[record, next].concat()))?;
        assert_eq!((pixels.len(), pixels[0], pixels[3072]), (6144, 1, 2));
        Ok(())
    }
}
