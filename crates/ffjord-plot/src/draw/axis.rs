//! A linear or logarithmic axis and its ticks.

use std::ops::Range;

use crate::window::{drawable, widened};

/// How values are laid out along an axis.
///
/// ```
/// use ffjord_plot::{CurvePanel, Scale, Series, training_curves};
/// let errors = [(1.0, 1e-1), (2.0, 1e-3), (3.0, 0.0)];
/// let skipped = |scale| {
///     let panel = CurvePanel::new(vec![Series::new("", &errors)]).scale(scale);
///     training_curves(&[panel], "").map(|figure| figure.skipped())
/// };
/// // Zero has no place on a logarithmic axis.
/// assert_eq!((skipped(Scale::Linear)?, skipped(Scale::Log)?), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal differences take equal space.
    #[default]
    Linear,
    /// Equal ratios take equal space; values that are not positive have no place.
    Log,
}

/// A mark on an axis; minor ticks have no label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: Option<String>,
}

/// An axis from `range.start` to `range.end`.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    range: Range<f64>,
    scale: Scale,
}

impl Axis {
    /// A linear axis over a range that is known to be finite and not empty.
    pub(crate) fn linear(range: Range<f64>) -> Self {
        Self {
            range,
            scale: Scale::Linear,
        }
    }

    /// The axis that shows `low..=high` with a margin relative to its length; on a logarithmic axis both must be
    /// positive.
    pub(crate) fn spanning(low: f64, high: f64, margin: f64, scale: Scale) -> Self {
        let range = match scale {
            Scale::Linear => widened(low, high, margin),
            Scale::Log => {
                let exponents = widened(low.log10(), high.log10(), margin);
                10_f64.powf(exponents.start)..10_f64.powf(exponents.end)
            }
        };
        Self { range, scale }
    }

    /// True if the value has a place on an axis of this scale.
    pub(crate) fn accepts(scale: Scale, value: f64) -> bool {
        drawable(value) && (scale == Scale::Linear || value > 1e-100)
    }

    /// Position from 0 at the start to 1 at the end, beyond them outside the range.
    pub(crate) fn fraction(&self, value: f64) -> f64 {
        let at = |v: f64| if self.scale == Scale::Log { v.log10() } else { v };
        (at(value) - at(self.range.start)) / (at(self.range.end) - at(self.range.start))
    }

