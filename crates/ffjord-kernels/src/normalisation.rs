//! Group normalisation of images with tangents (Wu and He 2018), and its reverse mode.
//!
//! With h = (x − mean x) s and s = (var x + ε)^(−½) over a group of channels, y = γ h + β, where every channel has its γ
//! and β, the same for all images or each image's own. Along a tangent v of x
//!
//! ```text
//! dy = γ u,    u = s (v − mean v − h mean(h v)).
//! ```
//!
//! A *stack* holds `1 + K` arrays of images `[R, C, P]` one after another, P pixels each: the values, then K tangents.

use crate::error::check_length;
use crate::simd::{Isa, Kernel, SimdLevel};
use crate::{KernelError, Real};

/// Sums are taken in so many lanes, whatever the instruction set.
const LANES: usize = 32;

/// What is normalised: stacks of images `[(1 + K) R, C, P]`.
///
/// ```
/// use ffjord_kernels::normalisation::GroupNorm;
/// use ffjord_kernels::simd::SimdLevel;
///
/// // One image of two channels of two pixels, in one group.
/// let norm = GroupNorm { rows: 1, channels: 2, pixels: 2, groups: 1, epsilon: 0.0 };
/// let mut y = [0.0f64; 4];
/// norm.forward(SimdLevel::detect(), &[1.0, 3.0, 1.0, 3.0], &[1.0, 2.0], &[0.0, 0.5], &mut y)?;
/// assert_eq!(y, [-1.0, 1.0, -1.5, 2.5]);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNorm {
    /// R, the images that are values.
    pub rows: usize,
    /// C, a multiple of the number of groups.
    pub channels: usize,
    /// P, the pixels of an image.
    pub pixels: usize,
    /// The groups that channels next to each other are put into.
    pub groups: usize,
    /// ε, added to the variance.
    pub epsilon: f64,
}

/// Where [`GroupNorm::reverse`] puts the gradients.
#[derive(Debug)]
pub struct GroupNormGradient<'a, T> {
    /// Of the stack, as long as it; overwritten.
    pub stack: &'a mut [T],
    /// Of γ, as long as it; added to.
    pub scale: &'a mut [T],
    /// Of β, as long as γ; added to.
    pub shift: &'a mut [T],
}

impl GroupNorm {
    /// Writes (γ h + β, γ u₁, …) for a stack (x, v₁, …); γ and β are `[C]`, or `[R, C]` with numbers for each image.
    ///
    /// # Errors
    /// [`KernelError::Length`] or [`KernelError::NotWhole`] unless the lengths fit, and [`KernelError::Groups`] for groups
    /// that channels cannot be put into.
    pub fn forward<T: Real>(
        &self,
        level: SimdLevel,
        stack: &[T],
        scale: &[T],
        shift: &[T],
        to: &mut [T],
    ) -> Result<(), KernelError> {
        let per_row = self.check(stack, scale)?;
        check_length("the shifts of a normalisation", shift.len(), scale.len())?;
        check_length("the result of a normalisation", to.len(), stack.len())?;
        level.dispatch(Forward {
            norm: *self,
            per_row,
            stack,
            scale,
            shift,
            to,
        });
        Ok(())
    }

