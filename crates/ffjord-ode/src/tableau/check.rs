//! Whether the numbers of a method fit together.

use super::{
    Embedded, Interpolation, Tableau,
    trees::{Stages, Tree},
};

/// What is wrong with the numbers of a tableau.
///
/// ```
/// use ffjord_ode::{SetupError, Tableau, TableauFault};
/// // Heun's method with weights that do not sum to 1.
/// let wrong = Tableau::new("heun", 2, &[0.0, 1.0], &[&[], &[1.0]], &[0.5, 0.25]);
/// match wrong {
///     Err(SetupError::InvalidTableau {
///         fault: TableauFault::OrderCondition { order, tree, sum, expected, .. }, ..
///     }) => {
///         assert_eq!((order, tree.as_str(), sum, expected), (1, "τ", 0.75, 1.0));
///     }
///     other => return Err(format!("{other:?}").into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TableauFault {
    /// An order of 0.
    #[error("order 0 is not accepted: a method has order 1 or more")]
    NoOrder,
    /// A list of the wrong length.
    #[error("{what} has {found} entries, but {expected} are needed")]
    Length {
        /// Which list.
        what: String,
        /// The length that is needed.
        expected: usize,
        /// The length given.
        found: usize,
    },
    /// A coefficient that is NaN or infinite.
    #[error("{what} holds {given}, which is not a finite number")]
    NotFinite {
        /// The list that holds it.
        what: String,
        /// The coefficient given.
        given: f64,
    },
    /// Weights of a stage that do not sum to its time.
    #[error("the weights of stage {stage} (from 0) sum to {sum}, not to c = {c}: they are {:.1e} apart", (sum - c).abs())]
    RowSum {
        /// The stage, from 0; those of the interpolant follow the method's own.
        stage: usize,
        /// The stage's time.
        c: f64,
        /// The sum of its weights.
        sum: f64,
    },
    /// An order condition that is not met.
    #[error(
        "the {part} misses its condition of order {order} for the tree {tree}: the sum is {sum}, not {expected}, which \
         are {:.1e} apart", (sum - expected).abs()
    )]
    OrderCondition {
        /// What misses it: the solution, the embedded solution, or a power of θ of the interpolant.
        part: String,
        /// The order of the condition.
        order: u32,
        /// The rooted tree, in Butcher's notation: τ is one node, `[…]` a root with these branches.
        tree: String,
        /// `Σᵢ bᵢ Φᵢ`.
        sum: f64,
        /// What it should be: 1/γ of the tree.
        expected: f64,
    },
    /// An error estimate of another order than the one stated.
    #[error("the error estimate is of order {found}, not {stated}: state the order that it has")]
    EstimateOrder {
        /// The order stated.
        stated: u32,
        /// The order found.
        found: u32,
    },
    /// An interpolant that does not end on the solution.
    #[error(
        "the interpolant gives slope {slope} (from 0) the weight {found} at θ = 1, where the solution has {expected}"
    )]
    InterpolantEnd {
        /// The slope, from 0.
        slope: usize,
        /// Its weight in the interpolant.
        found: f64,
        /// Its weight in the solution.
        expected: f64,
    },
}

/// The highest order whose conditions are looked at.
const HIGHEST: u32 = 10;

/// What rounding of the coefficients may do to a sum, in units of the sum of its magnitudes.
const ROUNDING: f64 = 1e-12;

/// Whether the last stage is f(t₁, y₁).
pub(super) fn ends_on_its_solution(c: &[f64], a: &[&[f64]], b: &[f64]) -> bool {
    let (Some(&1.0), Some(last), Some((0.0, rest))) = (c.last(), a.last(), b.split_last().map(|(l, rest)| (*l, rest)))
    else {
        return false;
    };
    *last == rest
}

/// Checks stages and solution.
pub(super) fn solution(tableau: &Tableau) -> Result<(), TableauFault> {
    if tableau.order == 0 {
        return Err(TableauFault::NoOrder);
    }
    let stages = tableau.stages().max(1);
    length("c".to_owned(), tableau.c.len(), stages)?;
    length("a".to_owned(), tableau.a.len(), stages)?;
    weights("b", tableau.b, stages)?;
    finite("c", tableau.c)?;
    for (i, (row, &c)) in tableau.a.iter().zip(tableau.c).enumerate() {
        stage(i, i, row, c)?;
    }
    let trees = stages_of(tableau).trees(tableau.order.min(HIGHEST));
    conditions("solution", &trees, tableau.b, 1.0)
}

