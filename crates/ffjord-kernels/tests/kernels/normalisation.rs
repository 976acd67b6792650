//! Group normalisation against its definition, its reverse mode against differences, at every instruction set.

use ffjord_kernels::KernelError;
use ffjord_kernels::normalisation::{GroupNorm, GroupNormGradient};
use ffjord_kernels::simd::SimdLevel;

fn numbers(count: usize, seed: f64) -> Vec<f64> {
    (0..count)
        .map(|i| (seed + 1.3 * (i * i % 173) as f64).sin() + 0.3)
        .collect()
}

/// γ h + β by its definition.
fn by_definition(norm: GroupNorm, x: &[f64], scale: &[f64], shift: &[f64]) -> Vec<f64> {
    let GroupNorm {
        channels,
        pixels,
        groups,
        ..
    } = norm;
    let mut y = vec![0.0; x.len()];
    let size = channels / groups;
    for (image, group) in (0..norm.rows).flat_map(|image| (0..groups).map(move |group| (image, group))) {
        let place = |pixel: usize, channel: usize| (image * pixels + pixel) * channels + channel;
        let of_group = group * size..(group + 1) * size;
        let places = (0..pixels).flat_map(|pixel| of_group.clone().map(move |channel| (pixel, channel)));
        let count = (size * pixels) as f64;
        let mean = places.clone().map(|(p, c)| x[place(p, c)]).sum::<f64>() / count;
        let variance = places
            .clone()
            .map(|(p, c)| (x[place(p, c)] - mean).powi(2))
            .sum::<f64>()
            / count;
        for (pixel, channel) in places {
            let factor = (image * channels + channel) % scale.len();
            let h = (x[place(pixel, channel)] - mean) / (variance + norm.epsilon).sqrt();
            y[place(pixel, channel)] = scale[factor] * h + shift[factor];
        }
    }
    y
}

struct Case {
    norm: GroupNorm,
    stack: Vec<f64>,
    scale: Vec<f64>,
    shift: Vec<f64>,
    cotangents: Vec<f64>,
}

fn cases() -> impl Iterator<Item = Case> {
    let sizes = [(1, 2, 3, 1), (3, 4, 25, 2), (2, 6, 33, 3), (2, 3, 1, 1)];
    let all = sizes
        .into_iter()
        .flat_map(|size| [0, 1, 3].map(|tangents| (size, tangents)));
    all.flat_map(|case| [false, true].map(|per_row| (case, per_row))).map(
        |(((rows, channels, pixels, groups), tangents), per_row)| {
            let factors = if per_row { rows * channels } else { channels };
            let count = (1 + tangents) * rows * channels * pixels;
            Case {
                norm: GroupNorm {
                    rows,
                    channels,
                    pixels,
                    groups,
                    epsilon: 1e-2,
                },
                stack: numbers(count, 0.1),
                scale: numbers(factors, 0.7),
                shift: numbers(factors, 1.9),
                cotangents: numbers(count, 2.3),
            }
        },
    )
}

impl Case {
    fn forward(&self, level: SimdLevel, stack: &[f64], scale: &[f64]) -> Result<Vec<f64>, KernelError> {
        let mut to = vec![0.0; stack.len()];
        self.norm.forward(level, stack, scale, &self.shift, &mut to)?;
        Ok(to)
    }

    /// `Σ c y` for the cotangents c.
    fn loss(&self, stack: &[f64], scale: &[f64]) -> Result<f64, KernelError> {
        let y = self.forward(SimdLevel::scalar(), stack, scale)?;
        Ok(y.iter().zip(&self.cotangents).map(|(y, c)| y * c).sum())
    }
}

