//! The numbers of every method: order conditions of Hairer, Nørsett, Wanner I, II.2, for the solution, for the embedded
//! solutions and, as polynomials in θ, for the interpolants.

use ffjord_ode::{ExtraStage, Interpolation, Method, Tableau};

/// The highest order whose conditions are looked at.
const HIGHEST: u32 = 9;

/// The stages of a method, with all that is evaluated for its interpolant.
struct Stages {
    a: Vec<Vec<f64>>,
    c: Vec<f64>,
}

/// A rooted tree: its number of nodes, its density γ, and its elementary weights stage by stage, once as they are and
/// once with every coefficient's magnitude, which bounds what rounding can do.
#[derive(Clone)]
struct Tree {
    order: u32,
    density: f64,
    weights: Vec<f64>,
    magnitudes: Vec<f64>,
}

impl Stages {
    fn of(tableau: &Tableau, diagonal: f64) -> Self {
        let row = |(i, row): (usize, &&[f64])| {
            let diagonal = if i > 0 { diagonal } else { 0.0 };
            row.iter().copied().chain([diagonal]).collect()
        };
        Self {
            a: tableau.a().iter().enumerate().map(row).collect(),
            c: tableau.c().to_vec(),
        }
    }

    fn with_interpolant(tableau: &Tableau, extra: &[ExtraStage]) -> Self {
        let mut stages = Self::of(tableau, 0.0);
        if !tableau.fsal() {
            stages.a.push(tableau.b().to_vec());
            stages.c.push(1.0);
        }
        for stage in extra {
            stages.a.push(stage.a.to_vec());
            stages.c.push(stage.c);
        }
        stages
    }

    /// A v, stage by stage.
    fn apply(&self, v: &[f64], part: fn(f64) -> f64) -> Vec<f64> {
        let sum = |row: &Vec<f64>| row.iter().zip(v).map(|(a, v)| part(*a) * v).sum();
        self.a.iter().map(sum).collect()
    }

    /// All rooted trees of up to `highest` nodes: a root with a multiset of smaller trees, the larger first.
    fn trees(&self, highest: u32) -> Vec<Tree> {
        let ones = vec![1.0; self.c.len()];
        let mut trees: Vec<Tree> = Vec::new();
        for order in 1..=highest {
            let root = Tree {
                order: 1,
                density: 1.0,
                weights: ones.clone(),
                magnitudes: ones.clone(),
            };
            let known = trees.clone();
            self.grow(&root, order, known.len(), &known, &mut trees);
        }
        trees
    }

    /// Adds to `out` every tree of `order` nodes that `tree` becomes with branches among the first `limit` of `known`.
    fn grow(&self, tree: &Tree, order: u32, limit: usize, known: &[Tree], out: &mut Vec<Tree>) {
        if tree.order == order {
            let density = tree.density * f64::from(order);
            out.push(Tree {
                density,
                ..tree.clone()
            });
            return;
        }
        for (i, branch) in known[..limit].iter().enumerate() {
            if tree.order + branch.order <= order {
                let times = |a: &[f64], b: Vec<f64>| a.iter().zip(b).map(|(a, b)| a * b).collect();
                let grown = Tree {
                    order: tree.order + branch.order,
                    density: tree.density * branch.density,
                    weights: times(&tree.weights, self.apply(&branch.weights, |a| a)),
                    magnitudes: times(&tree.magnitudes, self.apply(&branch.magnitudes, f64::abs)),
                };
                self.grow(&grown, order, i + 1, known, out);
            }
        }
    }
}

/// Highest order whose conditions `weights` meet at the relative time θ, up to [`HIGHEST`]; the weights are sums of
/// numbers of the size `size`, which they are rounded to.
fn order_of(trees: &[Tree], weights: &[f64], size: f64, theta: f64) -> u32 {
    let failed = trees.iter().find(|tree| {
        let sum: f64 = weights.iter().zip(&tree.weights).map(|(w, s)| w * s).sum();
        let magnitude: f64 = weights.iter().zip(&tree.magnitudes).map(|(w, s)| (w * s).abs()).sum();
        (sum - theta.powi(tree.order as i32) / tree.density).abs() > 1e-14 * magnitude.max(size)
    });
    failed.map_or(HIGHEST, |tree| tree.order - 1)
}

/// The tableau of every Runge–Kutta method, with the coefficient on the diagonal.
fn tableaux() -> Vec<(Method, Tableau, f64)> {
    let explicit = |method: Method| method.tableau().map(|tableau| (method, *tableau, 0.0));
    let implicit = |method: Method| {
        let implicit = method.implicit_tableau()?;
        Some((method, implicit.tableau, implicit.diagonal))
    };
    let tableaux: Vec<_> = Method::ALL
        .into_iter()
        .filter_map(|m| explicit(m).or_else(|| implicit(m)))
        .collect();
    assert_eq!(
        tableaux.len() + 5,
        Method::ALL.len(),
        "all but the Adams methods, reversible Heun and Radau"
    );
    tableaux
}

