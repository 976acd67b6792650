//! The numbers of every method: order conditions of Hairer, Nørsett, Wanner I, II.2, for the solution, for the embedded
//! solution and, as polynomials in θ, for the interpolants.

use ffjord_ode::{Interpolation, Method, Tableau};

/// Of every explicit Runge–Kutta method.
fn tableaux() -> impl Iterator<Item = &'static Tableau> {
    Method::ALL.into_iter().filter_map(Method::tableau)
}

/// Σ over the stages of `weights` times a product of stage vectors.
fn sum(weights: &[f64], stages: &[f64]) -> f64 {
    weights.iter().zip(stages).map(|(w, s)| w * s).sum()
}

/// A v, stage by stage.
fn apply(tableau: &Tableau, v: &[f64]) -> Vec<f64> {
    tableau.a.iter().map(|row| sum(row, v)).collect()
}

fn times(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

/// The elementary weights of all 17 rooted trees up to order 5: (order, density γ, stage vector Φ).
fn trees(tableau: &Tableau) -> Vec<(u32, f64, Vec<f64>)> {
    let one = vec![1.0; tableau.stages()];
    let c = tableau.c.to_vec();
    let (c2, ac) = (times(&c, &c), apply(tableau, &c));
    let (c3, ac2, aac) = (times(&c2, &c), apply(tableau, &c2), apply(tableau, &ac));
    vec![
        (1, 1.0, one),
        (2, 2.0, c.clone()),
        (3, 3.0, c2.clone()),
        (3, 6.0, ac.clone()),
        (4, 4.0, c3.clone()),
        (4, 8.0, times(&c, &ac)),
        (4, 12.0, ac2.clone()),
        (4, 24.0, aac.clone()),
        (5, 5.0, times(&c3, &c)),
        (5, 10.0, times(&c2, &ac)),
        (5, 15.0, times(&c, &ac2)),
        (5, 20.0, times(&ac, &ac)),
        (5, 20.0, apply(tableau, &c3)),
        (5, 30.0, times(&c, &aac)),
        (5, 40.0, apply(tableau, &times(&c, &ac))),
        (5, 60.0, apply(tableau, &ac2)),
        (5, 120.0, apply(tableau, &aac)),
    ]
}

/// Highest order whose conditions `weights` meet at the relative time θ, up to 5.
fn order_of(tableau: &Tableau, weights: &[f64], theta: f64) -> u32 {
    let failed = trees(tableau)
        .into_iter()
        .find(|(order, density, stages)| (sum(weights, stages) - theta.powi(*order as i32) / density).abs() > 1e-13);
    failed.map_or(5, |(order, ..)| order - 1)
}

#[test]
fn rows_sum_to_the_stage_times() {
    for tableau in tableaux() {
        let method = tableau.name;
        assert_eq!(tableau.a.len(), tableau.stages(), "{method}");
        for (i, (row, c)) in tableau.a.iter().zip(tableau.c).enumerate() {
            assert_eq!(row.len(), i, "{method}, row {i}");
            assert!((row.iter().sum::<f64>() - c).abs() < 1e-14, "{method}, row {i}");
        }
    }
}

#[test]
fn solutions_and_estimates_have_their_order_and_no_more() {
    for tableau in tableaux() {
        let method = tableau.name;
        assert_eq!(order_of(tableau, tableau.b, 1.0), tableau.order, "{method}");
        if let Some(embedded) = tableau.embedded {
            let lower: Vec<f64> = tableau.b.iter().zip(embedded.weights).map(|(b, e)| b - e).collect();
            assert_eq!(order_of(tableau, &lower, 1.0), embedded.order, "{method}, embedded");
        }
    }
}

#[test]
fn first_same_as_last_methods_end_on_their_solution() {
    for tableau in tableaux() {
        let method = tableau.name;
        let last = tableau.a.last().map_or(&[][..], |row| row);
        let same = tableau.c.last() == Some(&1.0) && last.iter().chain(&[0.0]).eq(tableau.b);
        assert_eq!(same, tableau.fsal, "{method}");
    }
}

#[test]
fn interpolants_meet_the_conditions_of_order_four_inside_the_step() {
    let midpoint = |tableau: &Tableau| match tableau.interpolation {
        Interpolation::QuarticMidpoint { midpoint } => midpoint.to_vec(),
        other => panic!("{other:?}"),
    };
    let dopri5 = Method::Dopri5.tableau().unwrap();
    assert_eq!(order_of(dopri5, &midpoint(dopri5), 0.5), 4);

    let tsit5 = Method::Tsit5.tableau().unwrap();
    let Interpolation::QuarticWeights { weights } = tsit5.interpolation else {
        panic!("{:?}", tsit5.interpolation)
    };
    for theta in [0.1, 0.37, 0.5, 0.9, 1.0_f64] {
        let at: Vec<f64> = weights
            .iter()
            .map(|w| (1..=4).map(|j| w[j - 1] * theta.powi(j as i32)).sum())
            .collect();
        assert!(order_of(tsit5, &at, theta) >= 4, "θ = {theta}");
        if theta == 1.0 {
            assert!(at.iter().zip(tsit5.b).all(|(a, b)| (a - b).abs() < 1e-13), "{at:?}");
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
