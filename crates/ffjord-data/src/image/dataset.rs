//! The sets of images that have a name.

use super::members::Member;
use super::{ImageError, Images, idx, observed, svhn};
use crate::{DataError, manifest::Manifest};
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
///
/// What is known of a set that is not here:
///
/// ```
/// use ffjord_data::ImageSet;
/// let manifest = ImageSet::Mnist.manifest()?;
/// assert_eq!((manifest.name.as_str(), manifest.rows), (ImageSet::Mnist.name(), 70_000));
/// let missing = ImageSet::Mnist.load(Some("no/such/folder".as_ref())).unwrap_err().to_string();
/// assert!(missing.contains("no/such/folder"), "{missing}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
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
    /// MNIST made binary once, of 28 × 28 pixels.
    BinarizedMnist,
    /// Handwritten characters of 28 × 28 pixels: grey for training, binary for validation and testing.
    Omniglot,
    /// One face of 28 × 20 pixels.
    FreyFaces,
    /// Silhouettes of things and animals of 28 × 28 pixels.
    Caltech101Silhouettes,
}

/// Images for training, for validation and for testing.
///
/// ```
/// use ffjord_data::{ImageSet, ImageSplits};
/// let ImageSplits { train, test, .. } = ImageSet::Digits.load(None)?;
/// assert_eq!((train.len(), test.len(), train.dimension()), (1_297, 300, 64));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageSplits {
    /// For training.
    pub train: Images,
    /// For validation: the publisher's own, or the last for training.
    pub validation: Images,
    /// All published test images.
    pub test: Images,
}

/// Images with what tells them apart from those that are published, if anything does.
///
/// ```
/// use ffjord_data::{FoundImages, ImageSet};
/// let FoundImages { splits, difference } = ImageSet::Digits.find(None, ImageSet::SPLIT_SEED)?;
/// // They are the published ones.
/// assert!(difference.is_none() && splits.validation.len() == 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FoundImages {
    /// The splits.
    pub splits: ImageSplits,
    /// What differs from the manifest.
    pub difference: Option<String>,
}

/// Images from a file's bytes; the path is for messages.
type Reader = fn(&Path, &[u8]) -> Result<Images, DataError>;

const DIGITS: &[u8] = include_bytes!("../../datasets/digits/images-idx3-ubyte.gz");
/// The label, and the pixels of an image of CIFAR-10.
const CIFAR_RECORD: usize = 1 + 3072;
/// How far moments may be from the manifest's, which are rounded.
const MOMENT_TOLERANCE: f64 = 2e-4;

impl ImageSet {
    /// All sets.
    pub const ALL: [Self; 9] = [
        Self::Digits,
        Self::Mnist,
        Self::FashionMnist,
        Self::Cifar10,
        Self::Svhn,
        Self::BinarizedMnist,
        Self::Omniglot,
        Self::FreyFaces,
        Self::Caltech101Silhouettes,
    ];

    /// The seed that sets without a published split are split with unless another is given: the first of the three that
    /// the FFJORD paper has for the Frey Faces.
    pub const SPLIT_SEED: u32 = 123;

