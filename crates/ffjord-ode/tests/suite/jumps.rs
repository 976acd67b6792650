//! Jumps of the right-hand side: each side is seen by its own steps alone.

use std::{cell::Cell, convert::Infallible};

use ffjord_ode::{
    Adaptive, Method, SaveAt, SetupError, SolveError, Solver, System, Tolerance,
    adjoint::{Adjoint, AdjointMethod, Backsolve, Checkpointed, DifferentiableSystem},
};

use super::{failures::solvers, problems::largest_difference};

fn tolerance(tolerance: f64) -> Tolerance {
    Tolerance::new(tolerance, tolerance).unwrap()
}

/// y' = 1 before t = 1 and −5 after; what holds at 1 itself must not matter.
fn push(at_one: f64) -> impl Fn(f64, &[f64; 1], &mut [f64; 1]) {
    move |t, _, dy| {
        dy[0] = if t < 1.0 {
            1.0
        } else if t > 1.0 {
            -5.0
        } else {
            at_one
        }
    }
}

#[test]
fn a_jump_costs_what_two_solves_cost() {
    let solver = Solver::new(Method::Dopri5).adaptive(tolerance(1e-10));
    let up = |_: f64, _: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 1.0;
    let down = |_: f64, _: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -5.0;
    let first = solver.solve(&up, &[0.0], 0.0, 1.0).unwrap();
    let second = solver.solve(&down, &first.state, 1.0, 2.0).unwrap();
    for at_one in [1.0, -5.0, 100.0, f64::NAN] {
        let solution = solver
            .clone()
            .jump_at(vec![1.0])
            .solve(&push(at_one), &[0.0], 0.0, 2.0)
            .unwrap();
        assert_eq!(solution.state, second.state);
        assert_eq!(solution.stats.nfe, first.stats.nfe + second.stats.nfe, "at 1: {at_one}");
    }
    let stopping = solver.stop_at(vec![1.0]).solve(&push(-5.0), &[0.0], 0.0, 2.0).unwrap();
    assert!(stopping.stats.nfe > 10 * (first.stats.nfe + second.stats.nfe));
}

#[test]
fn every_method_passes_jumps_in_both_directions() {
    for solver in solvers() {
        for (t0, t1, jumps, exact) in [
            (0.0, 2.0, vec![1.0], -4.0),
            (2.0, 0.0, vec![1.0], 4.0),
            (1.0, 2.0, vec![1.0], -5.0),
            (0.0, 1.0, vec![0.5, 1.0], 1.0),
            (1.0, 0.0, vec![1.0, 0.0], -1.0),
        ] {
            let solver = solver.clone().jump_at(jumps).save_at(SaveAt::Dense);
            let solution = solver.solve(&push(f64::NAN), &[0.0], t0, t1).unwrap();
            let off = (solution.state[0] - exact).abs();
            assert!(off < 1e-6, "{}, {t0} to {t1}: {off:e}", solver.method());
            assert_eq!(solution.t, t1);
            let at_one = solution.dense.unwrap().at(1.0).unwrap()[0];
            let exact = if t0 < 1.0 { 1.0 - t0 } else { 5.0 * (t0 - 1.0) };
            assert!((at_one - exact).abs() < 1e-6, "{}: {at_one}", solver.method());
        }
    }
}

#[test]
fn jumps_must_fit_the_solve() {
    for jumps in [vec![3.0], vec![1.5, 0.5], vec![f64::NAN]] {
        let solver = Solver::new(Method::Tsit5).adaptive(tolerance(1e-6)).jump_at(jumps);
        let error = solver.solve(&push(1.0), &[0.0], 0.0, 2.0).unwrap_err();
        assert!(
            matches!(
                error,
                SolveError::Setup(SetupError::InvalidTimes { purpose: "jump", .. })
            ),
            "{error}"
        );
    }
}

#[test]
fn stops_and_jumps_go_together() {
    let solver = Solver::new(Method::Rk4)
        .fixed_steps(5)
        .stop_at(vec![0.5, 1.0, 1.5])
        .jump_at(vec![1.0, 1.7])
        .save_at(SaveAt::Steps);
    let solution = solver.solve(&push(f64::NAN), &[0.0], 0.0, 2.0).unwrap();
    let times: Vec<f64> = solution.saved.iter().map(|point| point.t).collect();
    assert_eq!(times, [0.0, 0.4, 0.5, 0.8, 1.0, 1.2, 1.5, 1.6, 1.7, 2.0]);
    assert!((solution.state[0] + 4.0).abs() < 1e-12);
}

/// y' = θ₀ sin(y + t) before t = 1 and θ₁ cos(y) + t after; NaN at 1 itself.
struct Switched {
    theta: [f64; 2],
    evaluations: Cell<usize>,
}

impl Switched {
    fn new(theta: [f64; 2]) -> Self {
        let evaluations = Cell::new(0);
        Self { theta, evaluations }
    }
}

impl System<[f64; 1]> for Switched {
    type Error = Infallible;

    fn rhs(&self, t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(), Infallible> {
        self.evaluations.set(self.evaluations.get() + 1);
        dy[0] = if t < 1.0 {
            self.theta[0] * (y[0] + t).sin()
        } else if t > 1.0 {
            self.theta[1] * y[0].cos() + t
        } else {
            f64::NAN
        };
        Ok(())
    }
}

impl DifferentiableSystem<[f64; 1]> for Switched {
    type Tape = (f64, f64);
    type Gradient = [f64; 2];

    fn zero_gradient(&self) -> Result<[f64; 2], Infallible> {
        Ok([0.0; 2])
    }

