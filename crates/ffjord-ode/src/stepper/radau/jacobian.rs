//! The Jacobian of the right-hand side, given by the system or by finite differences.

use crate::{
    dense::Matrix,
    error::SolveError,
    norm::Tolerance,
    sparsity::Sparsity,
    state::State,
    system::{Evaluator, System},
};

/// What finite differences are taken with.
pub(super) struct Differences<'a, S> {
    pub(super) tolerance: &'a Tolerance,
    pub(super) sparsity: &'a Sparsity,
    /// Two states of the solve's shape, of any content.
    pub(super) input: &'a mut S,
    pub(super) output: &'a mut S,
}

/// Writes ∂f/∂y at `(t, y)` into `jacobian`, where `slope` is f(t, y).
///
/// A component moves by `√ε (|yᵢ| + atol / rtol)` as its state rounds it, away from zero.
pub(super) fn evaluate<S: State, Sys: System<S> + ?Sized>(
    f: &mut Evaluator<'_, Sys>,
    (t, y): (f64, &S),
    slope: &[f64],
    differences: Differences<'_, S>,
    jacobian: &mut Matrix,
) -> Result<(), SolveError<Sys::Error>> {
    jacobian.values_mut().fill(0.0);
    if f.jacobian(t, y, jacobian)? {
        return Ok(());
    }
    let Differences {
        tolerance,
        sparsity,
        input,
        output,
    } = differences;
    let sizes = tolerance.sizes(y.epsilon());
    let base = y.to_components()?;
    for group in sparsity.groups() {
        let mut moved = base.clone();
        for &column in group {
            let size = y.epsilon().sqrt() * (base[column].abs() + sizes.atol()).max(f64::MIN_POSITIVE.sqrt());
            moved[column] += size.copysign(base[column]);
        }
        input.set_components(&moved)?;
        let rounded = input.to_components()?;
        f.rhs(t, input, output)?;
        let ahead = output.to_components()?;
        for &column in group {
            let increment = rounded[column] - base[column];
            for &row in sparsity.rows(column) {
                jacobian[(row, column)] = (ahead[row] - slope[row]) / increment;
            }
        }
    }
    Ok(())
}