    /// The gradients for cotangents of what [`forward`](Self::forward) made of a stack.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn reverse<T: Real>(
        &self,
        level: SimdLevel,
        stack: &[T],
        scale: &[T],
        cotangents: &[T],
        gradient: GroupNormGradient<'_, T>,
    ) -> Result<(), KernelError> {
        let per_row = self.check(stack, scale)?;
        for (what, given, expected) in [
            ("the cotangents of a normalisation", cotangents.len(), stack.len()),
            ("the gradient of a stack", gradient.stack.len(), stack.len()),
            ("the gradient of scales", gradient.scale.len(), scale.len()),
            ("the gradient of shifts", gradient.shift.len(), scale.len()),
        ] {
            check_length(what, given, expected)?;
        }
        level.dispatch(Reverse {
            norm: *self,
            per_row,
            stack,
            scale,
            cotangents,
            gradient,
        });
        Ok(())
    }

    /// Whether every image has scales of its own.
    fn check<T>(&self, stack: &[T], scale: &[T]) -> Result<bool, KernelError> {
        let &Self {
            rows,
            channels,
            pixels,
            groups,
            ..
        } = self;
        if groups == 0 || channels == 0 || pixels == 0 || !channels.is_multiple_of(groups) {
            return Err(KernelError::Groups { channels, groups });
        }
        let values = rows * channels * pixels;
        if stack.len() < values || !stack.len().is_multiple_of(values.max(1)) {
            return Err(KernelError::NotWhole {
                what: "the stack of a normalisation",
                given: stack.len(),
                of: values,
            });
        }
        if scale.len() == channels {
            return Ok(false);
        }
        check_length("the scales of a normalisation", scale.len(), rows * channels)?;
        Ok(true)
    }

    /// The numbers of a group.
    fn group_len(&self) -> usize {
        self.channels / self.groups * self.pixels
    }

    fn tangents<T>(&self, stack: &[T]) -> usize {
        stack.len() / (self.rows * self.channels * self.pixels).max(1) - 1
    }

    /// Where a group's numbers begin in the stack, and its channels' in scales and shifts.
    fn places(&self, row: usize, group: usize, per_row: bool) -> (usize, usize) {
        let channel = group * (self.channels / self.groups);
        let first = row * self.channels + channel;
        (first * self.pixels, if per_row { first } else { channel })
    }
}

/// Σ f(aᵢ, bᵢ).
#[inline(always)]
fn sum<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f(a, b);
        }
    }
    for ((lane, &a), &b) in lanes.iter_mut().zip(rest_a).zip(rest_b) {
        *lane += f(a, b);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Mean and s of a group.
#[inline(always)]
fn moments<T: Real>(x: &[T], epsilon: T) -> (T, T) {
    let share = T::ONE / T::from_f64(x.len() as f64);
    let mean = sum(x, x, |x, _| x) * share;
    let variance = sum(x, x, |x, _| (x - mean) * (x - mean)) * share;
    (mean, T::ONE / (variance + epsilon).sqrt())
}

struct Forward<'a, T> {
    norm: GroupNorm,
    per_row: bool,
    stack: &'a [T],
    scale: &'a [T],
    shift: &'a [T],
    to: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { norm, stack, .. } = self;
        let (len, pixels) = (norm.group_len(), norm.pixels);
        let (array, tangents) = (norm.rows * norm.channels * pixels, norm.tangents(stack));
        let (epsilon, share) = (T::from_f64(norm.epsilon), T::ONE / T::from_f64(len as f64));
        for row in 0..norm.rows {
            for group in 0..norm.groups {
                let (first, channel) = norm.places(row, group, self.per_row);
                let scales = &self.scale[channel..][..len / pixels];
                let shifts = &self.shift[channel..][..len / pixels];
                let x = &stack[first..][..len];
                let (mean, s) = moments(x, epsilon);
                let channels = self.to[first..][..len]
                    .chunks_exact_mut(pixels)
                    .zip(x.chunks_exact(pixels));
                for ((to, x), (&scale, &shift)) in channels.zip(scales.iter().zip(shifts)) {
                    let factor = scale * s;
                    for (to, &x) in to.iter_mut().zip(x) {
                        *to = (x - mean).fma::<S>(factor, shift);
                    }
                }
                for tangent in 1..=tangents {
                    let place = tangent * array + first;
                    let v = &stack[place..][..len];
                    let mean_v = sum(v, v, |v, _| v) * share;
                    let along = sum(x, v, |x, v| (x - mean) * v) * share * s * s;
                    let channels = self.to[place..][..len].chunks_exact_mut(pixels);
                    let inputs = x.chunks_exact(pixels).zip(v.chunks_exact(pixels));
                    for ((to, (x, v)), &scale) in channels.zip(inputs).zip(scales) {
                        let factor = scale * s;
                        for ((to, &x), &v) in to.iter_mut().zip(x).zip(v) {
                            *to = (v - mean_v - (x - mean) * along) * factor;
                        }
                    }
                }
            }
        }
    }
}

struct Reverse<'a, T> {
    norm: GroupNorm,
    per_row: bool,
    stack: &'a [T],
    scale: &'a [T],
    cotangents: &'a [T],
    gradient: GroupNormGradient<'a, T>,
}

