//! The images of a variational autoencoder.

use crate::config::{DataConfig, LikelihoodKind, RunConfig};
use crate::data::SplitLabel;
use crate::data_summary::{DataSummary, ImageFormat};
use crate::error::{Result, RunError};
use crate::images::found;
use crate::model::dtype;
use candle_core::{DType, Device, Tensor};
use ffjord_data::{Batches, FoundImages, Images, LastBatch, Matrix, permutation};
use ffjord_train::{Batch, BatchSource, Purpose, Streams, TrainError, to_tensor};
use std::path::Path;

/// The data of a run of a variational autoencoder: images as numbers from 0 to 1, or made binary. Those for validation and
/// testing are made so once, those for training anew for every batch.
///
/// ```
/// use ffjord_run::{config::{Preset, resolve}, vae::VaeData};
/// use ffjord_train::Streams;
/// let settings = ["data.train_images=200", "data.test_images=50"].map(str::to_string);
/// let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// let data = VaeData::load(&config, &Streams::new(0), "".as_ref())?;
/// assert_eq!((data.test.rows(), data.test.columns(), data.epoch()), (50, 64, 2));
/// // Made binary once.
/// assert!(data.is_binary() && data.test.as_slice().iter().all(|pixel| *pixel == 0.0 || *pixel == 1.0));
/// assert_eq!(data.summary().dimension, 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VaeData {
    /// Shape and levels.
    pub format: ImageFormat,
    /// Training batches.
    pub source: VaeBatches,
    /// Images for validation, `[N, C·H·W]`.
    pub validation: Matrix<f32>,
    /// Images for testing, `[N, C·H·W]`.
    pub test: Matrix<f32>,
    /// Whose split it is.
    pub split: SplitLabel,
}

impl VaeData {
    /// Loads the images that a configuration asks for; sets without a path come from the folder `cache`.
    ///
    /// # Errors
    /// When a set is not known or its files cannot be read, when a split has too few images, and
    /// [`RunError::GreyLevels`] for a likelihood of 256 levels and images with another number of them.
    pub fn load(config: &RunConfig, streams: &Streams, cache: &Path) -> Result<Self> {
        let settings = super::model::section(config)?;
        let DataConfig::Images(images) = &config.data else {
            return Err(RunError::VariationalAutoencoder {
                command: "data other than images",
            });
        };
        let (name, FoundImages { splits, difference }) = found(images, cache)?;
        let first = |all: &Images, count: Option<usize>| -> Result<Images> {
            Ok(all.slice(0..count.unwrap_or(usize::MAX).min(all.len()))?)
        };
        let train = first(&splits.train, images.train_images)?;
        let test = first(&splits.test, images.test_images)?;
        let validation = first(&splits.validation, Some(config.training.validation_rows))?;
        for (split, images) in [("training", &train), ("validation", &validation), ("test", &test)] {
            if images.is_empty() {
                return Err(RunError::TooFewRows {
                    split,
                    rows: 0,
                    needed: "at least one is needed".to_string(),
                    remedy: "",
                });
            }
        }
        let binary = settings.likelihood == LikelihoodKind::Bernoulli;
        if !binary && train.levels() != 256 {
            return Err(RunError::GreyLevels { given: train.levels() });
        }
        let held_out = |images: &Images, purpose| -> Result<Matrix<f32>> {
            let rows: Vec<u32> = (0..images.len() as u32).collect();
            Ok(numbers(images, &rows, binary, &mut streams.rng(purpose, 0, 0))?)
        };
        Ok(Self {
            format: ImageFormat {
                shape: train.shape(),
                levels: train.levels(),
            },
            validation: held_out(&validation, Purpose::Validation)?,
            test: held_out(&test, Purpose::Test)?,
            split: SplitLabel {
                dataset: name,
                published: difference.is_none() && name != "folder",
                difference,
            },
            source: VaeBatches {
                batches: Batches::new(train.len(), config.training.batch.min(train.len()), LastBatch::Keep)?,
                images: train,
                binary,
                dtype: dtype(config.model.precision),
            },
        })
    }

    /// The number of batches in an epoch.
    pub fn epoch(&self) -> u64 {
        self.source.batches.len() as u64
    }

    /// Whether pixels are 0 or 1.
    pub fn is_binary(&self) -> bool {
        self.source.binary
    }

    /// What a model must know of these data.
    pub fn summary(&self) -> DataSummary {
        DataSummary {
            dimension: self.format.shape.iter().product(),
            image: Some(self.format),
            ..DataSummary::default()
        }
    }
}

/// Images of these numbers, grey or made binary.
fn numbers(
    images: &Images,
    rows: &[u32],
    binary: bool,
    rng: &mut rand_chacha::ChaCha8Rng,
) -> Result<Matrix<f32>, ffjord_data::DataError> {
    match binary {
        true => images.binary(rows, rng),
        false => images.grey(rows),
    }
}

/// Batches of images in an order that is drawn anew for every epoch, with the rest of an epoch as its last batch.
#[derive(Debug)]
pub struct VaeBatches {
    images: Images,
    batches: Batches,
    binary: bool,
    dtype: DType,
}

impl BatchSource for VaeBatches {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch, TrainError> {
        let (epoch, index) = self.batches.position(iteration);
        let order = permutation(self.images.len(), &mut streams.rng(Purpose::Shuffle, epoch, 0))?;
        let rows = &order[self.batches.range(index)];
        let mut rng = streams.rng(Purpose::Data, iteration, 0);
        let images = numbers(&self.images, rows, self.binary, &mut rng)?;
        Batch::new(shaped(&images, self.images.shape(), self.dtype)?, None)
    }
}

/// Rows of numbers as images `[N, C, H, W]`.
pub(crate) fn shaped(rows: &Matrix<f32>, [c, h, w]: [usize; 3], dtype: DType) -> Result<Tensor, TrainError> {
    Ok(to_tensor(rows, dtype, &Device::Cpu)?.reshape((rows.rows(), c, h, w))?)
}
