//! Bijections one after the other.

use crate::bijection::{Bijection, Transformed};
use crate::error::{FlowError, Result};
use crate::pass::Pass;
use crate::path::ContinuousPath;
use candle_core::Tensor;
use ffjord_nn::Parameter;

/// The composition of bijections; log-determinants and path integrals add up. Each part's rows have the shape that the
/// part before it made of them.
///
/// Part `i`'s parameters are named `chain.<i>.…`, as in the original implementation.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, Chain, Cnf, MovingBatchNorm, Pass};
/// use rand::SeedableRng;
///
/// let norm = || MovingBatchNorm::new(&[2], DType::F32, &Device::Cpu);
/// let cnf = Cnf::builder(2).hidden([16]).build()?;
/// let chain = Chain::new(vec![Box::new(norm()?), Box::new(cnf), Box::new(norm()?)])?;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let image = chain.forward(&Tensor::zeros((4, 2), DType::F32, &Device::Cpu)?, &mut Pass::evaluation(&mut rng))?;
/// assert_eq!(image.log_det()?.dims(), [4]);
/// assert!(chain.parameters().iter().any(|parameter| parameter.name.starts_with("chain.1.")));
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct Chain {
    parts: Vec<Box<dyn Bijection>>,
    given: usize,
}

impl Chain {
    /// The composition of `parts`, the first nearest to the data.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] without parts, when a part does not take the rows that the part before it makes, or
    /// when parts depend on conditions of different widths.
    pub fn new(parts: Vec<Box<dyn Bijection>>) -> Result<Self> {
        let invalid = |setting, given, accepted| Err(FlowError::invalid(setting, given, accepted));
        if parts.is_empty() {
            return invalid("parts of a chain", "none".to_string(), "one or more bijections");
        }
        for (index, pair) in parts.windows(2).enumerate() {
            if pair[0].output_shape() != pair[1].input_shape() {
                return invalid(
                    "shapes of a chain",
                    format!(
                        "part {index} makes rows of {:?}, but part {} takes {:?}",
                        pair[0].output_shape(),
                        index + 1,
                        pair[1].input_shape()
                    ),
                    "parts each of which takes what the part before it makes",
                );
            }
        }
        let given = common_condition(&parts)?;
        Ok(Self { parts, given })
    }

    /// The parts, the first nearest to the data.
    #[must_use]
    pub fn parts(&self) -> &[Box<dyn Bijection>] {
        &self.parts
    }
}

/// Applies parts in turn; those without a condition are not shown the pass's.
fn compose<'p>(
    input: &Tensor,
    parts: impl Iterator<Item = &'p Box<dyn Bijection>>,
    pass: &mut Pass<'_>,
    apply: impl Fn(&dyn Bijection, &Tensor, &mut Pass<'_>) -> Result<Transformed>,
) -> Result<Transformed> {
    let rows = input.dim(0)?;
    let mut total = Transformed {
        value: input.clone(),
        log_det: Some(Tensor::zeros(rows, input.dtype(), input.device())?),
        integrals: Default::default(),
    };
    let mut first = true;
    for part in parts {
        let next = with_own_condition(part.as_ref(), pass, |pass| apply(part.as_ref(), &total.value, pass))?;
        total = match first {
            true => next,
            false => total.then(next)?,
        };
        first = false;
    }
    Ok(total)
}

/// Runs `apply` with the pass's condition hidden unless `part` depends on one.
pub(crate) fn with_own_condition<R>(
    part: &dyn Bijection,
    pass: &mut Pass<'_>,
    apply: impl FnOnce(&mut Pass<'_>) -> R,
) -> R {
    let given = pass.condition().cloned();
    pass.set_given(given.clone().filter(|_| part.given_len() > 0));
    let result = apply(pass);
    pass.set_given(given);
    result
}

/// The width of the condition that the parts depend on, 0 without one.
pub(crate) fn common_condition(parts: &[Box<dyn Bijection>]) -> Result<usize> {
    let mut widths = parts.iter().map(|part| part.given_len()).filter(|width| *width > 0);
    let given = widths.next().unwrap_or(0);
    match widths.find(|width| *width != given) {
        None => Ok(given),
        Some(other) => Err(FlowError::invalid(
            "conditions of a chain",
            format!("{given} and {other} columns"),
            "of one width, for every part that has one",
        )),
    }
}

/// What `list` finds in every part, under `prefix.<index>`.
pub(crate) fn named(
    parts: &[Box<dyn Bijection>],
    prefix: &str,
    list: impl Fn(&dyn Bijection) -> Vec<Parameter>,
) -> Vec<Parameter> {
    let of = |(index, found): (usize, Vec<Parameter>)| {
        let prefix = format!("{prefix}.{index}");
        found.into_iter().map(move |parameter| parameter.under(&prefix))
    };
    let found = parts.iter().map(|part| list(part.as_ref()));
    found.enumerate().flat_map(of).collect()
}

impl Bijection for Chain {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        compose(x, self.parts.iter(), pass, |part, x, pass| {
            part.forward(x, pass)?.checked(part, x.dim(0)?, part.output_shape())
        })
    }

    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        compose(z, self.parts.iter().rev(), pass, |part, z, pass| {
            part.inverse(z, pass)?.checked(part, z.dim(0)?, part.input_shape())
        })
    }

    fn parameters(&self) -> Vec<Parameter> {
        named(&self.parts, "chain", |part| part.parameters())
    }

    fn buffers(&self) -> Vec<Parameter> {
        named(&self.parts, "chain", |part| part.buffers())
    }

    fn input_shape(&self) -> &[usize] {
        self.parts.first().map_or(&[], |part| part.input_shape())
    }

    fn output_shape(&self) -> &[usize] {
        self.parts.last().map_or(&[], |part| part.output_shape())
    }

    fn given_len(&self) -> usize {
        self.given
    }

    fn uses_batch_statistics(&self) -> bool {
        self.parts.iter().any(|part| part.uses_batch_statistics())
    }

    fn sets_parameters_in_training(&self) -> bool {
        self.parts.iter().any(|part| part.sets_parameters_in_training())
    }

    fn end_times(&self) -> Vec<f64> {
        self.parts.iter().flat_map(|part| part.end_times()).collect()
    }

    fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| part.is_fixed())
    }

    fn path(&self) -> Option<ContinuousPath<'_>> {
        ContinuousPath::of_chain(&self.parts)
    }
}
