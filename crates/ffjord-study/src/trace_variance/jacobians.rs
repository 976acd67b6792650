//! The Jacobians that a model's solves meet.

use crate::error::Result;
use candle_core::{DType, Tensor};
use ffjord_flow::{Density, Pass};
use ffjord_nn::{NnError, Request, Tangents, VectorField};
use ffjord_run::{Model, Part};
use ffjord_trace::{DenseOperator, LinearOperator};
use ffjord_train::{Purpose, Streams};

/// Places in every continuous block, as fractions of its end time.
const PLACES: [f64; 3] = [0.0, 0.5, 1.0];

/// A batch of matrices of one dimension.
pub type Matrices = DenseOperator<f64>;

/// The Jacobians `∂f/∂z` at `rows` samples of the model, at the start, the middle and the end of every continuous block.
///
/// # Errors
/// When a solve or an evaluation fails.
pub fn jacobians(model: &Model, rows: usize, streams: &Streams) -> Result<Matrices> {
    matrices(model, rows, streams, false)
}

/// The matrices `(∂h/∂z)(∂g/∂h)` of encoder–decoder fields `g∘h` at the same places; none for other fields.
///
/// # Errors
/// When a solve or an evaluation fails.
pub fn bottleneck(model: &Model, rows: usize, streams: &Streams) -> Result<Option<Matrices>> {
    let narrow = |part: &Part| match part {
        Part::Continuous(cnf) => cnf.field().bottleneck_shape().is_some(),
        Part::Discrete(_) => true,
    };
    if !model.parts.iter().all(narrow) {
        return Ok(None);
    }
    matrices(model, rows, streams, true).map(Some)
}

fn matrices(model: &Model, rows: usize, streams: &Streams, at_bottleneck: bool) -> Result<Matrices> {
    let mut rng = streams.rng(Purpose::Sample, 0, 2);
    let mut pass = Pass::sampling(&mut rng);
    let mut state = model.flow.sample(rows, &mut pass)?;
    let (mut entries, mut dimension) = (Vec::new(), 1);
    for part in &model.parts {
        let Part::Continuous(cnf) = part else {
            state = part.forward(&state, &mut pass)?;
            continue;
        };
        let end = cnf.end_time()?;
        let mut before = 0.0;
        for place in PLACES {
            state = cnf.between(&state, (before * end, place * end), &mut pass)?.value;
            before = place;
            let operator = FieldOperator {
                field: cnf.field(),
                t: place * end,
                z: &state,
                at_bottleneck,
            };
            dimension = operator.dimension();
            entries.extend(DenseOperator::from_products(&operator)?.matrices().flatten());
        }
    }
    Ok(DenseOperator::new(dimension, entries)?)
}

/// A field's products at one time, as a batch of operators.
struct FieldOperator<'a> {
    field: &'a dyn VectorField,
    t: f64,
    /// `[B, …]`.
    z: &'a Tensor,
    at_bottleneck: bool,
}

impl FieldOperator<'_> {
    fn shape(&self) -> &[usize] {
        if self.at_bottleneck {
            self.field.bottleneck_shape().unwrap_or_default()
        } else {
            self.field.state_shape()
        }
    }
}

impl LinearOperator<f64> for FieldOperator<'_> {
    type Error = NnError;

    fn batch(&self) -> usize {
        self.z.dims().first().copied().unwrap_or(0)
    }

    fn dimension(&self) -> usize {
        self.shape().iter().product()
    }

    fn apply(&self, vectors: &[f64], products: &mut [f64]) -> std::result::Result<(), NnError> {
        let mut shape = vec![vectors.len() / (self.batch() * self.dimension()).max(1), self.batch()];
        shape.extend_from_slice(self.shape());
        let vectors = Tensor::from_slice(vectors, shape, self.field.device())?.to_dtype(self.field.dtype())?;
        let tangents = if self.at_bottleneck {
            Tangents::Bottleneck(&vectors)
        } else {
            Tangents::State(&vectors)
        };
        let request = Request { tangents, along: &[] };
        let linearization = self.field.linearize(self.t, self.z, None, &request)?;
        if let Some(made) = linearization.products() {
            products.copy_from_slice(&made.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?);
        }
        Ok(())
    }
}
