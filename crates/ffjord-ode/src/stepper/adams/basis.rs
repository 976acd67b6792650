//! Integrals of Lagrange polynomials: the weights of Adams methods, for steps of any sizes.

use std::array;

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

/// Most nodes of a polynomial.
pub(super) const NODES: usize = 14;

/// Polynomials that are formed side by side: [`NODES`], filled up for the compiler's vectors.
const LANES: usize = 16;

/// `∫₀¹ Lⱼ`, what each slope weighs in a step, for the polynomials through the first nodes of a list, more and more of
/// them.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    /// Row n for the first n nodes.
    rows: [[f64; LANES]; NODES + 1],
}

impl Weights {
    /// Of no nodes.
    pub(super) fn none() -> Self {
        Self {
            rows: [[0.0; LANES]; NODES + 1],
        }
    }

    /// Forms the weights of the first n of `nodes`, at most [`NODES`], for n from `fewest` to all of them.
    ///
    /// The polynomials of n + 1 nodes are those of n nodes with a factor more, and every one of them takes its factors in
    /// the order of the nodes: what is formed side by side has the bits of what [`integrals`] forms one by one.
    pub(super) fn form(&mut self, nodes: &[f64], fewest: usize) {
        // Lanes without a node count for nothing; any number apart from the nodes keeps them finite.
        let at: [f64; LANES] = array::from_fn(|j| nodes.get(j).copied().unwrap_or(2.0 + j as f64));
        // Coefficients of the power of each row, a polynomial a column.
        let mut powers = [[0.0; LANES]; NODES + 1];
        powers[0] = [1.0; LANES];
        for (i, &node) in nodes.iter().enumerate().take(NODES) {
            let scale: [f64; LANES] = array::from_fn(|j| 1.0 / (at[j] - node));
            // Polynomial i has no factor for its own node.
            let own: [f64; NODES + 1] = array::from_fn(|power| powers[power][i]);
            for power in (1..=i + 1).rev() {
                let below = powers[power - 1];
                let row = &mut powers[power];
                for j in 0..LANES {
                    row[j] = (below[j] - node * row[j]) * scale[j];
                }
            }
            for j in 0..LANES {
                powers[0][j] = (0.0 - node * powers[0][j]) * scale[j];
            }
            for (row, own) in powers.iter_mut().zip(own).take(i + 2) {
                row[i] = own;
            }
            let count = i + 1;
            if count >= fewest {
                let mut sums = [-0.0; LANES];
                for (power, row) in powers.iter().enumerate().take(count) {
                    let exponent = power as f64 + 1.0;
                    for j in 0..LANES {
                        sums[j] += row[j] / exponent;
                    }
                }
                self.rows[count] = sums;
            }
        }
    }

    /// The weights of the first `count` nodes.
    pub(super) fn of(&self, count: usize) -> &[f64] {
        &self.rows[count][..count]
    }
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

    /// The weights one by one.
    fn one_by_one(nodes: &[f64]) -> Vec<f64> {
        integrals(nodes).iter().map(|row| row.iter().sum()).collect()
    }

    fn weights(nodes: &[f64]) -> Vec<f64> {
        let mut weights = Weights::none();
        weights.form(nodes, nodes.len());
        weights.of(nodes.len()).to_vec()
    }

    #[test]
    fn side_by_side_and_one_by_one_have_the_same_bits() {
        let mut nodes = vec![1.0];
        nodes.extend((0..NODES - 1).map(|k| -(1.37 * k as f64 + 0.4 * (k as f64).sin())));
        for nodes in [&nodes[..], &nodes[1..]] {
            let mut side_by_side = Weights::none();
            side_by_side.form(nodes, 1);
            for count in 1..=nodes.len() {
                assert_eq!(side_by_side.of(count), one_by_one(&nodes[..count]), "{count} nodes");
            }
        }
    }

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
