//! Evaluations at equal error beside SciPy's solvers, whose numbers are part of the program: `tables/measure_scipy.py`
//! made them.

mod equation;
mod report;

use crate::error::{Result, StudyError};
use ffjord_ode::{Adaptive, Method, NextStep, Solver, Tolerance};
use serde::{Deserialize, Serialize};

pub use equation::Equation;
pub use report::scipy_markdown;

const TABLE: &str = include_str!("../../../tables/scipy.json");

/// What SciPy took, as `tables/measure_scipy.py` wrote it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScipyTable {
    /// The versions that were measured.
    pub versions: Versions,
    /// The problems.
    pub problems: Vec<ScipyProblem>,
}

/// Versions of what SciPy's numbers were made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// Python's.
    pub python: String,
    /// NumPy's.
    pub numpy: String,
    /// SciPy's.
    pub scipy: String,
}

/// An initial-value problem from t = 0 with its solution at the end, and what SciPy took for it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScipyProblem {
    /// The equation.
    #[serde(rename = "name")]
    pub equation: Equation,
    /// The initial state.
    pub initial: Vec<f64>,
    /// The end of the solve.
    pub end: f64,
    /// Absolute tolerance beside a relative one of 1.
    pub atol: f64,
    /// What is added to a component's size before its error is divided by it.
    pub floor: f64,
    /// Where the reference is from.
    pub source: String,
    /// Whether it is stiff.
    pub stiff: bool,
    /// Whether methods of this project were tuned with the problem in view.
    pub tuned: bool,
    /// The solution at the end.
    pub reference: Vec<f64>,
    /// What SciPy's solvers took.
    pub curves: Vec<ScipyCurve>,
}

/// A solver of SciPy on a problem.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScipyCurve {
    /// Its name.
    pub solver: String,
    /// Its solves, from coarse to fine.
    pub points: Vec<WorkPoint>,
}

/// One solve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkPoint {
    /// The relative tolerance.
    pub rtol: f64,
    /// Evaluations of the right-hand side, those for Jacobians among them.
    pub nfe: usize,
    /// Largest error of a component at the end, relative to its size plus the floor.
    pub error: f64,
}

/// One of our methods beside one of SciPy's on a problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The equation.
    pub problem: Equation,
    /// Whether it is stiff.
    pub stiff: bool,
    /// Whether methods of this project were tuned with the problem in view.
    pub tuned: bool,
    /// Our method.
    pub method: &'static str,
    /// How long its steps may be after one that was accepted: `not_shorter`, `by_error` or `predicted`.
    pub next_step: &'static str,
    /// SciPy's solver.
    pub rival: String,
    /// Our solves, from coarse to fine.
    pub points: Vec<WorkPoint>,
    /// Our evaluations over SciPy's at equal error, one for every error that both reach; from coarse to fine.
    pub ratios: Vec<f64>,
}

