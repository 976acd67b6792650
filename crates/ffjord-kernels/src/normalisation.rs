//! Group normalisation of images with tangents (Wu and He 2018), and its reverse mode.
//!
//! With h = (x − mean x) s and s = (var x + ε)^(−½) over a group of channels, y = γ h + β, where every channel has its γ
//! and β, the same for all images or each image's own. Along a tangent v of x
//!
//! ```text
//! dy = γ u,    u = s (v − mean v − h mean(h v)).
//! ```
//!
//! A *stack* holds `1 + K` arrays of images `[R, P, C]` one after another, P pixels of C channels each: the values, then K
//! tangents. Channels lie side by side, so that all of a pixel's are treated together.

use crate::error::check_length;
use crate::simd::{Isa, Kernel, SimdLevel};
use crate::{KernelError, Real};

/// What is normalised: stacks of images `[(1 + K) R, P, C]`.
///
/// ```
/// use ffjord_kernels::normalisation::GroupNorm;
/// use ffjord_kernels::simd::SimdLevel;
///
/// // One image of two channels of two pixels, in one group.
/// let norm = GroupNorm { rows: 1, channels: 2, pixels: 2, groups: 1, epsilon: 0.0 };
/// let mut y = [0.0f64; 4];
/// norm.forward(SimdLevel::detect(), &[1.0, 1.0, 3.0, 3.0], &[1.0, 2.0], &[0.0, 0.5], &mut y)?;
/// assert_eq!(y, [-1.0, -1.5, 1.0, 2.5]);
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
///
/// ```
/// use ffjord_kernels::normalisation::{GroupNorm, GroupNormGradient};
/// use ffjord_kernels::simd::SimdLevel;
///
/// let norm = GroupNorm { rows: 1, channels: 1, pixels: 4, groups: 1, epsilon: 0.0 };
/// let x = [1.0f64, 1.0, 3.0, 3.0];                        // normalised: (−1, −1, 1, 1)
/// let (mut of_x, mut of_scale, mut of_shift) = ([9.0; 4], [0.0], [0.0]);
/// let gradient = GroupNormGradient { stack: &mut of_x, scale: &mut of_scale, shift: &mut of_shift };
/// norm.reverse(SimdLevel::detect(), &x, &[2.0], &[1.0, 1.0, 1.0, 2.0], gradient)?;
/// assert!((of_scale[0] - (-1.0 - 1.0 + 1.0 + 2.0)).abs() < 1e-12 && (of_shift[0] - 5.0).abs() < 1e-12);
/// // A shift of all pixels changes nothing, so that the gradient sums to zero.
/// assert!(of_x.iter().sum::<f64>().abs() < 1e-12 && of_x[3] > 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

    fn tangents<T>(&self, stack: &[T]) -> usize {
        stack.len() / (self.rows * self.channels * self.pixels).max(1) - 1
    }

    /// One over the numbers of a group.
    fn share<T: Real>(&self) -> T {
        T::ONE / T::from_f64((self.channels / self.groups * self.pixels) as f64)
    }

    /// For each channel what `f` makes of the sum of its group's channels.
    #[inline(always)]
    fn over_groups<T: Real>(&self, of_channels: &[T], to: &mut [T], f: impl Fn(T) -> T) {
        let channels = self.channels / self.groups;
        for (sums, to) in of_channels.chunks_exact(channels).zip(to.chunks_exact_mut(channels)) {
            to.fill(f(sums.iter().fold(T::ZERO, |total, &sum| total + sum)));
        }
    }

    /// The mean and s of an image's groups, for each channel.
    #[inline(always)]
    fn moments<T: Real>(&self, x: &[T], mean: &mut [T], s: &mut [T], sums: &mut [T]) {
        let (share, epsilon) = (self.share::<T>(), T::from_f64(self.epsilon));
        sum(x, x, mean, sums, |x, _, _| x);
        self.over_groups(sums, mean, |total| total * share);
        sum(x, x, mean, sums, |x, _, mean| (x - mean) * (x - mean));
        self.over_groups(sums, s, |total| T::ONE / (total * share + epsilon).sqrt());
    }
}

