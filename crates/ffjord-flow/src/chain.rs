//! Bijections one after the other.

use crate::bijection::{Bijection, Transformed};
use crate::cnf::Cnf;
use crate::error::{FlowError, Result};
use crate::pass::Pass;
use candle_core::Tensor;
use ffjord_nn::Parameter;

/// The composition of bijections; log-determinants and path integrals add up.
///
/// Part `i`'s parameters are named `chain.<i>.…`, as in the original implementation.
#[derive(Debug)]
pub struct Chain {
    parts: Vec<Box<dyn Bijection>>,
    row_shape: Vec<usize>,
}

impl Chain {
    /// The composition of `parts`, the first nearest to the data.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] without parts, or when their row shapes differ.
    pub fn new(parts: Vec<Box<dyn Bijection>>) -> Result<Self> {
        let shapes: Vec<Vec<usize>> = parts.iter().map(|part| part.row_shape().to_vec()).collect();
        match shapes.first() {
            Some(first) if shapes.iter().all(|shape| shape == first) => Ok(Self {
                row_shape: first.clone(),
                parts,
            }),
            _ => Err(FlowError::InvalidSetting {
                setting: "row shapes of a chain",
                given: format!("{shapes:?}"),
                accepted: "one or more, all equal",
            }),
        }
    }

    /// The parts, the first nearest to the data.
    #[must_use]
    pub fn parts(&self) -> &[Box<dyn Bijection>] {
        &self.parts
    }

    fn compose<'p>(
        input: &Tensor,
        parts: impl Iterator<Item = &'p Box<dyn Bijection>>,
        mut apply: impl FnMut(&dyn Bijection, &Tensor) -> Result<Transformed>,
    ) -> Result<Transformed> {
        let mut total: Option<Transformed> = None;
        for part in parts {
            let next = apply(part.as_ref(), total.as_ref().map_or(input, |total| &total.value))?;
            total = Some(match total {
                None => next,
                Some(mut total) => {
                    total.integrals.merge(next.integrals)?;
                    Transformed {
                        value: next.value,
                        log_det: (total.log_det + next.log_det)?,
                        integrals: total.integrals,
                    }
                }
            });
        }
        total.ok_or(FlowError::InvalidSetting {
            setting: "parts of a chain",
            given: "none".to_string(),
            accepted: "one or more bijections",
        })
    }

    fn collect(&self, list: impl Fn(&dyn Bijection) -> Vec<Parameter>) -> Vec<Parameter> {
        self.parts
            .iter()
            .enumerate()
            .flat_map(|(index, part)| {
                let prefix = format!("chain.{index}");
                list(part.as_ref())
                    .into_iter()
                    .map(move |parameter| parameter.under(&prefix))
            })
            .collect()
    }
}

impl Bijection for Chain {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        Self::compose(x, self.parts.iter(), |part, x| part.forward(x, pass))
    }

    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        Self::compose(z, self.parts.iter().rev(), |part, z| part.inverse(z, pass))
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.collect(|part| part.parameters())
    }

    fn buffers(&self) -> Vec<Parameter> {
        self.collect(|part| part.buffers())
    }

    fn row_shape(&self) -> &[usize] {
        &self.row_shape
    }

    fn uses_batch_statistics(&self) -> bool {
        self.parts.iter().any(|part| part.uses_batch_statistics())
    }

    fn end_times(&self) -> Vec<f64> {
        self.parts.iter().flat_map(|part| part.end_times()).collect()
    }
    fn continuous_parts(&self) -> Option<Vec<&Cnf>> {
        let parts: Option<Vec<_>> = self.parts.iter().map(|part| part.continuous_parts()).collect();
        parts.map(|parts| parts.concat())
    }
}