    /// Ticks in ascending order, at most `most` (but at least two) of them with a label.
    pub(crate) fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.max(2);
        match self.scale {
            Scale::Linear => linear_ticks(&self.range, most),
            Scale::Log => log_ticks(&self.range, most),
        }
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(range: &Range<f64>, most: usize) -> Vec<Tick> {
    let span = range.end - range.start;
    let power = (span / most as f64).log10().floor() as i32;
    let steps = [(1.0, 0), (2.0, 0), (5.0, 0), (1.0, 1), (2.0, 1)];
    for (factor, more) in steps {
        let exponent = power + more;
        let step = factor * 10_f64.powi(exponent);
        // A hair of tolerance keeps ticks that fall onto the ends of the range.
        let first = (range.start / step - 1e-6).ceil();
        let last = (range.end / step + 1e-6).floor();
        let count = last - first + 1.0;
        if (0.0..=most as f64).contains(&count) {
            let largest = range.start.abs().max(range.end.abs());
            return (0..count as usize)
                .map(|i| (first + i as f64) * step)
                .map(|value| Tick {
                    value,
                    label: Some(number(value, exponent, largest)),
                })
                .collect();
        }
    }
    Vec::new()
}

/// Powers of ten (every n-th if there are many), with minor ticks between; 1, 2 and 5 times where there are fewer than
/// two.
fn log_ticks(range: &Range<f64>, most: usize) -> Vec<Tick> {
    let (low, high) = (range.start.log10(), range.end.log10());
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let powers = (first..=last)
        .filter(|&e| (low - 1e-9..=high + 1e-9).contains(&f64::from(e)))
        .count();
    if powers < 2 && high - low < 0.7 {
        return linear_ticks(range, most);
    }
    let stride = powers.div_ceil(most).max(1) as i32;
    let mut ticks = Vec::new();
    for exponent in first..=last {
        for digit in 1..10 {
            let value = f64::from(digit) * 10_f64.powi(exponent);
            if value < range.start * (1.0 - 1e-9) || value > range.end * (1.0 + 1e-9) {
                continue;
            }
            let labelled = match digit {
                1 => exponent.rem_euclid(stride) == 0,
                2 | 5 => powers < 2,
                _ => false,
            };
            if labelled {
                let label = if powers < 2 {
                    number(value, exponent, value)
                } else {
                    power_of_ten(exponent)
                };
                ticks.push(Tick {
                    value,
                    label: Some(label),
                });
            } else if stride == 1 && last - first <= 7 {
                ticks.push(Tick { value, label: None });
            }
        }
    }
    ticks
}

/// A tick's number with the digits that its step (of this power of ten) needs; `largest` decides on scientific
/// notation.
fn number(value: f64, step_exponent: i32, largest: f64) -> String {
    let exponent = largest.log10().floor() as i32;
    let text = if value == 0.0 {
        "0".to_owned()
    } else if exponent >= 5 || step_exponent < -4 {
        let decimals = (exponent - step_exponent).clamp(0, 12) as usize;
        format!(
            "{:.decimals$}×{}",
            value / 10_f64.powi(exponent),
            power_of_ten(exponent)
        )
    } else {
        let decimals = (-step_exponent).max(0) as usize;
        format!("{value:.decimals$}")
    };
    text.replace('-', "−")
}

fn power_of_ten(exponent: i32) -> String {
    let superscript = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁰',
    };
    format!(
        "10{}",
        exponent.to_string().chars().map(superscript).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, most: usize) -> Vec<String> {
        axis.ticks(most).into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_have_the_digits_they_need() {
        assert_eq!(labels(&Axis::linear(-4.0..4.0), 5), ["−4", "−2", "0", "2", "4"]);
        assert_eq!(
            labels(&Axis::linear(0.0..1.0), 6),
            ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(labels(&Axis::linear(0.0..200_000.0), 3), ["0", "1×10⁵", "2×10⁵"]);
        assert_eq!(labels(&Axis::linear(0.0..3e-6), 4), ["0", "1×10⁻⁶", "2×10⁻⁶", "3×10⁻⁶"]);
    }

    #[test]
    fn there_are_never_more_linear_ticks_than_asked_for_and_nearly_always_two() {
        for exponent in -30..30 {
            for (start, width) in [(0.0, 1.0), (-0.37, 0.91), (12.3, 0.77), (-5.5, 11.0)] {
                let unit = 10_f64.powi(exponent);
                let axis = Axis::linear(start * unit..(start + width) * unit);
                for most in 2..9 {
                    let ticks = axis.ticks(most);
                    assert!(ticks.len() <= most, "{exponent} {start} {most}");
                    assert!(most < 3 || ticks.len() >= 2, "{exponent} {start} {most}: {ticks:?}");
                    assert!(
                        ticks
                            .iter()
                            .all(|t| (-1e-5..=1.00001).contains(&axis.fraction(t.value)))
                    );
                }
            }
        }
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten_with_minor_ticks() {
        let axis = Axis {
            range: 0.01..100.0,
            scale: Scale::Log,
        };
        assert_eq!(labels(&axis, 8), ["10⁻²", "10⁻¹", "10⁰", "10¹", "10²"]);
        assert_eq!(axis.ticks(8).len(), 4 * 9 + 1);
        assert!((axis.fraction(1.0) - 0.5).abs() < 1e-12);
        let narrow = Axis {
            range: 3.0..60.0,
            scale: Scale::Log,
        };
        assert_eq!(labels(&narrow, 8), ["5", "10", "20", "50"]);
    }

    #[test]
    fn an_axis_over_a_single_value_is_widened_around_it() {
        for scale in [Scale::Linear, Scale::Log] {
            let axis = Axis::spanning(3.0, 3.0, 0.05, scale);
            assert!((axis.fraction(3.0) - 0.5).abs() < 1e-9);
            assert!(axis.ticks(5).len() >= 2);
        }
    }
}