impl<T: Real> Kernel for Reverse<'_, T> {
    type Output = ();

    /// With a = γ ȳ, b = γ dȳ, m = mean(h v) and q = mean(h b):
    ///
    /// ```text
    /// v̄ = s (b − mean b − h q),
    /// x̄ = s (A − mean A − h mean(h A)) − s h Σ mean(b u),    A = a − s Σ (b m + v q).
    /// ```
    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { norm, stack, .. } = self;
        let (len, pixels) = (norm.group_len(), norm.pixels);
        let (array, tangents) = (norm.rows * norm.channels * pixels, norm.tangents(stack));
        let (epsilon, share) = (T::from_f64(norm.epsilon), T::ONE / T::from_f64(len as f64));
        let (values, of_tangents) = self.gradient.stack.split_at_mut(array);
        for row in 0..norm.rows {
            for group in 0..norm.groups {
                let (first, channel) = norm.places(row, group, self.per_row);
                let scales = &self.scale[channel..][..len / pixels];
                let x = &stack[first..][..len];
                let (mean, s) = moments(x, epsilon);
                let of_channel = |index: usize| (index * pixels, (index + 1) * pixels);
                let y = &self.cotangents[first..][..len];
                // mean a and mean(h a).
                let (mut mean_a, mut along_a) = (T::ZERO, T::ZERO);
                for (index, &scale) in scales.iter().enumerate() {
                    let (from, end) = of_channel(index);
                    let plain = sum(&y[from..end], &y[from..end], |y, _| y);
                    let along = sum(&y[from..end], &x[from..end], |y, x| y * (x - mean)) * s;
                    self.gradient.shift[channel + index] += plain;
                    self.gradient.scale[channel + index] += along;
                    mean_a += scale * plain;
                    along_a += scale * along;
                }
                (mean_a, along_a) = (mean_a * share, along_a * share);
                let to = &mut values[first..][..len];
                for (index, &scale) in scales.iter().enumerate() {
                    let (from, end) = of_channel(index);
                    for (to, &y) in to[from..end].iter_mut().zip(&y[from..end]) {
                        *to = y * (scale * s);
                    }
                }
                // mean(h A) and Σ mean(b u), and mean A.
                let (mut through_h, mut plain) = (along_a, mean_a);
                for tangent in 0..tangents {
                    let place = tangent * array + first;
                    let v = &stack[place + array..][..len];
                    let w = &self.cotangents[place + array..][..len];
                    let mean_v = sum(v, v, |v, _| v) * share;
                    let m = sum(x, v, |x, v| (x - mean) * v) * share * s;
                    let (mut mean_b, mut q, mut both) = (T::ZERO, T::ZERO, T::ZERO);
                    for (index, &scale) in scales.iter().enumerate() {
                        let (from, end) = of_channel(index);
                        let (w, v, x) = (&w[from..end], &v[from..end], &x[from..end]);
                        let total = sum(w, w, |w, _| w);
                        let along = sum(w, x, |w, x| w * (x - mean)) * s;
                        let with_v = sum(w, v, |w, v| w * v);
                        self.gradient.scale[channel + index] += s * (with_v - mean_v * total - m * along);
                        mean_b += scale * total;
                        q += scale * along;
                        both += scale * with_v;
                    }
                    (mean_b, q, both) = (mean_b * share, q * share, both * share);
                    plain -= s * (mean_b * m + mean_v * q);
                    through_h += s * (both - mean_b * mean_v - q * m - T::TWO * (m * q));
                    let of_v = &mut of_tangents[place..][..len];
                    for (index, &scale) in scales.iter().enumerate() {
                        let (from, end) = of_channel(index);
                        let inputs = x[from..end].iter().zip(&v[from..end]).zip(&w[from..end]);
                        let outputs = of_v[from..end].iter_mut().zip(&mut to[from..end]);
                        for ((of_v, to), ((&x, &v), &w)) in outputs.zip(inputs) {
                            let b = w * scale;
                            *of_v = (b - mean_b - (x - mean) * (s * q)) * s;
                            *to += (b * m + v * q) * (-(s * s));
                        }
                    }
                }
                let (plain, through_h) = (plain * s, through_h * s * s);
                for (to, &x) in to.iter_mut().zip(x) {
                    *to = *to - plain - (x - mean) * through_h;
                }
            }
        }
    }
}
