//! Evaluations and steps, pinned: a change here is a change of an algorithm.

use std::cell::Cell;

use ffjord_ode::{Method, Solver, Stats, Tolerance};

use super::problems::{self, Problem};

fn stats(problem: &Problem, method: Method, rtol: f64, atol: f64) -> Stats {
    problem
        .solve(&Solver::new(method).adaptive(Tolerance::new(rtol, atol).unwrap()))
        .unwrap()
        .stats
}

/// (evaluations, accepted, rejected) of torchdiffeq's dopri5 at (1e-3, 1e-6), (1e-6, 1e-8), (1e-9, 1e-10), and the
/// rejections spared here: it steps past the end and interpolates back, where we cut the last step to the end.
const TORCHDIFFEQ: [(Problem, [[usize; 3]; 3], [usize; 3]); 7] = [
    (problems::DECAY, [[38, 6, 0], [128, 21, 0], [404, 67, 0]], [0, 0, 0]),
    (
        problems::HARMONIC,
        [[80, 13, 0], [356, 47, 12], [1142, 172, 18]],
        [0, 0, 0],
    ),
    (problems::LOGISTIC, [[50, 7, 1], [122, 18, 2], [386, 59, 5]], [0, 0, 0]),
    (
        problems::COSINE,
        [[80, 10, 3], [260, 33, 10], [848, 117, 24]],
        [1, 0, 0],
    ),
    (
        problems::TRACKING,
        [[272, 35, 10], [530, 86, 2], [1850, 303, 5]],
        [0, 0, 0],
    ),
    (
        problems::ORBIT,
        [[104, 13, 4], [272, 35, 10], [830, 122, 16]],
        [1, 0, 1],
    ),
    (
        problems::COSINE_BACK,
        [[92, 10, 5], [260, 33, 10], [818, 116, 20]],
        [0, 0, 0],
    ),
];

#[test]
fn dopri5_takes_the_steps_of_torchdiffeq() {
    let tolerances = [(1e-3, 1e-6), (1e-6, 1e-8), (1e-9, 1e-10)];
    for (problem, theirs, spared) in TORCHDIFFEQ {
        for (((rtol, atol), [nfe, accepted, rejected]), spared) in tolerances.into_iter().zip(theirs).zip(spared) {
            let expected = Stats {
                nfe: nfe - 6 * spared,
                accepted,
                rejected: rejected - spared,
            };
            let stats = stats(&problem, Method::Dopri5, rtol, atol);
            assert_eq!(stats, expected, "{} at {rtol:e}", problem.name);
        }
    }
}

/// (evaluations, accepted, rejected) at (1e-4, 1e-6) on logistic growth, the cosine and the orbit.
const SNAPSHOTS: [(Method, [[usize; 3]; 3]); 9] = [
    (Method::Heun, [[393, 193, 6], [1364, 661, 41], [1454, 705, 43]]),
    (Method::Midpoint, [[393, 193, 6], [1360, 660, 39], [1457, 706, 44]]),
    (Method::Bosh3, [[77, 22, 3], [263, 67, 20], [284, 72, 22]]),
    (Method::Tsit5, [[62, 9, 1], [128, 17, 4], [128, 18, 3]]),
    (Method::Ralston, [[396, 194, 7], [1360, 660, 39], [1453, 704, 44]]),
    (Method::Vern7, [[80, 7, 1], [130, 12, 1], [160, 15, 1]]),
    (Method::Dopri8, [[95, 6, 2], [164, 9, 5], [155, 11, 2]]),
    (Method::Adams, [[46, 20, 5], [97, 41, 14], [88, 39, 9]]),
    (Method::KenCarp4, [[152, 8, 0], [332, 18, 4], [990, 18, 6]]),
];

#[test]
fn the_other_methods_keep_their_step_counts() {
    for (method, expected) in SNAPSHOTS {
        let counts = [problems::LOGISTIC, problems::COSINE, problems::ORBIT].map(|problem| {
            let stats = stats(&problem, method, 1e-4, 1e-6);
            [stats.nfe, stats.accepted, stats.rejected]
        });
        assert_eq!(counts, expected, "{method}");
    }
}

#[test]
fn evaluations_are_counted_as_they_happen() {
    for (method, tableau) in Method::ALL
        .into_iter()
        .filter_map(|method| Some((method, method.tableau()?)))
    {
        for (solver, steps) in [
            (Some(Solver::new(method).fixed_steps(17)), Some(17)),
            (
                method
                    .is_adaptive()
                    .then(|| Solver::new(method).adaptive(Tolerance::new(1e-5, 1e-5).unwrap())),
                None,
            ),
        ] {
            let Some(solver) = solver else { continue };
            let calls = Cell::new(0);
            let rhs = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| {
                calls.set(calls.get() + 1);
                dy[0] = -y[0];
            };
            let stats = solver.solve(&rhs, &[1.0], 0.0, 3.0).unwrap().stats;
            assert_eq!(stats.nfe, calls.get(), "{method}");
            let per_step = tableau.stages() - usize::from(tableau.fsal());
            let attempts = stats.accepted + stats.rejected;
            match steps {
                Some(steps) => {
                    assert_eq!((stats.accepted, stats.rejected), (steps, 0));
                    assert_eq!(stats.nfe, per_step * steps + usize::from(tableau.fsal()), "{method}");
                }
                None if tableau.fsal() => assert_eq!(stats.nfe, 2 + per_step * attempts, "{method}"),
                // A rejected attempt keeps the slope at its start.
                None => assert_eq!(stats.nfe, 1 + per_step * attempts - stats.rejected, "{method}"),
            }
        }
    }
}
