//! The continuous parts of a flow by themselves.

use crate::bijection::{Bijection, Velocity};
use crate::error::Result;
use crate::pass::Pass;
use candle_core::Tensor;

/// The continuous parts of a map, the first nearest to the data, and the fixed maps that lead from data to where their
/// path begins.
///
/// ```
/// use ffjord_flow::{Bijection, Chain, Cnf, MarginalMaps};
/// use candle_core::{DType, Device};
///
/// let maps = MarginalMaps::new(2, 16, DType::F32, &Device::Cpu)?;
/// let chain = Chain::new(vec![Box::new(maps), Box::new(Cnf::builder(2).build()?)])?;
/// assert_eq!(chain.path().map(|path| path.velocities().len()), Some(1));
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
pub struct ContinuousPath<'a> {
    fixed: Vec<&'a dyn Bijection>,
    velocities: Vec<&'a dyn Velocity>,
}

impl<'a> ContinuousPath<'a> {
    /// The path of one continuous part.
    pub fn of(velocity: &'a dyn Velocity) -> Self {
        Self {
            fixed: Vec::new(),
            velocities: vec![velocity],
        }
    }

    /// The path of parts one after the other; none unless all fixed ones come first and others follow.
    pub(crate) fn of_chain(parts: &'a [Box<dyn Bijection>]) -> Option<Self> {
        let fixed = parts.iter().take_while(|part| part.is_fixed()).count();
        let mut whole: Option<Self> = None;
        for part in &parts[fixed..] {
            let next = part.path()?;
            whole = Some(match whole {
                None => next,
                // Further in, a fixed map would cut the path in two.
                Some(_) if !next.fixed.is_empty() => return None,
                Some(mut whole) => {
                    whole.velocities.extend(next.velocities);
                    whole
                }
            });
        }
        let mut whole = whole?;
        let outer = parts[..fixed].iter().map(AsRef::as_ref);
        whole.fixed = outer.chain(whole.fixed).collect();
        Some(whole)
    }

    /// The velocities, the first nearest to the data; at least one.
    #[must_use]
    pub fn velocities(&self) -> &[&'a dyn Velocity] {
        &self.velocities
    }

    /// Where the path of rows `[B, …]` of data begins: the rows themselves, unless fixed maps come first.
    ///
    /// # Errors
    /// Those of the fixed maps.
    pub fn start(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor> {
        let given = pass.condition().cloned();
        let mut rows = x.clone();
        for map in &self.fixed {
            pass.set_given(given.clone().filter(|_| map.given_len() > 0));
            let image = map.forward(&rows, pass);
            pass.set_given(given.clone());
            rows = image?.value;
        }
        Ok(rows)
    }
}

impl std::fmt::Debug for ContinuousPath<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ContinuousPath")
            .field("fixed", &self.fixed)
            .field("velocities", &self.velocities.len())
            .finish()
    }
}