    /// Its name on command lines and in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Svhn => "svhn",
            Self::BinarizedMnist => "binarized-mnist",
            Self::Omniglot => "omniglot",
            Self::FreyFaces => "frey-faces",
            Self::Caltech101Silhouettes => "caltech101-silhouettes",
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
            Self::BinarizedMnist => include_str!("../../datasets/binarized-mnist/manifest.json"),
            Self::Omniglot => include_str!("../../datasets/omniglot/manifest.json"),
            Self::FreyFaces => include_str!("../../datasets/frey-faces/manifest.json"),
            Self::Caltech101Silhouettes => include_str!("../../datasets/caltech101-silhouettes/manifest.json"),
        })?)
    }

    /// The splits, from a folder that holds the publisher's files or, for CIFAR-10, their archive; the digits are part of
    /// the program and need none. Sets without a published split are split with [`SPLIT_SEED`](Self::SPLIT_SEED).
    ///
    /// # Errors
    /// [`ImageError`] for files that are missing or damaged, and for images that are not those of the manifest.
    pub fn load(self, path: Option<&Path>) -> Result<ImageSplits, DataError> {
        self.published(&self.members(path)?)
    }

    /// As [`load`](Self::load), but images that are not those of the manifest are said to be others rather than refused;
    /// Omniglot and the Frey Faces, which have no published split, are split with this seed.
    ///
    /// # Errors
    /// [`ImageError`] for files that are missing or damaged.
    pub fn find(self, path: Option<&Path>, seed: u32) -> Result<FoundImages, DataError> {
        let splits = self.decode(&self.members(path)?, seed)?;
        let difference = match self.check(&splits) {
            Ok(()) => None,
            Err(DataError::Images(error)) => Some(error.to_string()),
            Err(other) => return Err(other),
        };
        Ok(FoundImages { splits, difference })
    }

    /// The splits that the publisher's files make.
    pub(super) fn published(self, members: &[Member]) -> Result<ImageSplits, DataError> {
        let splits = self.decode(members, Self::SPLIT_SEED)?;
        self.check(&splits)?;
        Ok(splits)
    }

    /// Whether splits are those of the manifest.
    fn check(self, splits: &ImageSplits) -> Result<(), DataError> {
        let prepared = self.manifest()?.prepared;
        for (what, given, expected) in [
            (
                "number of images for training and validation",
                splits.train.len() + splits.validation.len(),
                prepared.train_rows + prepared.validation_rows,
            ),
            (
                "number of validation images",
                splits.validation.len(),
                prepared.validation_rows,
            ),
            ("number of test images", splits.test.len(), prepared.test_rows),
            ("numbers of an image", splits.train.dimension(), prepared.dimension),
        ] {
            self.require(what.to_string(), given as f64, expected as f64, 0.0)?;
        }
        let expected = prepared.means.iter().zip(&prepared.stds);
        for (channel, ((mean, std), (wanted_mean, wanted_std))) in
            moments(&splits.train, &splits.validation).zip(expected).enumerate()
        {
            self.require(
                format!("mean of channel {channel}"),
                mean,
                *wanted_mean,
                MOMENT_TOLERANCE,
            )?;
            self.require(
                format!("deviation of channel {channel}"),
                std,
                *wanted_std,
                MOMENT_TOLERANCE,
            )?;
        }
        Ok(())
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

    /// The splits in the publisher's files, with this seed where the publisher has none.
    fn decode(self, members: &[Member], seed: u32) -> Result<ImageSplits, DataError> {
        let of = |wanted: &'static str| -> Result<&Member, DataError> {
            let member = members.iter().find(|(name, _)| self.known(name) == Some(wanted));
            Ok(member.ok_or_else(|| self.missing(Path::new("."), wanted))?)
        };
        let images = |wanted, read: Reader| {
            let (name, bytes) = of(wanted)?;
            read(Path::new(name), bytes)
        };
        let (train, test) = match (self, self.alternatives()[0]) {
            (Self::Digits, _) => {
                let all = idx::read(Path::new("images-idx3-ubyte.gz"), DIGITS, 17)?;
                let train = all.len() - self.manifest()?.prepared.test_rows as usize;
                (all.slice(0..train)?, all.slice(train..all.len())?)
            }
            (Self::Mnist | Self::FashionMnist, &[train, test, ..]) => {
                let read: Reader = |path, bytes| idx::read(path, bytes, 256);
                (images(train, read)?, images(test, read)?)
            }
            (Self::Svhn, &[train, test, ..]) => (images(train, svhn::read)?, images(test, svhn::read)?),
            (Self::BinarizedMnist, &[train, validation, test, ..]) => {
                return observed::binarized_mnist([of(train)?, of(validation)?, of(test)?]);
            }
            (Self::Omniglot, &[file, ..]) => return observed::omniglot(of(file)?, seed),
            (Self::FreyFaces, &[pickle, ..]) => {
                // Either file has them all.
                let file = members.first().map_or_else(|| of(pickle), Ok)?;
                return observed::frey_faces(file, seed);
            }
            (Self::Caltech101Silhouettes, &[file, ..]) => return observed::caltech101_silhouettes(of(file)?),
            (_, batches) => {
                let mut train = Vec::new();
                let (last, first) = batches.split_last().unwrap_or((&"", &[]));
                for batch in first {
                    train.extend(cifar(of(batch)?)?);
                }
                (
                    Images::new([3, 32, 32], 256, train)?,
                    Images::new([3, 32, 32], 256, cifar(of(last)?)?)?,
                )
            }
        };
        let rest = train
            .len()
            .saturating_sub(self.manifest()?.prepared.validation_rows as usize);
        Ok(ImageSplits {
            validation: train.slice(rest..train.len())?,
            train: train.slice(0..rest)?,
            test,
        })
    }
}

/// Mean and deviation of every channel of two sets of images together.
fn moments(a: &Images, b: &Images) -> impl Iterator<Item = (f64, f64)> {
    let share = a.len() as f64 / (a.len() + b.len()).max(1) as f64;
    let both = a.channel_moments().into_iter().zip(b.channel_moments());
    both.map(move |((mean_a, std_a), (mean_b, std_b))| {
        let mean = share * mean_a + (1.0 - share) * mean_b;
        let squares = share * (std_a * std_a + mean_a * mean_a) + (1.0 - share) * (std_b * std_b + mean_b * mean_b);
        (mean, (squares - mean * mean).max(0.0).sqrt())
    })
}

/// The pixels of a binary batch without the labels.
fn cifar((name, bytes): &Member) -> Result<Vec<u8>, DataError> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(CIFAR_RECORD) {
        return Err(ImageError::File {
            path: PathBuf::from(name),
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
            other.contains("number of images for training and validation is 1 where the manifest has 60000"),
            "{other}"
        );
        let short = cifar(&("data_batch_1.bin".to_string(), vec![0; 3072]));
        assert!(short.is_err());
        let (record, next) = ([&[9u8][..], &[1; 3072]].concat(), [&[8u8][..], &[2; 3072]].concat());
        let pixels = cifar(&("data_batch_1.bin".to_string(), [record, next].concat()))?;
        assert_eq!((pixels.len(), pixels[0], pixels[3072]), (6144, 1, 2));
        Ok(())
    }
}
