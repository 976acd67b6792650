//! Many samples of a model.

use crate::error::Result;
use crate::model::Model;
use candle_core::Tensor;
use ffjord_data::Matrix;
use ffjord_flow::Pass;
use ffjord_train::{Purpose, Streams, to_tensor};

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
    draw(model, count, None, batch, streams, temperature)
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
    draw(model, given.rows(), Some(given), batch, streams, 1.0)
}

fn draw(
    model: &Model,
    count: usize,
    given: Option<&Matrix<f64>>,
    batch: usize,
    streams: &Streams,
    temperature: f64,
) -> Result<Tensor> {
    let mut drawn = Vec::new();
    for (index, start) in (0..count).step_by(batch.max(1)).enumerate() {
        let rows = batch.max(1).min(count - start);
        let mut rng = streams.rng(Purpose::Sample, index as u64, 0);
        let mut pass = Pass::sampling(&mut rng);
        if let Some(given) = given {
            let given = given.slice(start..start + rows)?;
            pass.set_given(Some(to_tensor(&given, model.dtype(), model.device())?));
        }
        // Rows of an error count in the whole table of conditions.
        let samples = model.flow.sample_at(temperature, rows, &mut pass);
        drawn.push(samples.map_err(|error| error.in_rows_from(start))?);
    }
    Ok(Tensor::cat(&drawn, 0)?)
}
