//! Directions in the space of all inputs of a loss, and derivatives along them.

use crate::error::Result;
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use ffjord_train::{Purpose, Streams};
use rand_distr::{Distribution, StandardNormal};

/// What a direction moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The weights of the networks.
    Parameters,
    /// The rows of the batch.
    State,
    /// The square roots of the end times, which are the parameters that stand for them.
    EndTime,
}

impl Kind {
    /// Every kind with the number of its directions.
    pub(super) const ALL: [(Self, usize); 3] = [(Self::Parameters, 4), (Self::State, 2), (Self::EndTime, 1)];
}

/// A unit vector over some inputs: each with its centre and its part of the direction.
pub(super) struct Direction {
    pub(super) kind: Kind,
    parts: Vec<(Var, Tensor, Tensor)>,
}

impl Direction {
    /// The direction of this index over `vars`, uniform on the unit sphere.
    pub(super) fn draw(kind: Kind, index: u64, vars: &[Var], streams: &Streams) -> Result<Self> {
        let mut rng = streams.rng(Purpose::Test, index, kind as u64);
        let mut parts = Vec::with_capacity(vars.len());
        let mut squares = 0.0;
        for var in vars {
            let entries: Vec<f64> = (0..var.elem_count()).map(|_| StandardNormal.sample(&mut rng)).collect();
            squares += entries.iter().map(|entry: &f64| entry * entry).sum::<f64>();
            let direction = Tensor::from_vec(entries, var.shape(), var.device())?;
            parts.push((var.clone(), var.as_detached_tensor().copy()?, direction));
        }
        let scale = 1.0 / squares.sqrt();
        for (_, _, direction) in &mut parts {
            *direction = (&*direction * scale)?;
        }
        Ok(Self { kind, parts })
    }

    /// Moves the inputs `distance` along the direction, from where they were when it was drawn.
    pub(super) fn move_to(&self, distance: f64) -> Result<()> {
        for (var, centre, direction) in &self.parts {
            var.set(&(centre + (direction * distance)?)?)?;
        }
        Ok(())
    }

    /// The derivative along the direction that a gradient says.
    pub(super) fn along(&self, gradient: &GradStore) -> Result<f64> {
        let mut sum = 0.0;
        for (var, _, direction) in &self.parts {
            if let Some(gradient) = gradient.get(var) {
                sum += (gradient * direction)?
                    .sum_all()?
                    .to_dtype(DType::F64)?
                    .to_scalar::<f64>()?;
            }
        }
        Ok(sum)
    }
}
