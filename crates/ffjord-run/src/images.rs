//! The images of a run.

use crate::config::{ImageField, ImagesConfig, RunConfig};
use crate::data::{RunData, SplitLabel, TrainingRows};
use crate::data_summary::ImageFormat;
use crate::error::{Result, RunError};
use crate::model::dtype;
use candle_core::{DType, Device};
use ffjord_data::image::{read_folder, store};
use ffjord_data::{Batches, FoundImages, ImageSet, ImageSplits, Images, LastBatch, permutation};
use ffjord_train::{Batch, BatchSource, Purpose, Streams, TrainError, to_tensor};
use std::path::Path;
use std::sync::Arc;

impl RunData {
    /// The images that a configuration asks for. Those for validation and testing are dequantised once, so that every
    /// evaluation of a run sees the same; training images are anew for every batch.
    pub(crate) fn images(config: &RunConfig, images: &ImagesConfig, streams: &Streams, cache: &Path) -> Result<Self> {
        let (name, FoundImages { splits, difference }) = found(images, cache)?;
        let ImageSplits {
            train,
            validation,
            test,
        } = splits;
        let first = |all: Images, count: Option<usize>| -> Result<Images> {
            let count = count.unwrap_or(usize::MAX).min(all.len());
            Ok(all.slice(0..count)?)
        };
        let (train, test) = (first(train, images.train_images)?, first(test, images.test_images)?);
        let validation = first(validation, Some(config.training.validation_rows))?;
        for (split, found, needed) in [
            ("training", train.len(), config.training.batch),
            ("validation", validation.len(), 1),
            ("test", test.len(), 1),
        ] {
            if found < needed {
                return Err(RunError::TooFewRows {
                    split,
                    rows: found,
                    needed: format!("{needed} are needed"),
                    remedy: "",
                });
            }
        }
        let train = Arc::new(train);
        let format = ImageFormat {
            shape: train.shape(),
            levels: train.levels(),
        };
        let noisy = |images: &Images, purpose| images.dequantised(0..images.len(), &mut streams.rng(purpose, 0, 0));
        let flat = config
            .model
            .image
            .as_ref()
            .is_some_and(|image| image.field == ImageField::Dense);
        Ok(Self {
            dimension: train.dimension(),
            names: None,
            given: None,
            validation: noisy(&validation, Purpose::Validation)?.cast().into(),
            test: noisy(&test, Purpose::Test)?.cast().into(),
            source: Box::new(ImageBatches {
                batches: Batches::new(train.len(), config.training.batch, LastBatch::Drop)?,
                row_shape: if flat {
                    vec![train.dimension()]
                } else {
                    train.shape().to_vec()
                },
                images: train.clone(),
                flips: images.flips,
                dtype: dtype(config.model.precision),
            }),
            standardizer: None,
            gaussian_nll: None,
            split: difference.map(|difference| SplitLabel {
                dataset: name,
                published: false,
                difference: Some(difference),
            }),
            file: None,
            image: Some(format),
            training_rows: TrainingRows::Images(train, images.flips),
        })
    }
}

/// The images that a configuration names, with the name of the set. Others than the published ones are refused unless they
/// were imported under a label, which is then what tells them apart.
pub(crate) fn found(images: &ImagesConfig, cache: &Path) -> Result<(&'static str, FoundImages)> {
    if images.set == "folder" {
        let splits = folder_splits(images)?;
        let difference = None;
        return Ok(("folder", FoundImages { splits, difference }));
    }
    let set: ImageSet = images.set.parse()?;
    let path = images.path.clone().unwrap_or_else(|| cache.join(set.name()));
    let mut found = set.find(Some(&path), images.split_seed.unwrap_or(ImageSet::SPLIT_SEED))?;
    let label = match set != ImageSet::Digits && store::is_prepared(&path) {
        true => store::record(&path)?.label,
        false => None,
    };
    if label.is_none() && found.difference.is_some() {
        // Says what differs.
        found.splits = set.load(Some(&path))?;
    }
    found.difference = label;
    Ok((set.name(), found))
}

/// Pictures of the user's own, of which the last tenth is for testing and the one before for validation.
fn folder_splits(images: &ImagesConfig) -> Result<ImageSplits> {
    let path = images.path.as_ref().ok_or_else(|| RunError::Setting {
        setting: "data.path".to_string(),
        reason: "a set `folder` needs the folder of pictures: give --set data.path=FOLDER".to_string(),
    })?;
    let all = read_folder(path)?;
    let tenth = (all.len() / 10).max(1);
    let (rest, test) = (all.len().saturating_sub(2 * tenth), all.len().saturating_sub(tenth));
    Ok(ImageSplits {
        train: all.slice(0..rest)?,
        validation: all.slice(rest..test)?,
        test: all.slice(test..all.len())?,
    })
}

/// Batches of images in an order that is drawn anew for every epoch, with fresh noise.
#[derive(Debug)]
struct ImageBatches {
    images: Arc<Images>,
    row_shape: Vec<usize>,
    batches: Batches,
    flips: bool,
    dtype: DType,
}

impl BatchSource for ImageBatches {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch, TrainError> {
        let (epoch, index) = self.batches.position(iteration);
        let order = permutation(self.images.len(), &mut streams.rng(Purpose::Shuffle, epoch, 0))?;
        let rows = &order[self.batches.range(index)];
        let mut rng = streams.rng(Purpose::Data, iteration, 0);
        let batch = self.images.batch(rows, self.flips, &mut rng)?;
        let x = to_tensor(&batch, self.dtype, &Device::Cpu)?;
        let shape = [&[rows.len()], self.row_shape.as_slice()].concat();
        Batch::new(x.reshape(shape)?, None)
    }
}