    fn linearize(&self, t: f64, y: &[f64; 1], dy: &mut [f64; 1]) -> Result<(f64, f64), Infallible> {
        self.rhs(t, y, dy)?;
        Ok((t, y[0]))
    }

    fn pullback(
        &self,
        (t, y): (f64, f64),
        v: &[f64; 1],
        grad_y: &mut [f64; 1],
        gradient: &mut [f64; 2],
    ) -> Result<f64, Infallible> {
        if t < 1.0 {
            grad_y[0] = self.theta[0] * (y + t).cos() * v[0];
            gradient[0] += (y + t).sin() * v[0];
            Ok(grad_y[0])
        } else {
            grad_y[0] = -self.theta[1] * y.sin() * v[0];
            gradient[1] += y.cos() * v[0];
            Ok(v[0])
        }
    }
}

/// (dL/dy0, dL/dθ₀, dL/dθ₁, dL/dt0, dL/dt1) of L = y(t1).
fn gradient<A: Adjoint<[f64; 1], Switched>>(adjoint: &A, solver: &Solver, t0: f64, t1: f64) -> Vec<f64> {
    let system = Switched::new([1.3, -0.7]);
    let (_, record) = adjoint.forward(solver, &system, &[0.4], t0, t1).unwrap();
    let back = adjoint.backward(&system, record, &[1.0]).unwrap();
    vec![back.y0[0], back.gradient[0], back.gradient[1], back.t0, back.t1]
}

#[test]
fn adjoints_differentiate_across_jumps() {
    let end = |solver: &Solver, [y0, a, b, t0, t1]: [f64; 5]| {
        solver.solve(&Switched::new([a, b]), &[y0], t0, t1).unwrap().state[0]
    };
    for (t0, t1) in [(0.2, 1.9), (1.9, 0.2)] {
        let tight = Solver::new(Method::Dopri8)
            .adaptive(tolerance(1e-12))
            .jump_at(vec![1.0]);
        let differences: Vec<f64> = (0..5)
            .map(|i| {
                let moved = |by: f64| {
                    let mut inputs = [0.4, 1.3, -0.7, t0, t1];
                    inputs[i] += by;
                    end(&tight, inputs)
                };
                let h = 1e-3;
                (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h)
            })
            .collect();
        for (name, method, bound) in [
            ("checkpointed", Method::Tsit5, 1e-8),
            ("checkpointed", Method::Rk4, 1e-6),
            ("binomial", Method::Dopri5, 1e-8),
            ("backsolve", Method::Dopri5, 1e-8),
            ("interpolated", Method::Dopri8, 1e-8),
            ("backsolve", Method::Adams, 1e-7),
            ("reversible", Method::ReversibleHeun, 1e-4),
        ] {
            let solver = if method.order() > 4 {
                Solver::new(method).adaptive(tolerance(1e-11))
            } else {
                Solver::new(method).fixed_steps(400)
            };
            let solver = solver.jump_at(vec![1.0]);
            let adjoint: AdjointMethod = name.parse().unwrap();
            let off = largest_difference(&gradient(&adjoint, &solver, t0, t1), &differences);
            assert!(off < bound, "{name}, {method}, {t0} to {t1}: {off:e}");
        }
        let backwards = Backsolve::new().solver(Solver::new(Method::Rk4).fixed_steps(400));
        let off = largest_difference(&gradient(&backwards, &tight, t0, t1), &differences);
        assert!(off < 1e-8, "a solver of its own knows the jumps, too: {off:e}");
    }
}

#[test]
fn the_gradient_of_steps_across_a_jump_is_exact_and_has_the_same_bits_from_tapes() {
    for method in [Method::Bosh3, Method::Dopri5, Method::Rk4] {
        for steps in [4, 7] {
            let solver = Solver::new(method).fixed_steps(steps).jump_at(vec![1.0]);
            let (t0, t1) = (0.2, 1.9);
            let exact = gradient(&Checkpointed::new(), &solver, t0, t1);
            let moved = |i: usize, by: f64| {
                let mut inputs = [0.4, 1.3, -0.7];
                inputs[i] += by;
                let [y0, a, b] = inputs;
                solver.solve(&Switched::new([a, b]), &[y0], t0, t1).unwrap().state[0]
            };
            for (i, exact) in exact.iter().take(3).enumerate() {
                let difference = (moved(i, 1e-5) - moved(i, -1e-5)) / 2e-5;
                assert!(
                    (exact - difference).abs() < 1e-8,
                    "{method}, {steps}: {exact} {difference}"
                );
            }
            for bytes in [1 << 7, 1 << 20] {
                let tapes = gradient(&Checkpointed::new().keep_tapes(bytes), &solver, t0, t1);
                assert_eq!(tapes, exact, "{method}, {steps} steps, {bytes} bytes");
            }
            let two: AdjointMethod = AdjointMethod::Binomial(ffjord_ode::adjoint::Binomial::new(2.try_into().unwrap()));
            assert_eq!(gradient(&two, &solver, t0, t1), exact);
        }
    }
    // All tapes kept: nothing is evaluated on the way back, though attempts were rejected.
    let control = Adaptive::new(tolerance(1e-9)).first_step(0.7);
    let solver = Solver::new(Method::Dopri5).adaptive_with(control).jump_at(vec![1.0]);
    let (system, adjoint) = (Switched::new([1.3, -0.7]), Checkpointed::new().keep_tapes(1 << 20));
    let (solution, record) = adjoint.forward(&solver, &system, &[0.4], 0.2, 1.9).unwrap();
    assert!(solution.stats.rejected > 1 && record.kept_steps() == solution.stats.accepted);
    system.evaluations.set(0);
    adjoint.backward(&system, record, &[1.0]).unwrap();
    assert_eq!(system.evaluations.get(), 0);
}
