//! Integrals of Lagrange polynomials: the weights of Adams methods, for steps of any sizes.

/// `∫₀^θ Lⱼ` for the Lagrange polynomials of `nodes`, a row for each, in powers of θ from the first.
///
/// Time is measured in steps: the step leads from θ = 0 to θ = 1. Past nodes are not positive, so that the coefficients
/// of each polynomial have one sign, but for at most one factor, and nothing cancels.
pub(super) fn integrals(nodes: &[f64]) -> Vec<Vec<f64>> {
    (0..nodes.len())
        .map(|j| {
            let polynomial = lagrange(nodes, j);
            let powers = polynomial.iter().enumerate();
            powers.map(|(power, c)| c / (power as f64 + 1.0)).collect()
        })
        .collect()
}

/// `∫₀¹ Lⱼ`: what each slope weighs in a step.
pub(super) fn weights(nodes: &[f64]) -> Vec<f64> {
    integrals(nodes).iter().map(|row| row.iter().sum()).collect()
}

/// Lⱼ, which is 1 at node j and 0 at the others, in powers of θ from the constant.
fn lagrange(nodes: &[f64], j: usize) -> Vec<f64> {
    let mut polynomial = vec![1.0];
    for (_, node) in nodes.iter().enumerate().filter(|&(i, _)| i != j) {
        let scale = 1.0 / (nodes[j] - node);
        polynomial.push(0.0);
        for power in (0..polynomial.len()).rev() {
            let below = if power > 0 { polynomial[power - 1] } else { 0.0 };
            polynomial[power] = (below - node * polynomial[power]) * scale;
        }
    }
    polynomial
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(weights: &[f64], expected: &[f64], denominator: f64) {
        assert_eq!(weights.len(), expected.len());
        for (weight, expected) in weights.iter().zip(expected) {
            assert!((weight - expected / denominator).abs() < 1e-13, "{weights:?}");
        }
    }

    /// Hairer, Nørsett, Wanner I, eqs. III.1.5 and III.1.9.
    #[test]
    fn equal_steps_give_the_classical_weights() {
        agree(&weights(&[0.0, -1.0, -2.0, -3.0]), &[55.0, -59.0, 37.0, -9.0], 24.0);
        agree(&weights(&[1.0, 0.0, -1.0, -2.0]), &[9.0, 19.0, -5.0, 1.0], 24.0);
    }

    #[test]
    fn polynomials_are_integrated_exactly_over_steps_of_any_sizes() {
        let nodes: [f64; 12] = [1.0, 0.0, -0.3, -1.1, -1.2, -2.9, -3.3, -4.0, -4.7, -6.0, -6.1, -7.5];
        for used in 1..=nodes.len() {
            let weights = weights(&nodes[..used]);
            for power in 0..used as i32 {
                let integral: f64 = weights.iter().zip(&nodes).map(|(w, node)| w * node.powi(power)).sum();
                let exact = 1.0 / (f64::from(power) + 1.0);
                let size: f64 = weights
                    .iter()
                    .zip(&nodes)
                    .map(|(w, node)| (w * node.powi(power)).abs())
                    .sum();
                assert!((integral - exact).abs() < 1e-13 * size, "{used} nodes, power {power}");
            }
        }
    }
}