/// Checks an error estimate of a tableau whose solution is sound.
pub(super) fn estimate(tableau: &Tableau, embedded: &Embedded) -> Result<(), TableauFault> {
    if embedded.order == 0 {
        return Err(TableauFault::NoOrder);
    }
    let trees = stages_of(tableau).trees((embedded.order + 1).min(HIGHEST));
    let lower = |e: &[f64]| -> Vec<f64> { tableau.b.iter().zip(e).map(|(b, e)| b - e).collect() };
    weights("the list of embedded weights", embedded.weights, tableau.stages())?;
    let Some(damping) = embedded.damping else {
        let known = trees.iter().take_while(|tree| tree.order <= embedded.order);
        let known: Vec<Tree> = known.cloned().collect();
        let embedded_solution = lower(embedded.weights);
        conditions("embedded solution", &known, &embedded_solution, 1.0)?;
        let found = order_of(&trees, &embedded_solution);
        return same_order(embedded.order, found);
    };
    weights("the list of damping weights", damping, tableau.stages())?;
    // An estimate h^(p+1) damped by one h^(q+1): their quotient falls as h^(2p − q + 1).
    let trees = stages_of(tableau).trees(HIGHEST);
    let (fine, coarse) = (
        order_of(&trees, &lower(embedded.weights)),
        order_of(&trees, &lower(damping)),
    );
    same_order(embedded.order, (2 * fine).saturating_sub(coarse))
}

/// Checks the values inside a step of a tableau whose solution is sound.
pub(super) fn interpolation(tableau: &Tableau) -> Result<(), TableauFault> {
    let mut stages = stages_of(tableau);
    match tableau.interpolation {
        Interpolation::CubicHermite => Ok(()),
        Interpolation::QuarticMidpoint { midpoint } => {
            weights("the list of weights of the mid-point", midpoint, tableau.stages())?;
            let trees = stages.trees(tableau.interpolation_order());
            conditions("value half-way", &trees, midpoint, 0.5)
        }
        Interpolation::Polynomial {
            order,
            extra,
            weights: rows,
        } => {
            if order == 0 {
                return Err(TableauFault::NoOrder);
            }
            if !tableau.fsal {
                stages.a.push(tableau.b.to_vec());
            }
            for added in extra {
                stage(stages.a.len(), stages.a.len(), added.a, added.c)?;
                stages.a.push(added.a.to_vec());
            }
            length(
                "the list of weights of the interpolant".to_owned(),
                rows.len(),
                stages.a.len(),
            )?;
            for row in rows {
                finite("the weights of the interpolant", row)?;
            }
            polynomial(tableau, rows, &stages.trees(order.min(HIGHEST)))
        }
    }
}

/// Checks `Σᵢ wᵢⱼ Φᵢ`, which is 1/γ for the power j that is the tree's order and 0 for every other.
fn polynomial(tableau: &Tableau, rows: &[&[f64]], trees: &[Tree]) -> Result<(), TableauFault> {
    let degree = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    for tree in trees {
        for power in 1..=degree.max(tree.order as usize) {
            let column: Vec<f64> = rows
                .iter()
                .map(|row| row.get(power - 1).copied().unwrap_or(0.0))
                .collect();
            let expected = if power == tree.order as usize {
                1.0 / tree.density
            } else {
                0.0
            };
            let size = rows
                .iter()
                .flat_map(|row| row.iter())
                .fold(1.0, |size: f64, w| size.max(w.abs()));
            condition(
                || format!("power {power} of θ in the interpolant"),
                tree,
                &column,
                expected,
                size,
            )?;
        }
    }
    for (slope, row) in rows.iter().enumerate() {
        let (found, expected) = (row.iter().sum::<f64>(), tableau.b.get(slope).copied().unwrap_or(0.0));
        let size = row.iter().map(|w| w.abs()).fold(1.0, f64::max);
        if (found - expected).abs() > ROUNDING * size {
            return Err(TableauFault::InterpolantEnd { slope, found, expected });
        }
    }
    Ok(())
}