/// Σ f(a, b, number of the channel) over pixels, for each channel.
#[inline(always)]
fn sum<T: Real>(a: &[T], b: &[T], of_channel: &[T], sums: &mut [T], f: impl Fn(T, T, T) -> T) {
    let channels = sums.len();
    sums.fill(T::ZERO);
    for (a, b) in a.chunks_exact(channels).zip(b.chunks_exact(channels)) {
        for (((sum, &a), &b), &number) in sums.iter_mut().zip(a).zip(b).zip(of_channel) {
            *sum += f(a, b, number);
        }
    }
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
        let Self { norm, stack, to, .. } = self;
        let channels = norm.channels;
        let (image, share) = (channels * norm.pixels, norm.share::<T>());
        let mut numbers = vec![T::ZERO; 6 * channels];
        let mut parts = numbers.chunks_exact_mut(channels);
        let [Some(mean), Some(s), Some(sums), Some(factor), Some(mean_v), Some(along)] =
            std::array::from_fn(|_| parts.next())
        else {
            return;
        };
        for row in 0..norm.rows {
            let first = if self.per_row { row * channels } else { 0 };
            let (scale, shift) = (&self.scale[first..][..channels], &self.shift[first..][..channels]);
            let x = &stack[row * image..][..image];
            norm.moments(x, mean, s, sums);
            for ((factor, &scale), &s) in factor.iter_mut().zip(scale).zip(&*s) {
                *factor = scale * s;
            }
            let pixels = to[row * image..][..image].chunks_exact_mut(channels);
            for (to, x) in pixels.zip(x.chunks_exact(channels)) {
                let of_channel = mean.iter().zip(&*factor).zip(shift);
                for ((to, &x), ((&mean, &factor), &shift)) in to.iter_mut().zip(x).zip(of_channel) {
                    *to = (x - mean).fma::<S>(factor, shift);
                }
            }
            for tangent in 1..=norm.tangents(stack) {
                let place = (tangent * norm.rows + row) * image;
                let v = &stack[place..][..image];
                sum(v, v, mean, sums, |v, _, _| v);
                norm.over_groups(sums, mean_v, |total| total * share);
                sum(x, v, mean, sums, |x, v, mean| (x - mean) * v);
                norm.over_groups(sums, along, |total| total * share);
                for (along, &s) in along.iter_mut().zip(&*s) {
                    *along = *along * s * s;
                }
                let pixels = to[place..][..image].chunks_exact_mut(channels);
                for ((to, x), v) in pixels.zip(x.chunks_exact(channels)).zip(v.chunks_exact(channels)) {
                    let of_channel = mean.iter().zip(&*factor).zip(&*mean_v).zip(&*along);
                    let numbers = x.iter().zip(v).zip(of_channel);
                    for (to, ((&x, &v), (((&mean, &factor), &mean_v), &along))) in to.iter_mut().zip(numbers) {
                        *to = (v - mean_v - (x - mean) * along) * factor;
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
        let channels = norm.channels;
        let (image, share) = (channels * norm.pixels, norm.share::<T>());
        let (values, of_tangents) = self.gradient.stack.split_at_mut(norm.rows * image);
        let mut numbers = vec![T::ZERO; 13 * channels];
        let mut parts = numbers.chunks_exact_mut(channels);
        let [
            Some(mean),
            Some(s),
            Some(sums),
            Some(plain),
            Some(through_h),
            Some(mean_v),
            Some(m),
            Some(total),
            Some(along),
            Some(with_v),
            Some(mean_b),
            Some(q),
            Some(both),
        ] = std::array::from_fn(|_| parts.next())
        else {
            return;
        };
        for row in 0..norm.rows {
            let first = if self.per_row { row * channels } else { 0 };
            let scale = &self.scale[first..][..channels];
            let of_scale = &mut self.gradient.scale[first..][..channels];
            let of_shift = &mut self.gradient.shift[first..][..channels];
            let (x, y) = (&stack[row * image..][..image], &self.cotangents[row * image..][..image]);
            norm.moments(x, mean, s, sums);
            // mean a and mean(h a), of which mean A and what multiplies h are made.
            sum(y, y, mean, total, |y, _, _| y);
            sum(y, x, mean, along, |y, x, mean| y * (x - mean));
            for c in 0..channels {
                of_shift[c] += total[c];
                of_scale[c] += along[c] * s[c];
                total[c] *= scale[c];
                along[c] *= s[c] * scale[c];
            }
            norm.over_groups(total, plain, |total| total * share);
            norm.over_groups(along, through_h, |total| total * share);
            let to = &mut values[row * image..][..image];
            for (to, y) in to.chunks_exact_mut(channels).zip(y.chunks_exact(channels)) {
                for (((to, &y), &scale), &s) in to.iter_mut().zip(y).zip(scale).zip(&*s) {
                    *to = y * (scale * s);
                }
            }
            for tangent in 0..norm.tangents(stack) {
                let place = (tangent * norm.rows + row) * image;
                let v = &stack[norm.rows * image + place..][..image];
                let w = &self.cotangents[norm.rows * image + place..][..image];
                sum(v, v, mean, sums, |v, _, _| v);
                norm.over_groups(sums, mean_v, |total| total * share);
                sum(x, v, mean, sums, |x, v, mean| (x - mean) * v);
                norm.over_groups(sums, m, |total| total * share);
                sum(w, w, mean, total, |w, _, _| w);
                sum(w, x, mean, along, |w, x, mean| w * (x - mean));
                sum(w, v, mean, with_v, |w, v, _| w * v);
                for c in 0..channels {
                    m[c] *= s[c];
                    along[c] *= s[c];
                    of_scale[c] += s[c] * (with_v[c] - mean_v[c] * total[c] - m[c] * along[c]);
                    total[c] *= scale[c];
                    along[c] *= scale[c];
                    with_v[c] *= scale[c];
                }
                norm.over_groups(total, mean_b, |total| total * share);
                norm.over_groups(along, q, |total| total * share);
                norm.over_groups(with_v, both, |total| total * share);
                for c in 0..channels {
                    plain[c] -= s[c] * (mean_b[c] * m[c] + mean_v[c] * q[c]);
                    let mean_bu = s[c] * (both[c] - mean_b[c] * mean_v[c] - q[c] * m[c]);
                    through_h[c] += mean_bu - s[c] * T::TWO * (m[c] * q[c]);
                }
                let of_v = of_tangents[place..][..image].chunks_exact_mut(channels);
                let outputs = of_v.zip(to.chunks_exact_mut(channels));
                let inputs = x.chunks_exact(channels).zip(v.chunks_exact(channels));
                let inputs = inputs.zip(w.chunks_exact(channels));
                for ((of_v, to), ((x, v), w)) in outputs.zip(inputs) {
                    for c in 0..channels {
                        let b = w[c] * scale[c];
                        of_v[c] = (b - mean_b[c] - (x[c] - mean[c]) * (s[c] * q[c])) * s[c];
                        to[c] -= (b * m[c] + v[c] * q[c]) * (s[c] * s[c]);
                    }
                }
            }
            for c in 0..channels {
                plain[c] *= s[c];
                through_h[c] *= s[c] * s[c];
            }
            for (to, x) in to.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                let of_channel = mean.iter().zip(&*plain).zip(&*through_h);
                for ((to, &x), ((&mean, &plain), &through_h)) in to.iter_mut().zip(x).zip(of_channel) {
                    *to = *to - plain - (x - mean) * through_h;
                }
            }
        }
    }
}
