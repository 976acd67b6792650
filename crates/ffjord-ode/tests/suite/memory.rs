//! Memory of every adjoint against the number of steps, counted in states that are alive at the same time.

use std::{cell::Cell, convert::Infallible, num::NonZeroUsize, rc::Rc};

use ffjord_ode::{
    Method, NonFinite, ScaledError, Solver, State, StateError, System, Tolerance,
    adjoint::{Adjoint, AdjointMethod, Binomial, DifferentiableSystem},
};

/// How many there are, and how many there have been at most.
#[derive(Debug, Default)]
struct Census {
    alive: Cell<usize>,
    most: Cell<usize>,
}

/// A state, or a tape, that is counted as long as it lives.
#[derive(Debug)]
struct Counted {
    values: Vec<f64>,
    census: Rc<Census>,
}

impl Counted {
    fn new(values: Vec<f64>, census: &Rc<Census>) -> Self {
        census.alive.set(census.alive.get() + 1);
        census.most.set(census.most.get().max(census.alive.get()));
        Self {
            values,
            census: Rc::clone(census),
        }
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(self.values.clone(), &self.census)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.census.alive.set(self.census.alive.get() - 1);
    }
}

impl State for Counted {
    fn zeros_like(&self) -> Result<Self, StateError> {
        Ok(Self::new(self.values.zeros_like()?, &self.census))
    }
    fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
        let terms: Vec<(f64, &Vec<f64>)> = terms.iter().map(|(c, x)| (*c, &x.values)).collect();
        self.values.set_sum(&terms)
    }
    fn dot(&self, other: &Self) -> Result<f64, StateError> {
        self.values.dot(&other.values)
    }
    fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
        self.values.scaled_error(&y0.values, &y1.values, tolerance)
    }
    fn non_finite(&self) -> Result<NonFinite, StateError> {
        self.values.non_finite()
    }
}

/// dy/dt = sin y: its tape holds y.
struct Swing;

impl System<Counted> for Swing {
    type Error = Infallible;

    fn rhs(&self, _t: f64, y: &Counted, dy: &mut Counted) -> Result<(), Infallible> {
        dy.values.iter_mut().zip(&y.values).for_each(|(dy, y)| *dy = y.sin());
        Ok(())
    }
}

impl DifferentiableSystem<Counted> for Swing {
    type Tape = Counted;
    type Gradient = [f64; 0];

    fn zero_gradient(&self) -> Result<[f64; 0], Infallible> {
        Ok([])
    }

    fn linearize(&self, t: f64, y: &Counted, dy: &mut Counted) -> Result<Counted, Infallible> {
        self.rhs(t, y, dy)?;
        Ok(y.clone())
    }

    fn pullback(&self, y: Counted, v: &Counted, grad_y: &mut Counted, _: &mut [f64; 0]) -> Result<f64, Infallible> {
        for ((grad, y), v) in grad_y.values.iter_mut().zip(&y.values).zip(&v.values) {
            *grad = y.cos() * v;
        }
        Ok(0.0)
    }
}

/// States alive at once, at most, during a solve of so many steps and its gradient.
fn most_alive(adjoint: &AdjointMethod, method: Method, steps: usize) -> usize {
    let census = Rc::default();
    let y0 = Counted::new(vec![1.0, 2.0], &census);
    let solver = Solver::new(method).fixed_steps(steps);
    let (solution, record) = adjoint.forward(&solver, &Swing, &y0, 0.0, 1.0).unwrap();
    assert_eq!(solution.stats.accepted, steps);
    adjoint.backward(&Swing, record, &y0).unwrap();
    census.most.get()
}

/// States that every further step keeps.
fn states_a_step(adjoint: &AdjointMethod, method: Method) -> usize {
    let [few, some, many] = [100, 200, 400].map(|steps| most_alive(adjoint, method, steps));
    assert_eq!(many - some, 2 * (some - few), "{adjoint}: {few}, {some}, {many}");
    assert_eq!((some - few) % 100, 0, "{adjoint}: {few}, {some}, {many}");
    (some - few) / 100
}

#[test]
fn every_adjoint_keeps_the_states_it_says() {
    let named = |name: &str| name.parse::<AdjointMethod>().unwrap();
    for method in [Method::Dopri5, Method::Rk4] {
        assert_eq!(states_a_step(&named("checkpointed"), method), 1, "{method}");
        assert_eq!(states_a_step(&named("binomial"), method), 0, "{method}");
        assert_eq!(states_a_step(&named("backsolve"), method), 0, "{method}");
    }
    // The coefficients of the interpolants: quartics and cubics.
    assert_eq!(states_a_step(&named("interpolated"), Method::Dopri5), 5);
    assert_eq!(states_a_step(&named("interpolated"), Method::Rk4), 4);
    assert_eq!(states_a_step(&named("reversible"), Method::ReversibleHeun), 0);
}

#[test]
fn binomial_keeps_its_snapshots_beside_the_work_space() {
    let most = |snapshots| {
        let adjoint = AdjointMethod::Binomial(Binomial::new(NonZeroUsize::new(snapshots).unwrap()));
        most_alive(&adjoint, Method::Dopri5, 400)
    };
    assert_eq!(most(40) - most(10), 30);
    assert_eq!(most(200) - most(100), 100);
}