fn stages_of(tableau: &Tableau) -> Stages {
    Stages {
        a: tableau.a.iter().map(|row| row.to_vec()).collect(),
    }
}

/// Checks the weights of stage `i`, `count` of them.
fn stage(i: usize, count: usize, row: &[f64], c: f64) -> Result<(), TableauFault> {
    let what = format!("row {i} of a (from 0)");
    length(what.clone(), row.len(), count)?;
    finite(&what, row)?;
    finite("c", &[c])?;
    let (sum, size) = (row.iter().sum::<f64>(), row.iter().map(|a| a.abs()).fold(1.0, f64::max));
    if (sum - c).abs() > ROUNDING * size {
        return Err(TableauFault::RowSum { stage: i, c, sum });
    }
    Ok(())
}

fn length(what: String, found: usize, expected: usize) -> Result<(), TableauFault> {
    if found == expected {
        Ok(())
    } else {
        Err(TableauFault::Length { what, expected, found })
    }
}

fn finite(what: &str, values: &[f64]) -> Result<(), TableauFault> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(&given) => Err(TableauFault::NotFinite {
            what: what.to_owned(),
            given,
        }),
    }
}

fn weights(what: &str, values: &[f64], stages: usize) -> Result<(), TableauFault> {
    length(what.to_owned(), values.len(), stages)?;
    finite(what, values)
}

/// The conditions of all `trees` for the value at the relative time θ that `weights` give.
fn conditions(part: &str, trees: &[Tree], weights: &[f64], theta: f64) -> Result<(), TableauFault> {
    trees.iter().try_for_each(|tree| {
        let expected = theta.powi(tree.order as i32) / tree.density;
        condition(|| part.to_owned(), tree, weights, expected, 1.0)
    })
}

/// Whether `Σ wᵢ Φᵢ` is as expected, for weights of sums of numbers of the size `size`.
fn condition(
    part: impl Fn() -> String,
    tree: &Tree,
    weights: &[f64],
    expected: f64,
    size: f64,
) -> Result<(), TableauFault> {
    let sum: f64 = weights.iter().zip(&tree.weights).map(|(w, s)| w * s).sum();
    let magnitude: f64 = weights.iter().zip(&tree.magnitudes).map(|(w, s)| (w * s).abs()).sum();
    if (sum - expected).abs() <= ROUNDING * magnitude.max(size) {
        return Ok(());
    }
    Err(TableauFault::OrderCondition {
        part: part(),
        order: tree.order,
        tree: tree.text.clone(),
        sum,
        expected,
    })
}

/// The order of the solution that `weights` give, as far as `trees` tell.
fn order_of(trees: &[Tree], weights: &[f64]) -> u32 {
    let fails = |tree: &&Tree| conditions("", std::slice::from_ref(*tree), weights, 1.0).is_err();
    let known = trees.last().map_or(0, |tree| tree.order);
    trees.iter().find(fails).map_or(known, |tree| tree.order - 1)
}

fn same_order(stated: u32, found: u32) -> Result<(), TableauFault> {
    // Beyond the highest order that is looked at nothing is known.
    if stated == found || (stated >= HIGHEST && found >= HIGHEST) {
        Ok(())
    } else {
        Err(TableauFault::EstimateOrder { stated, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Method;

    #[test]
    fn the_methods_of_the_crate_pass() {
        for tableau in Method::ALL.into_iter().filter_map(Method::tableau) {
            assert_eq!(solution(tableau), Ok(()), "{}", tableau.name);
            assert_eq!(interpolation(tableau), Ok(()), "{}", tableau.name);
            if let Some(embedded) = &tableau.embedded {
                assert_eq!(estimate(tableau, embedded), Ok(()), "{}", tableau.name);
            }
            assert_eq!(
                ends_on_its_solution(tableau.c, tableau.a, tableau.b),
                tableau.fsal,
                "{}",
                tableau.name
            );
        }
    }
}
