//! Bytes that a solve and its gradient hold at most, against the number of steps, for every adjoint.
//!
//! A binary of its own with one test: the count is the whole process's, and a test beside it would be counted, too.

use std::{convert::Infallible, ops::Range};

use ffjord_ode::{
    Method, Solver, System,
    adjoint::{Adjoint, AdjointMethod, DifferentiableSystem},
};
use peakmem_alloc::{PeakMemAlloc, PeakMemAllocTrait};
use std::alloc;

#[global_allocator]
static ALLOCATOR: PeakMemAlloc<alloc::System> = PeakMemAlloc::new(alloc::System);

/// Numbers in a state: enough that its bytes outweigh what is kept beside it.
const NUMBERS: usize = 4096;

/// Bytes of a state.
const STATE: usize = NUMBERS * size_of::<f64>();

/// dy/dt = sin y: its tape holds y.
struct Swing;

impl System<Vec<f64>> for Swing {
    type Error = Infallible;

    fn rhs(&self, _t: f64, y: &Vec<f64>, dy: &mut Vec<f64>) -> Result<(), Infallible> {
        dy.iter_mut().zip(y).for_each(|(dy, y)| *dy = y.sin());
        Ok(())
    }
}

impl DifferentiableSystem<Vec<f64>> for Swing {
    type Tape = Vec<f64>;
    type Gradient = [f64; 0];

    fn zero_gradient(&self) -> Result<[f64; 0], Infallible> {
        Ok([])
    }

    fn linearize(&self, t: f64, y: &Vec<f64>, dy: &mut Vec<f64>) -> Result<Vec<f64>, Infallible> {
        self.rhs(t, y, dy)?;
        Ok(y.clone())
    }

    fn pullback(&self, y: Vec<f64>, v: &Vec<f64>, grad_y: &mut Vec<f64>, _: &mut [f64; 0]) -> Result<f64, Infallible> {
        for ((grad, y), v) in grad_y.iter_mut().zip(&y).zip(v) {
            *grad = y.cos() * v;
        }
        Ok(0.0)
    }
}

/// Bytes held at most, beyond those of the beginning, by a solve of so many steps and its gradient.
fn peak(adjoint: &AdjointMethod, method: Method, steps: usize) -> usize {
    let y0 = vec![1.0; NUMBERS];
    let solver = Solver::new(method).fixed_steps(steps);
    ALLOCATOR.reset_peak_memory();
    let (solution, record) = adjoint.forward(&solver, &Swing, &y0, 0.0, 1.0).unwrap();
    assert_eq!(solution.stats.accepted, steps);
    adjoint.backward(&Swing, record, &y0).unwrap();
    ALLOCATOR.get_peak_memory()
}

/// Checks how many bytes every further step takes.
fn check(name: &str, method: Method, a_step: &Range<usize>) {
    let adjoint: AdjointMethod = name.parse().unwrap();
    let counts = [100, 200, 400];
    let peaks = counts.map(|steps| peak(&adjoint, method, steps));
    for (steps, peaks) in counts.windows(2).zip(peaks.windows(2)) {
        let grown = peaks[1].saturating_sub(peaks[0]) / (steps[1] - steps[0]);
        assert!(
            peaks[1] >= peaks[0] && a_step.contains(&grown),
            "{name} through {method}: {peaks:?} bytes for {steps:?} steps, {grown} a step"
        );
    }
}

#[test]
fn every_adjoint_takes_the_bytes_it_says() {
    // Lists grow by doubling: entries may count twice, and thrice where the old one lives until it is copied.
    let beside = 256;
    let times = 3 * size_of::<f64>();
    for method in [Method::Dopri5, Method::Rk4] {
        check("checkpointed", method, &(STATE..STATE + beside));
        check("binomial", method, &(0..times + 1));
        check("backsolve", method, &(0..1));
    }
    // The coefficients of the interpolants: quartics and cubics.
    check("interpolated", Method::Dopri5, &(5 * STATE..5 * STATE + beside));
    check("interpolated", Method::Rk4, &(4 * STATE..4 * STATE + beside));
    check("reversible", Method::ReversibleHeun, &(0..times + 1));
}
