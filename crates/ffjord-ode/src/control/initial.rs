//! The size of the first step.

use crate::{
    error::SolveError,
    norm::ErrorMeasure,
    state::State,
    system::{Evaluator, System},
};

/// Selects the size of the first step from one more evaluation (Hairer, Nørsett, Wanner I, II.4, algorithm 4.14).
///
/// `slope` is f(t0, y0); `error_order` that of the error estimate. The result is positive and at most `|t1 - t0|`.
pub(crate) fn select_initial_step<S, Sys>(
    f: &mut Evaluator<'_, Sys>,
    (t0, t1): (f64, f64),
    y0: &S,
    slope: &S,
    measure: ErrorMeasure,
    error_order: u32,
) -> Result<f64, SolveError<Sys::Error>>
where
    S: State,
    Sys: System<S> + ?Sized,
{
    /// Step where the sizes of state and slope say nothing.
    const SMALL: f64 = 1e-6;
    let span = (t1 - t0).abs();
    let size = |v: &S| {
        v.scaled_error(y0, y0, &measure.tolerance)
            .map(|error| measure.norm.ratio(&error))
    };
    let (d0, d1) = (size(y0)?, size(slope)?);
    let h0 = if d0 < 1e-5 || d1 < 1e-5 { SMALL } else { 0.01 * d0 / d1 };
    let h0 = if h0 > 0.0 && h0.is_finite() {
        h0.min(span)
    } else {
        SMALL.min(span)
    };

    // The slope a small Euler step further gives the size of the second derivative.
    let signed = h0.copysign(t1 - t0);
    let mut ahead = y0.zeros_like()?;
    ahead.set_sum(&[(1.0, y0), (signed, slope)])?;
    let mut slope_ahead = y0.zeros_like()?;
    f.rhs(t0 + signed, &ahead, &mut slope_ahead)?;
    ahead.set_sum(&[(1.0, &slope_ahead), (-1.0, slope)])?;
    let d2 = size(&ahead)? / h0;

    let steepest = d1.max(d2);
    let h1 = if steepest <= 1e-15 {
        SMALL.max(h0 * 1e-3)
    } else {
        (0.01 / steepest).powf(1.0 / f64::from(error_order + 1))
    };
    let h = h1.min(100.0 * h0).min(span);
    Ok(if h > 0.0 { h } else { h0 })
}