/// One of our methods, its steps after one that was accepted, and the solver of SciPy that it is compared with.
type Pair = (Method, NextStep, &'static str);

const NOT_STIFF: [Pair; 9] = [
    (Method::Dopri5, NextStep::NotShorter, "RK45"),
    (Method::Dopri5, NextStep::Predicted, "RK45"),
    (Method::Tsit5, NextStep::Predicted, "RK45"),
    (Method::Tsit5, NextStep::NotShorter, "RK45"),
    (Method::Vern7, NextStep::Predicted, "RK45"),
    (Method::Vern7, NextStep::NotShorter, "RK45"),
    (Method::Dopri8, NextStep::ByError, "DOP853"),
    (Method::Dopri8, NextStep::Predicted, "DOP853"),
    (Method::Adams, NextStep::NotShorter, "LSODA"),
];

const STIFF: [Pair; 5] = [
    (Method::Radau5, NextStep::Predicted, "Radau"),
    (Method::Radau5, NextStep::NotShorter, "Radau"),
    (Method::Radau5, NextStep::Predicted, "LSODA"),
    (Method::KenCarp4, NextStep::NotShorter, "Radau"),
    (Method::KenCarp4, NextStep::Predicted, "Radau"),
];

impl ScipyTable {
    /// The numbers that the program was built with.
    ///
    /// # Errors
    /// [`StudyError::ScipyTable`] if they are damaged.
    pub fn measured() -> Result<Self> {
        serde_json::from_str(TABLE).map_err(StudyError::ScipyTable)
    }

    /// Solves every problem with our methods, at the tolerances that SciPy was given.
    ///
    /// # Errors
    /// Never with the tolerances of a table that is not damaged.
    pub fn compare(&self) -> Result<Vec<Comparison>> {
        let mut comparisons = Vec::new();
        for problem in &self.problems {
            let pairs: &[Pair] = if problem.stiff { &STIFF } else { &NOT_STIFF };
            for &(method, next_step, rival) in pairs {
                if let Some(theirs) = problem.curves.iter().find(|curve| curve.solver == rival) {
                    comparisons.push(problem.compare(method, next_step, theirs)?);
                }
            }
        }
        Ok(comparisons)
    }
}

impl ScipyProblem {
    fn compare(&self, method: Method, next_step: NextStep, theirs: &ScipyCurve) -> Result<Comparison> {
        let mut points = Vec::new();
        for &WorkPoint { rtol, .. } in &theirs.points {
            let control = Adaptive::new(Tolerance::new(rtol, self.atol * rtol)?).next_step(next_step);
            points.extend(self.solve(&Solver::new(method).adaptive_with(control), rtol));
        }
        let theirs_kept = kept(&theirs.points);
        let ratio = |&(error, nfe): &(f64, f64)| Some(nfe / evaluations_at(error, &theirs_kept)?);
        Ok(Comparison {
            problem: self.equation,
            stiff: self.stiff,
            tuned: self.tuned,
            method: method.name(),
            next_step: match next_step {
                NextStep::ByError => "by_error",
                NextStep::Predicted => "predicted",
                _ => "not_shorter",
            },
            rival: theirs.solver.clone(),
            ratios: kept(&points).iter().filter_map(ratio).collect(),
            points,
        })
    }

    /// What a solve takes; none if it fails.
    fn solve(&self, solver: &Solver, rtol: f64) -> Option<WorkPoint> {
        let rhs = |_: f64, y: &Vec<f64>, dy: &mut Vec<f64>| self.equation.rhs(y, dy);
        let solution = solver.solve(&rhs, &self.initial, 0.0, self.end).ok()?;
        let errors = solution.state.iter().zip(&self.reference);
        let error = errors
            .map(|(a, b)| (a - b).abs() / (b.abs() + self.floor))
            .fold(0.0, f64::max);
        Some(WorkPoint {
            rtol,
            nfe: solution.stats.nfe,
            error,
        })
    }
}

/// Errors that are reached and kept at all finer tolerances, each with the fewest evaluations: a single small error among
/// larger ones is luck.
fn kept(points: &[WorkPoint]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (i, point) in points.iter().enumerate() {
        let error = points[i..].iter().map(|point| point.error).fold(0.0, f64::max);
        if kept.last().is_none_or(|(last, _)| error < *last) && error > 0.0 {
            kept.push((error, point.nfe as f64));
        }
    }
    kept
}

/// Evaluations at this error, by straight lines between the points' logarithms; `None` outside of them.
fn evaluations_at(error: f64, points: &[(f64, f64)]) -> Option<f64> {
    points.windows(2).find_map(|pair| {
        let [(e0, n0), (e1, n1)] = [pair[0], pair[1]].map(|(error, nfe)| (error.ln(), nfe.ln()));
        let part = (error.ln() - e0) / (e1 - e0);
        (0.0..=1.0).contains(&part).then(|| (n0 + part * (n1 - n0)).exp())
    })
}

impl Comparison {
    /// The geometric mean of the ratios; none where no error is reached by both.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.ratios.iter().map(|ratio| ratio.ln()).sum();
        (!self.ratios.is_empty()).then(|| (sum / self.ratios.len() as f64).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_solve_the_same_problems() {
        for problem in ScipyTable::measured().unwrap().problems {
            // Ours of the highest order at a tolerance finer than any of the comparison.
            let (method, rtol) = if problem.stiff {
                (Method::Radau5, 1e-10)
            } else {
                (Method::Dopri8, 1e-12)
            };
            let solver = Solver::new(method).adaptive(Tolerance::new(rtol, rtol * problem.atol).unwrap());
            let error = problem.solve(&solver, rtol).unwrap().error;
            assert!(error < 1e-7, "{}: {error:e}", problem.equation.name());
            for curve in &problem.curves {
                let first = curve.points.first().unwrap();
                let last = curve.points.last().unwrap();
                assert!(
                    last.error < 1e-2 * first.error,
                    "{}: {}",
                    problem.equation.name(),
                    curve.solver
                );
            }
        }
    }

    #[test]
    fn evaluations_are_interpolated_where_both_have_errors() {
        let point = |nfe, error| WorkPoint { rtol: 1.0, nfe, error };
        // The second is small by luck.
        let kept = kept(&[point(10, 1e-1), point(20, 1e-5), point(40, 1e-3)]);
        assert_eq!(kept, [(1e-1, 10.0), (1e-3, 20.0)]);
        let middle = evaluations_at(1e-2, &kept).unwrap();
        assert!((middle - 200.0_f64.sqrt()).abs() < 1e-9);
        assert_eq!((evaluations_at(1.0, &kept), evaluations_at(1e-4, &kept)), (None, None));
    }

    #[test]
    fn evaluations_stay_what_they_are_beside_scipys() {
        let compared = ScipyTable::measured().unwrap().compare().unwrap();
        for found in &compared {
            let most = match (found.method, found.next_step) {
                ("dopri5", "not_shorter") => 1.1,
                ("dopri5", _) => 1.0,
                ("tsit5", "not_shorter") => 1.11,
                ("tsit5", _) => 0.95,
                ("vern7", "not_shorter") => 0.9,
                ("vern7", _) => 0.85,
                ("dopri8", _) => 1.0,
                ("adams", _) => 0.8,
                ("radau5", "predicted") => 1.1,
                ("radau5", _) => 1.3,
                (_, _) => 9.0,
            };
            let (mean, name) = (found.mean().unwrap(), found.problem.name());
            assert!(
                mean < most,
                "{name}: {mean}, {} {} / {}",
                found.method,
                found.next_step,
                found.rival
            );
            assert!(found.ratios.len() >= 5, "{name}: {:?}", found.ratios);
        }
        assert_eq!(compared.len(), 3 * NOT_STIFF.len() + 6 * STIFF.len());
    }
}
