//! Many samples of a model.

use crate::dealing::dealt;
use crate::error::Result;
use crate::model::Model;
use candle_core::{DType, Device, Tensor};
use ffjord_data::Matrix;
use ffjord_flow::{Density, Pass};
use ffjord_train::{Alone, Communicator, Purpose, Streams, to_tensor};

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw<'a> {
    /// How many rows, at least one.
    pub(crate) count: usize,
    /// What each is given, `[count, C]` as the model takes it.
    pub(crate) given: Option<&'a Matrix<f64>>,
    /// The standard deviation of the noise.
    pub(crate) temperature: f64,
    /// How many are drawn at a time.
    pub(crate) batch: usize,
}

/// `count` samples `[count, D]`, at least one, drawn `batch` at a time.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_flow::ZeroMean;
/// # use ffjord_run::{Matrix, Model, Part, Rows};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # use std::sync::Arc;
/// # let model = Model::new(vec![Part::Discrete(Arc::new(ZeroMean::new(&[2])?))], DType::F64)?;
/// # let rows = Rows::from(Matrix::from_rows(&[[0.5, 0.5], [2.5, 0.5]]));
/// # let (streams, ln_2pi) = (Streams::new(0), (2.0 * std::f64::consts::PI).ln());
/// let samples = ffjord_run::samples(&model, 500, 100, &streams)?;
/// assert_eq!(samples.dims(), [500, 2]);
/// // x = z + ½ of standard normal noise.
/// assert!((samples.mean_all()?.to_scalar::<f64>()? - 0.5).abs() < 0.15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When a solve fails, or the model is conditional.
pub fn samples(model: &Model, count: usize, batch: usize, streams: &Streams) -> Result<Tensor> {
    samples_at(model, 1.0, count, batch, streams)
}

/// The same of noise whose standard deviation is `temperature` ([`Flow::sample_at`](ffjord_flow::Flow::sample_at)).
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_flow::ZeroMean;
/// # use ffjord_run::{Matrix, Model, Part, Rows};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # use std::sync::Arc;
/// # let model = Model::new(vec![Part::Discrete(Arc::new(ZeroMean::new(&[2])?))], DType::F64)?;
/// # let rows = Rows::from(Matrix::from_rows(&[[0.5, 0.5], [2.5, 0.5]]));
/// # let (streams, ln_2pi) = (Streams::new(0), (2.0 * std::f64::consts::PI).ln());
/// use ffjord_run::samples_at;
/// // Without noise all samples are the image of 0.
/// let samples = samples_at(&model, 0.0, 3, 10, &streams)?;
/// assert_eq!(samples.to_vec2::<f64>()?, vec![vec![0.5, 0.5]; 3]);
/// assert!(samples_at(&model, -1.0, 3, 10, &streams).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`samples`], and for a temperature that is negative or no number.
pub fn samples_at(model: &Model, temperature: f64, count: usize, batch: usize, streams: &Streams) -> Result<Tensor> {
    let draw = Draw {
        count,
        given: None,
        temperature,
        batch,
    };
    draw.tensor(model, streams)
}

/// A sample for every row of conditions `[N, C]`, at least one, as the model takes them: `[N, D]`, drawn `batch` at a
/// time.
///
/// ```
/// # use ffjord_run::{Model, config::{Preset, resolve}};
/// # use ffjord_train::{Purpose, Streams};
/// # let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
/// # let streams = Streams::new(0);
/// # let model = Model::build(&config, 2, 0, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// use ffjord_run::{Matrix, samples_given};
/// let conditional = Model::build(&config, 2, 1, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// let given = Matrix::from_rows(&[[-1.0], [0.0], [1.0]]);
/// assert_eq!(samples_given(&conditional, &given, 10, &streams)?.dims(), [3, 2]);
/// // One that is given nothing refuses them.
/// assert!(samples_given(&model, &given, 10, &streams).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When a solve fails, or the conditions do not fit the model.
pub fn samples_given(model: &Model, given: &Matrix<f64>, batch: usize, streams: &Streams) -> Result<Tensor> {
    let draw = Draw {
        count: given.rows(),
        given: Some(given),
        temperature: 1.0,
        batch,
    };
    draw.tensor(model, streams)
}

impl Draw<'_> {
    fn tensor(&self, model: &Model, streams: &Streams) -> Result<Tensor> {
        let drawn = self.together(model, streams, &Alone)?;
        let shape = [&[self.count], model.flow.row_shape()].concat();
        let drawn = Tensor::from_vec(drawn, shape, &Device::Cpu)?;
        Ok(drawn.to_dtype(model.dtype())?.to_device(model.device())?)
    }

    /// The samples row by row, on every one of the processes that `communicator` connects: each draws some of the batches.
    ///
    /// # Errors
    /// When a solve fails, or what is given does not fit the model, on all processes alike.
    pub(crate) fn together(
        &self,
        model: &Model,
        streams: &Streams,
        communicator: &dyn Communicator,
    ) -> Result<Vec<f64>> {
        let batch = self.batch.max(1);
        let drawn = dealt(communicator, self.count.div_ceil(batch), |index| {
            let start = index * batch;
            let rows = batch.min(self.count - start);
            let mut rng = streams.rng(Purpose::Sample, index as u64, 0);
            let mut pass = Pass::sampling(&mut rng);
            if let Some(given) = self.given {
                let given = given.slice(start..start + rows)?;
                pass.set_given(Some(to_tensor(&given, model.dtype(), model.device())?));
            }
            // Rows of an error count in the whole table of conditions.
            let samples = model.flow.sample_at(self.temperature, rows, &mut pass);
            let samples = samples.map_err(|error| error.in_rows_from(start))?;
            Ok(samples.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
        })?;
        Ok(drawn.concat())
    }
}
