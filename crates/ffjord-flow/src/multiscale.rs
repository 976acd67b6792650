//! Multiscale flows: part of the channels leaves after every scale.

use crate::bijection::{Bijection, Transformed};
use crate::chain::{Chain, common_condition, named, with_own_condition};
use crate::error::{FlowError, Result};
use crate::pass::Pass;
use crate::squeeze::Squeeze;
use candle_core::Tensor;
use ffjord_nn::Parameter;

/// Bijections of images one after the other, each but the last of which passes on the first half of its channels and factors
/// out the second (Dinh et al. 2017, section 3.6): `[B, C, H, W] → [B, D]`.
///
/// The image of a row is what the first scale factors out, then what the second does, and so on, then all of the last
/// scale, each flattened channel by channel. Backwards, the half that was kept stands before the one that was factored out.
/// Scale `i`'s parameters are named `transforms.<i>.…`, as in the original implementation.
///
/// ```
/// use ffjord_flow::{Bijection, Logit, Multiscale, ZeroMean};
///
/// // Any map of images of a shape stands for the blocks: here 2 at 2 scales of 1 × 8 × 8, and the logit first.
/// let logit = Logit::new(&[1, 8, 8], 1e-6)?;
/// let shape = [1, 8, 8];
/// let mut seen = Vec::new();
/// let flow = Multiscale::build(shape, 2, 2, vec![Box::new(logit)], |shape| {
///     seen.push(shape);
///     Ok(Box::new(ZeroMean::new(&shape)?) as Box<dyn Bijection>)
/// })?;
/// assert_eq!(seen[1..4], [[1, 8, 8], [4, 4, 4], [4, 4, 4]]);
/// assert_eq!((seen[5], flow.output_shape()), ([2, 4, 4], &[64][..]));
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct Multiscale {
    scales: Vec<Box<dyn Bijection>>,
    output: [usize; 1],
    given: usize,
}

impl Multiscale {
    /// The composition of `scales`, the first nearest to the data.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] without scales, unless each but the last makes images with an even number of channels,
    /// of which the next takes half, and when parts depend on conditions of different widths.
    pub fn new(scales: Vec<Box<dyn Bijection>>) -> Result<Self> {
        let invalid = |given: String, accepted| Err(FlowError::invalid("scales", given, accepted));
        if scales.is_empty() {
            return invalid("none".to_string(), "one or more bijections");
        }
        for (index, pair) in scales.windows(2).enumerate() {
            let (made, taken) = (pair[0].output_shape(), pair[1].input_shape());
            let half = match made {
                [channels, rest @ ..] if channels.is_multiple_of(2) => [&[channels / 2], rest].concat(),
                _ => Vec::new(),
            };
            if taken != half {
                return invalid(
                    format!(
                        "scale {index} makes rows of {made:?}, but scale {} takes {taken:?}",
                        index + 1
                    ),
                    "images with an even number of channels, of which the next scale takes half",
                );
            }
        }
        let given = common_condition(&scales)?;
        let numbers = scales[0].input_shape().iter().product();
        Ok(Self {
            scales,
            output: [numbers],
            given,
        })
    }

    /// `scales` scales of images of `shape` `[C, H, W]`: `first` before all, then `blocks` maps that `block` makes for a
    /// shape, a [`Squeeze`] by 2 and again `blocks` maps, but for the last scale, which has `blocks` maps and no squeeze
    /// (FFJORD, section 4.2, as the released code builds it). A new scale has twice the channels and half of each side.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] without scales or blocks, or when a side that is to be halved is odd; those of `block`.
    pub fn build(
        shape: [usize; 3],
        scales: usize,
        blocks: usize,
        first: Vec<Box<dyn Bijection>>,
        mut block: impl FnMut([usize; 3]) -> Result<Box<dyn Bijection>>,
    ) -> Result<Self> {
        if scales == 0 || blocks == 0 {
            return Err(FlowError::invalid(
                "multiscale flow",
                format!("{scales} scales of {blocks} blocks"),
                "at least one of each",
            ));
        }
        let (mut parts, mut chains) = (first, Vec::<Box<dyn Bijection>>::new());
        let [mut channels, mut height, mut width] = shape;
        for scale in 0..scales {
            let mut several = |shape, parts: &mut Vec<Box<dyn Bijection>>| -> Result<()> {
                for _ in 0..blocks {
                    parts.push(block(shape)?);
                }
                Ok(())
            };
            several([channels, height, width], &mut parts)?;
            if scale + 1 < scales {
                parts.push(Box::new(Squeeze::new(&[channels, height, width], 2)?));
                (height, width) = (height / 2, width / 2);
                several([4 * channels, height, width], &mut parts)?;
                channels *= 2;
            }
            chains.push(Box::new(Chain::new(std::mem::take(&mut parts))?));
        }
        Self::new(chains)
    }

