//! Integrals along the path of a row, used as regularisers.

mod slices;
mod tensors;

pub(crate) use slices::RowsEvaluation;
pub(crate) use tensors::{BatchCotangent, BatchEvaluation};

use crate::error::{FlowError, Result};
use candle_core::Tensor;
use ffjord_nn::Along;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A quantity integrated over time along with the state, for each row.
///
/// With `f = f(z, t)`, `J = ∂f/∂z` and probes ε that stay fixed along the path. Norms are plain; those of the original
/// implementation are divided by √D, or D for matrices. A norm that is 0 has the slope 0.
///
/// All but [`Directional`](Self::Directional) and [`Acceleration`](Self::Acceleration) need no evaluation of the network
/// beyond what value and trace take.
///
/// ```
/// use ffjord_flow::PathIntegral;
/// assert_eq!("kinetic".parse::<PathIntegral>()?, PathIntegral::Kinetic);
/// assert_eq!(PathIntegral::OffDiagonal.to_string(), "off-diagonal");
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathIntegral {
    /// `∫ ‖f(z, t)‖² dt`, the kinetic energy (RNODE, Finlay et al. 2020, eq. 7).
    Kinetic,
    /// `∫ ‖J ε‖² dt`, whose mean over probes ε is `∫ ‖J‖_F² dt` (RNODE, eq. 8, with `J ε` in place of `εᵀJ`: both have
    /// the same mean, and forward mode has `J ε` at hand). With an exact trace it is the Frobenius norm itself.
    Jacobian,
    /// `∫ ‖f‖₁ dt` (the original implementation's `l1int`).
    L1,
    /// `∫ ‖f‖₂ dt`, the length of the path (the original's `l2int`).
    L2,
    /// `∫ ‖J‖_F dt`; needs the exact trace's unit vectors (the original's `JFrobint`).
    Frobenius,
    /// `∫ ‖diag J‖₂ dt`; needs the exact trace's unit vectors (the original's `JdiagFrobint`, which by mistake takes the
    /// first column).
    Diagonal,
    /// `∫ ‖J − diag J‖_F dt`; needs the exact trace's unit vectors (the original's `JoffdiagFrobint`).
    OffDiagonal,
    /// `∫ ‖Jᵀ f‖₂ dt`, with `Jᵀ f = ∇ ½‖f‖²`: how the field's energy changes from place to place; needs the exact trace's
    /// unit vectors (the original's `dl2int`, which takes `fᵀ J` by reverse mode).
    EnergyGradient,
    /// `∫ Var(1/K Σₖ εₖᵀ J εₖ) dt` by the sample variance over K ≥ 2 probes. T times this bounds the variance of the
    /// estimated log-determinant, since `Var ∫ X dt ≤ T ∫ Var X dt`.
    TraceVariance,
    /// `∫ ‖J f‖₂ dt`, the change of the field along its own path. One further evaluation with one tangent; on the generic
    /// path alone. [`EnergyGradient`](Self::EnergyGradient) has the transposed Jacobian.
    Directional,
    /// `∫ ‖d²z/dt²‖² dt` with `d²z/dt² = J f + ∂f/∂t` (TayNODE, Kelly et al. 2020, eq. 1 with K = 2; RNODE's fields on
    /// straight lines at constant speed have none). Costs and path as [`Directional`](Self::Directional).
    Acceleration,
}

/// What an integrand needs beside the value f.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// The products with any probes of the state.
    Products,
    /// The products with the unit vectors.
    Columns,
    /// The products with two probes or more, wherever the trace is taken.
    SeveralProbes,
    /// A derivative along the path.
    Along(Along),
}

impl PathIntegral {
    /// Every integral.
    pub const ALL: [Self; 11] = [
        Self::Kinetic,
        Self::Jacobian,
        Self::L1,
        Self::L2,
        Self::Frobenius,
        Self::Diagonal,
        Self::OffDiagonal,
        Self::EnergyGradient,
        Self::TraceVariance,
        Self::Directional,
        Self::Acceleration,
    ];

