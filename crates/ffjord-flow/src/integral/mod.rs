//! Integrals along the path of a row, used as regularisers.

use crate::error::{FlowError, Result};
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A quantity integrated over time along with the state, for each row.
///
/// ```
/// use ffjord_flow::PathIntegral;
/// assert_eq!("kinetic".parse::<PathIntegral>()?, PathIntegral::Kinetic);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathIntegral {
    /// `∫ ‖f(z, t)‖² dt`, the kinetic energy (RNODE, Finlay et al. 2020, eq. 7).
    Kinetic,
    /// `∫ ‖J ε‖² dt`, whose mean over probes ε is `∫ ‖J‖_F² dt` (RNODE, eq. 8, with `J ε` in place of `εᵀJ`: both have
    /// the same mean, and forward mode has `J ε` at hand). With an exact trace it is the Frobenius norm itself.
    Jacobian,
}

impl PathIntegral {
    /// Every integral.
    pub const ALL: [Self; 2] = [Self::Kinetic, Self::Jacobian];
}

impl fmt::Display for PathIntegral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kinetic => "kinetic",
            Self::Jacobian => "jacobian",
        })
    }
}

impl FromStr for PathIntegral {
    type Err = FlowError;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|integral| integral.to_string() == name)
            .ok_or_else(|| FlowError::InvalidSetting {
                setting: "path integral",
                given: name.to_string(),
                accepted: "kinetic or jacobian",
            })
    }
}

/// The path integrals of a batch, `[B]` each.
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