#[test]
fn values_are_by_definition_and_tangents_by_differences() -> Result<(), KernelError> {
    let step = 1e-6;
    for case in cases() {
        let values = case.norm.rows * case.norm.channels * case.norm.pixels;
        let (x, tangents) = case.stack.split_at(values);
        for level in SimdLevel::available() {
            let result = case.forward(level, &case.stack, &case.scale)?;
            let expected = by_definition(case.norm, x, &case.scale, &case.shift);
            for (given, expected) in result.iter().zip(&expected) {
                assert!((given - expected).abs() < 1e-12, "{:?} at {level}", case.norm);
            }
            for (v, products) in tangents.chunks(values).zip(result[values..].chunks(values)) {
                let moved = |by: f64| {
                    let moved: Vec<f64> = x.iter().zip(v).map(|(x, v)| x + by * v).collect();
                    by_definition(case.norm, &moved, &case.scale, &case.shift)
                };
                let (above, below) = (moved(step), moved(-step));
                for ((above, below), product) in above.iter().zip(&below).zip(products) {
                    assert!(
                        ((above - below) / (2.0 * step) - product).abs() < 1e-7,
                        "{:?} at {level}",
                        case.norm
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_are_those_of_differences() -> Result<(), KernelError> {
    let step = 1e-6;
    for case in cases() {
        for level in SimdLevel::available() {
            let mut of_stack = vec![f64::NAN; case.stack.len()];
            // What is there is added to.
            let (mut of_scale, mut of_shift) = (vec![1.0; case.scale.len()], vec![2.0; case.scale.len()]);
            let gradient = GroupNormGradient {
                stack: &mut of_stack,
                scale: &mut of_scale,
                shift: &mut of_shift,
            };
            case.norm
                .reverse(level, &case.stack, &case.scale, &case.cotangents, gradient)?;
            for (index, gradient) in of_stack.iter().enumerate() {
                let at = |by: f64| {
                    let mut stack = case.stack.clone();
                    stack[index] += by;
                    case.loss(&stack, &case.scale)
                };
                let difference = (at(step)? - at(-step)?) / (2.0 * step);
                assert!(
                    (difference - gradient).abs() < 2e-6,
                    "{difference} against {gradient}: {:?}",
                    case.norm
                );
            }
            for (index, gradient) in of_scale.iter().enumerate() {
                let at = |by: f64| {
                    let mut scale = case.scale.clone();
                    scale[index] += by;
                    case.loss(&case.stack, &scale)
                };
                let difference = (at(step)? - at(-step)?) / (2.0 * step);
                assert!(
                    (difference - (gradient - 1.0)).abs() < 2e-6,
                    "{difference} against {gradient}"
                );
            }
            // Values alone are shifted.
            let values = case.norm.rows * case.norm.channels * case.norm.pixels;
            let mut expected = vec![2.0; case.scale.len()];
            for (index, cotangent) in case.cotangents[..values].iter().enumerate() {
                let (image, channel) = (
                    index / case.norm.pixels / case.norm.channels,
                    index % case.norm.channels,
                );
                expected[(image * case.norm.channels + channel) % case.scale.len()] += cotangent;
            }
            assert!(of_shift.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }
    Ok(())
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let norm = GroupNorm {
        rows: 2,
        channels: 4,
        pixels: 3,
        groups: 2,
        epsilon: 1e-5,
    };
    let forward = |norm: GroupNorm, stack: usize, scale: usize| {
        let (stack, scale) = (vec![0.0f32; stack], vec![0.0; scale]);
        let mut to = vec![0.0; stack.len()];
        norm.forward(SimdLevel::detect(), &stack, &scale, &scale, &mut to)
    };
    assert_eq!(forward(norm, 48, 4), Ok(()));
    assert_eq!(forward(norm, 24, 8), Ok(()));
    let refused = forward(GroupNorm { groups: 3, ..norm }, 24, 4);
    assert_eq!(refused, Err(KernelError::Groups { channels: 4, groups: 3 }));
    assert!(matches!(forward(norm, 25, 4), Err(KernelError::NotWhole { .. })));
    assert!(matches!(forward(norm, 0, 4), Err(KernelError::NotWhole { .. })));
    assert!(matches!(forward(norm, 24, 5), Err(KernelError::Length { .. })));
}