#[test]
fn there_are_as_many_trees_as_there_should_be() {
    let stages = Stages {
        a: vec![vec![]],
        c: vec![0.0],
    };
    let trees = stages.trees(HIGHEST);
    let counts = (1..=HIGHEST).map(|order| trees.iter().filter(|tree| tree.order == order).count());
    assert_eq!(counts.collect::<Vec<_>>(), [1, 1, 2, 4, 9, 20, 48, 115, 286]);
}

#[test]
fn rows_sum_to_the_stage_times() {
    for (method, tableau, diagonal) in tableaux() {
        assert_eq!(tableau.a().len(), tableau.stages(), "{method}");
        for (i, (row, c)) in tableau.a().iter().zip(tableau.c()).enumerate() {
            assert_eq!(row.len(), i, "{method}, row {i}");
            let diagonal = if i > 0 { diagonal } else { 0.0 };
            let size = row.iter().map(|a| a.abs()).fold(1.0, f64::max);
            let sum = row.iter().sum::<f64>() + diagonal;
            assert!((sum - c).abs() < 1e-14 * size, "{method}, row {i}");
        }
    }
}

#[test]
fn solutions_and_estimates_have_their_order_and_no_more() {
    for (method, tableau, diagonal) in tableaux() {
        let trees = Stages::of(&tableau, diagonal).trees(HIGHEST);
        assert_eq!(order_of(&trees, tableau.b(), 1.0, 1.0), tableau.order(), "{method}");
        if let Some(embedded) = tableau.embedded() {
            let lower = |weights: &[f64]| {
                let lower: Vec<f64> = tableau.b().iter().zip(weights).map(|(b, e)| b - e).collect();
                order_of(&trees, &lower, 1.0, 1.0)
            };
            let fine = lower(embedded.weights);
            // An estimate h^(p+1) damped by one h^(q+1): their quotient falls as h^(2p − q + 1).
            let order = embedded.damping.map_or(fine, |coarse| 2 * fine - lower(coarse));
            assert_eq!(order, embedded.order, "{method}, embedded");
        }
    }
}

#[test]
fn dopri8_has_estimates_of_order_five_and_three() {
    let tableau = Method::Dopri8.tableau().unwrap();
    let trees = Stages::of(tableau, 0.0).trees(HIGHEST);
    let embedded = tableau.embedded().unwrap();
    let orders = [embedded.weights, embedded.damping.unwrap()].map(|weights| {
        let lower: Vec<f64> = tableau.b().iter().zip(weights).map(|(b, e)| b - e).collect();
        order_of(&trees, &lower, 1.0, 1.0)
    });
    assert_eq!(orders, [5, 3]);
}

#[test]
fn first_same_as_last_methods_end_on_their_solution() {
    for (method, tableau, diagonal) in tableaux() {
        let last = tableau.a().last().map_or(&[][..], |row| row);
        let same = tableau.c().last() == Some(&1.0) && last.iter().chain(&[diagonal]).eq(tableau.b());
        assert_eq!(same, tableau.fsal(), "{method}");
    }
}

#[test]
fn interpolants_meet_their_conditions_inside_the_step() {
    for (method, tableau, _) in tableaux() {
        match tableau.interpolation() {
            Interpolation::QuarticMidpoint { midpoint } => {
                let trees = Stages::of(&tableau, 0.0).trees(HIGHEST);
                assert_eq!(order_of(&trees, midpoint, 1.0, 0.5), 4, "{method}");
            }
            Interpolation::Polynomial { order, extra, weights } => {
                let stages = Stages::with_interpolant(&tableau, extra);
                assert_eq!(weights.len(), stages.c.len(), "{method}");
                let trees = stages.trees(HIGHEST);
                let at = |theta: f64| -> Vec<f64> {
                    let powers = |row: &&[f64]| row.iter().rev().fold(0.0, |sum, w| (sum + w) * theta);
                    weights.iter().map(powers).collect()
                };
                let sizes = weights.iter().map(|row| row.iter().map(|w| w.abs()).sum());
                let size = sizes.fold(1.0, f64::max);
                for theta in [0.1, 0.37, 0.5, 0.9] {
                    assert_eq!(
                        order_of(&trees, &at(theta), size, theta),
                        order,
                        "{method}, θ = {theta}"
                    );
                }
                let end = at(1.0);
                let last = tableau.b().iter().chain(std::iter::repeat(&0.0));
                assert!(
                    end.iter().zip(last).all(|(a, b)| (a - b).abs() < 1e-12),
                    "{method}: {end:?}"
                );
            }
            _ => assert_eq!(tableau.interpolation(), Interpolation::CubicHermite),
        }
    }
}

#[test]
fn names_are_read_as_they_are_written() {
    for method in Method::ALL {
        assert_eq!(method.to_string().parse(), Ok(method));
    }
    let error = "rk45".parse::<Method>().unwrap_err().to_string();
    assert!(
        error.contains("rk45") && Method::ALL.iter().all(|method| error.contains(method.name())),
        "{error}"
    );
}