    /// How many scales the released code has for images of this height and width: as often as both sides are 4 or more when
    /// halved, rounded down, time after time.
    ///
    /// ```
    /// use ffjord_flow::Multiscale;
    /// assert_eq!([(28, 28), (32, 32), (8, 64)].map(|(h, w)| Multiscale::scales_of(h, w)), [3, 4, 2]);
    /// ```
    #[must_use]
    pub fn scales_of(height: usize, width: usize) -> usize {
        let halvings = std::iter::successors(Some(height.min(width)), |side| Some(side / 2));
        halvings.take_while(|side| *side >= 4).count()
    }

    /// The scales, the first nearest to the data.
    #[must_use]
    pub fn scales(&self) -> &[Box<dyn Bijection>] {
        &self.scales
    }

    /// The numbers that scale `index` factors out.
    fn leaving(&self, index: usize) -> usize {
        let numbers: usize = self.scales[index].output_shape().iter().product();
        if index + 1 < self.scales.len() {
            numbers / 2
        } else {
            numbers
        }
    }

    /// Fails unless `input` is a batch of noise.
    fn check_noise(&self, input: &Tensor) -> Result<()> {
        crate::bijection::check_rows("batch", input, &self.output)
    }
}

impl Bijection for Multiscale {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        let (rows, last) = (x.dim(0)?, self.scales.len() - 1);
        let mut total: Option<Transformed> = None;
        let mut left = Vec::with_capacity(self.scales.len());
        for (index, scale) in self.scales.iter().enumerate() {
            let input = total.as_ref().map_or(x, |total| &total.value).clone();
            let next = with_own_condition(scale.as_ref(), pass, |pass| scale.forward(&input, pass))?;
            let mut image = next.checked(scale.as_ref(), rows, scale.output_shape())?;
            if index < last {
                let half = image.value.dim(1)? / 2;
                left.push(image.value.narrow(1, half, half)?.flatten_from(1)?);
                image.value = image.value.narrow(1, 0, half)?.contiguous()?;
            } else {
                left.push(image.value.flatten_from(1)?);
            }
            total = Some(match total {
                None => image,
                Some(total) => total.then(image)?,
            });
        }
        let mut total = total.ok_or(FlowError::NoLogDet)?;
        total.value = Tensor::cat(&left, 1)?;
        Ok(total)
    }

    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.check_noise(z)?;
        let rows = z.dim(0)?;
        let mut total: Option<Transformed> = None;
        let mut end = self.output[0];
        for (index, scale) in self.scales.iter().enumerate().rev() {
            let leaving = self.leaving(index);
            let own = z.narrow(1, end - leaving, leaving)?;
            end -= leaving;
            let mut shape = vec![rows];
            shape.extend_from_slice(scale.output_shape());
            let input = match &total {
                None => own.reshape(shape)?,
                Some(total) => Tensor::cat(&[total.value.flatten_from(1)?, own], 1)?.reshape(shape)?,
            };
            let next = with_own_condition(scale.as_ref(), pass, |pass| scale.inverse(&input, pass))?;
            let next = next.checked(scale.as_ref(), rows, scale.input_shape())?;
            total = Some(match total {
                None => next,
                Some(total) => total.then(next)?,
            });
        }
        total.ok_or(FlowError::NoLogDet)
    }

    fn parameters(&self) -> Vec<Parameter> {
        named(&self.scales, "transforms", |scale| scale.parameters())
    }

    fn buffers(&self) -> Vec<Parameter> {
        named(&self.scales, "transforms", |scale| scale.buffers())
    }

    fn input_shape(&self) -> &[usize] {
        self.scales[0].input_shape()
    }

    fn output_shape(&self) -> &[usize] {
        &self.output
    }

    fn given_len(&self) -> usize {
        self.given
    }

    fn uses_batch_statistics(&self) -> bool {
        self.scales.iter().any(|scale| scale.uses_batch_statistics())
    }

    fn sets_parameters_in_training(&self) -> bool {
        self.scales.iter().any(|scale| scale.sets_parameters_in_training())
    }

    fn end_times(&self) -> Vec<f64> {
        self.scales.iter().flat_map(|scale| scale.end_times()).collect()
    }
}
