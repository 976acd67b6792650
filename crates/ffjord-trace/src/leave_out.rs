//! What the estimators have in common whose every test vector also sketches: the mean over the vectors left out, and
//! how far to trust it.

/// Test vectors and their images under one operator, brought down to small matrices.
pub(crate) trait Sketch: Sized {
    /// The number k of test vectors.
    fn count(&self) -> usize;

    /// For each test vector the estimate of the trace that sketches with all others and tests with this one.
    fn terms(&self) -> Vec<f64>;

    /// The sketch by all test vectors but one; none if rounding leaves too little of it.
    fn without(&self, index: usize) -> Option<Self>;

    /// Whether the sketch holds the whole operator, so that the estimate is its trace but for rounding.
    fn is_complete(&self) -> bool;
}

/// The mean of the terms with its variance; no variance for a single test vector.
///
/// The terms share all vectors but one, so what they vary among themselves is too little. The variance is the
/// jackknife's instead, `Σⱼ (T₍ⱼ₎ − T̄)² (k − 1)/k`, with T₍ⱼ₎ the same estimate by all vectors but ωⱼ (Tukey 1958).
/// Its mean is not below the variance of T₍ⱼ₎ but for the factor (Efron, Stein 1981), and that is above the variance of
/// T itself.
pub(crate) fn estimate(sketch: &impl Sketch) -> (f64, Option<f64>) {
    let count = sketch.count();
    let trace = mean(&sketch.terms());
    if count < 2 {
        return (trace, None);
    }
    if sketch.is_complete() {
        return (trace, Some(0.0));
    }
    let shorter = (0..count).map(|index| sketch.without(index).map(|sketch| mean(&sketch.terms())));
    let variance = |traces: Vec<f64>| {
        let middle = mean(&traces);
        let square: f64 = traces.iter().map(|trace| (trace - middle).powi(2)).sum();
        square * (count - 1) as f64 / count as f64
    };
    (trace, shorter.collect::<Option<_>>().map(variance))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