    pub(crate) fn needs(self) -> Needs {
        match self {
            Self::Kinetic | Self::L1 | Self::L2 => Needs::Nothing,
            Self::Jacobian => Needs::Products,
            Self::Frobenius | Self::Diagonal | Self::OffDiagonal | Self::EnergyGradient => Needs::Columns,
            Self::TraceVariance => Needs::SeveralProbes,
            Self::Directional => Needs::Along(Along::State),
            Self::Acceleration => Needs::Along(Along::StateAndTime),
        }
    }

    /// Whether entry (i, j) of the Jacobian belongs to what a norm of its entries measures.
    fn measures(self, i: usize, j: usize) -> bool {
        match self {
            Self::Diagonal => i == j,
            Self::OffDiagonal => i != j,
            _ => true,
        }
    }
}

impl fmt::Display for PathIntegral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kinetic => "kinetic",
            Self::Jacobian => "jacobian",
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::Frobenius => "frobenius",
            Self::Diagonal => "diagonal",
            Self::OffDiagonal => "off-diagonal",
            Self::EnergyGradient => "energy-gradient",
            Self::TraceVariance => "trace-variance",
            Self::Directional => "directional",
            Self::Acceleration => "acceleration",
        })
    }
}

impl FromStr for PathIntegral {
    type Err = FlowError;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|integral| integral.to_string() == name)
            .ok_or_else(|| {
                FlowError::invalid(
                    "path integral",
                    name,
                    "kinetic, jacobian, l1, l2, frobenius, diagonal, off-diagonal, energy-gradient, trace-variance, \
                           directional or acceleration",
                )
            })
    }
}

/// The path integrals of a batch, `[B]` each.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Cnf, Flow, Pass, PathIntegral};
/// use rand::SeedableRng;
///
/// let cnf = Cnf::builder(2).hidden([16]).integrals([PathIntegral::Kinetic]).build()?;
/// let flow = Flow::over_normal(cnf)?;
/// let x = Tensor::ones((3, 2), DType::F32, &Device::Cpu)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let evaluated = flow.evaluate(&x, &mut Pass::training(&mut rng))?;
/// let kinetic = evaluated.integrals.get(PathIntegral::Kinetic).ok_or("it was asked for")?;
/// let loss = (evaluated.log_prob.neg()? + (kinetic * 0.01)?)?.mean_all()?;
/// assert!(loss.backward().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A map of your own gathers those of its parts:
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{PathIntegral, PathIntegrals};
///
/// let mut all = PathIntegrals::none();
/// all.add(PathIntegral::Kinetic, Tensor::new(&[1.0, 2.0], &Device::Cpu)?)?;
/// let mut of_next = PathIntegrals::none();
/// of_next.add(PathIntegral::Kinetic, Tensor::new(&[10.0, 20.0], &Device::Cpu)?)?;
/// all.merge(of_next)?;
/// let gathered: Vec<_> = all.iter().collect();
/// assert_eq!((gathered.len(), gathered[0].0), (1, PathIntegral::Kinetic));
/// assert_eq!(gathered[0].1.to_vec1::<f64>()?, [11.0, 22.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct PathIntegrals(BTreeMap<PathIntegral, Tensor>);

impl PathIntegrals {
    /// No integrals.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The values `[B]` of one integral, if it was asked for.
    #[must_use]
    pub fn get(&self, integral: PathIntegral) -> Option<&Tensor> {
        self.0.get(&integral)
    }

    /// Every integral with its values `[B]`, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (PathIntegral, &Tensor)> {
        self.0.iter().map(|(integral, values)| (*integral, values))
    }

    /// Adds `values` `[B]` to an integral.
    ///
    /// # Errors
    /// When the batch sizes differ.
    pub fn add(&mut self, integral: PathIntegral, values: Tensor) -> Result<()> {
        let sum = match self.0.get(&integral) {
            Some(present) => (present + values)?,
            None => values,
        };
        self.0.insert(integral, sum);
        Ok(())
    }

    /// Adds every integral of `other`.
    ///
    /// # Errors
    /// When the batch sizes differ.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        other
            .0
            .into_iter()
            .try_for_each(|(integral, values)| self.add(integral, values))
    }
}
