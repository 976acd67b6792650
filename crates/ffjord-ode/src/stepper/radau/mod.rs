//! Radau IIA of order 5 with matrices, for stiff equations of few components.

mod coefficients;
mod collocation;
mod estimate;
mod jacobian;
mod newton;

use self::collocation::{Factors, Past, Stages, polynomial};
use super::Stepper;
use crate::{
    dense::Matrix,
    error::{SetupError, SolveError, StateError},
    interpolant::Interpolant,
    norm::{ScaledError, Tolerance},
    sparsity::Sparsity,
    state::State,
    system::{Evaluator, System},
};

/// Radau IIA of order 5, `M Yᵢ' = f(tᵢ, Yᵢ)` at three stages of a cubic collocation polynomial whose end is y₁: L-stable
/// and stiffly accurate (Hairer and Wanner II, IV.8).
///
/// Simplified Newton's iteration solves for all stages together, as one real and one complex equation of the state's
/// size; the Jacobian is [`System::jacobian`], or finite differences by [`System::sparsity`], and serves as long as the
/// iteration goes fast. Several matrices of the state's size are kept, so that the state may
/// have at most [`MAX_COMPONENTS`](Self::MAX_COMPONENTS). The arithmetic is f64 whatever the state's type is. A state
/// of another type must have [`State::to_components`]. Equations with a [`System::mass_matrix`] are solved.
///
/// ```
/// use ffjord_ode::{Matrix, Method, Solver, System, Tolerance};
///
/// /// Robertson's reaction with its mass balance in place of the third equation.
/// struct Robertson;
///
/// impl System<[f64; 3]> for Robertson {
///     type Error = std::convert::Infallible;
///     fn rhs(&self, _t: f64, y: &[f64; 3], dy: &mut [f64; 3]) -> Result<(), Self::Error> {
///         let slow = -0.04 * y[0] + 1e4 * y[1] * y[2];
///         *dy = [slow, -slow - 3e7 * y[1] * y[1], y[0] + y[1] + y[2] - 1.0];
///         Ok(())
///     }
///     fn mass_matrix(&self) -> Option<Matrix> {
///         Some(Matrix::diagonal(&[1.0, 1.0, 0.0]))
///     }
/// }
///
/// let solver = Solver::new(Method::Radau5).adaptive(Tolerance::new(1e-6, 1e-10)?);
/// let solution = solver.solve(&Robertson, &[1.0, 0.0, 0.0], 0.0, 40.0)?;
/// assert!((solution.state[0] - 0.7158271).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Radau5<S> {
    tolerance: Tolerance,
    t: f64,
    t_next: f64,
    state: S,
    candidate: S,
    slope_at_start: S,
    /// Arguments and values of evaluations, then the error estimate.
    work: [S; 2],
    y: Vec<f64>,
    /// f at the current point, once it is asked for.
    slope: Option<Vec<f64>>,
    z: Stages,
    end: End,
    past: Option<Past>,
    jacobian: Matrix,
    validity: Validity,
    factors: Option<Factors>,
    mass: Option<Matrix>,
    sparsity: Sparsity,
    /// Whether the last iteration went fast enough to keep the Jacobian.
    fast: bool,
    /// Whether the last attempt has not been accepted.
    pending: bool,
}

/// How the last attempt ended.
#[derive(Debug, Clone)]
enum End {
    /// With this error estimate.
    Estimated(Vec<f64>),
    /// With stages that are not solved.
    NotSolved,
    /// With a NaN or an infinity.
    NotFinite,
}

/// What the Jacobian at hand is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Validity {
    Current,
    Earlier,
    Outdated,
}

impl<S> Radau5<S> {
    pub(crate) const NAME: &'static str = "radau5";
    pub(crate) const ORDER: u32 = 5;

    /// The largest number of components of a state.
    pub const MAX_COMPONENTS: usize = 2048;
}

impl<S: State> Radau5<S> {
    /// A stepper for states like `y` that solves its equations to a part of `tolerance`; `None` asks for all that the
    /// precision of the states can hold.
    ///
    /// # Errors
    /// [`StateError::NoComponents`] or [`StateError::TooManyComponents`] if the state does not suit the method.
    pub fn new(tolerance: Option<Tolerance>, y: &S) -> Result<Self, StateError> {
        let n = y.to_components()?.len();
        if n > Self::MAX_COMPONENTS {
            return Err(StateError::TooManyComponents {
                found: n,
                limit: Self::MAX_COMPONENTS,
            });
        }
        Ok(Self {
            tolerance: tolerance.unwrap_or(Tolerance::finest(y.epsilon())),
            t: 0.0,
            t_next: 0.0,
            state: y.zeros_like()?,
            candidate: y.zeros_like()?,
            slope_at_start: y.zeros_like()?,
            work: [y.zeros_like()?, y.zeros_like()?],
            y: vec![0.0; n],
            slope: None,
            z: [const { Vec::new() }; 3],
            end: End::NotSolved,
            past: None,
            jacobian: Matrix::zeros(n),
            validity: Validity::Outdated,
            factors: None,
            mass: None,
            sparsity: Sparsity::dense(n),
            fast: false,
            pending: false,
        })
    }

    /// Root mean square over the components of `vectors`, measured against the tolerance.
    fn size(&self, vectors: &[Vec<f64>]) -> f64 {
        let squares = vectors.iter().flat_map(|x| x.iter().zip(&self.y)).map(|(x, y)| {
            let ratio = x / (self.tolerance.atol() + self.tolerance.rtol() * y.abs());
            if *x == 0.0 { 0.0 } else { ratio * ratio }
        });
        let count: usize = vectors.iter().map(Vec::len).sum();
        (squares.sum::<f64>() / count.max(1) as f64).sqrt()
    }

    fn evaluate<Sys>(
        &mut self,
        f: &mut Evaluator<'_, Sys>,
        t: f64,
        increment: &[f64],
    ) -> Result<Vec<f64>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let argument: Vec<f64> = self.y.iter().zip(increment).map(|(y, z)| y + z).collect();
        let [input, output] = &mut self.work;
        input.set_components(&argument)?;
        f.rhs(t, input, output)?;
        let slope = output.to_components()?;
        if slope.len() == self.y.len() {
            Ok(slope)
        } else {
            Err(StateError::LengthMismatch {
                expected: self.y.len(),
                found: slope.len(),
            }
            .into())
        }
    }

    /// f at the current point.
    fn current_slope<Sys>(&mut self, f: &mut Evaluator<'_, Sys>) -> Result<Vec<f64>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        if let Some(slope) = &self.slope {
            return Ok(slope.clone());
        }
        let slope = self.evaluate(f, self.t, &vec![0.0; self.y.len()])?;
        self.slope = Some(slope.clone());
        Ok(slope)
    }
}

impl<S: State> Stepper<S> for Radau5<S> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn order(&self) -> u32 {
        Self::ORDER
    }

    fn error_order(&self) -> Option<u32> {
        Some(3)
    }

    fn start<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t: f64, y: &S) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let n = self.y.len();
        let fits = |what, found| match found == n {
            true => Ok(()),
            false => Err(SetupError::WrongSize {
                what,
                found,
                expected: n,
            }),
        };
        self.mass = f.system().mass_matrix();
        if let Some(mass) = &self.mass {
            fits("mass matrix", mass.size())?;
        }
        if let Some(sparsity) = f.system().sparsity() {
            fits("sparsity", sparsity.size())?;
            self.sparsity = sparsity;
        }
        self.state.set_sum(&[(1.0, y)])?;
        self.y = self.state.to_components()?;
        (self.t, self.t_next) = (t, t);
        (self.past, self.factors, self.validity) = (None, None, Validity::Outdated);
        self.pending = false;
        f.rhs(t, &self.state, &mut self.slope_at_start)?;
        // A right-hand side that changes the shape is refused here.
        self.candidate.set_sum(&[(1.0, &self.slope_at_start)])?;
        self.slope = Some(self.slope_at_start.to_components()?);
        Ok(())
    }

    fn time(&self) -> f64 {
        self.t
    }

    fn state(&self) -> &S {
        &self.state
    }

    fn initial_slope(&self) -> &S {
        &self.slope_at_start
    }

    fn attempt<Sys>(&mut self, f: &mut Evaluator<'_, Sys>, t_next: f64) -> Result<(), SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        /// The part of the tolerance that rounding may take.
        const ROUNDING: f64 = 0.125;
        let again = self.pending || self.past.is_none();
        self.t_next = t_next;
        self.pending = true;
        let rounding = self.state.epsilon() * self.size(std::slice::from_ref(&self.y));
        if rounding > ROUNDING {
            return Err(SolveError::Rounding {
                t: self.t,
                ratio: rounding,
                accepted: ROUNDING,
            });
        }
        let slope = self.current_slope(f)?;
        let Some((factors, progress)) = self.solve_stages(f, &slope, rounding)? else {
            return Ok(());
        };
        self.fast = progress.is_fast();
        let end: Vec<f64> = self.y.iter().zip(&self.z[2]).map(|(y, z)| y + z).collect();
        self.candidate.set_components(&end)?;
        let error = self.embedded_error(f, &factors, &slope, again)?;
        let finite = error.iter().chain(&end).all(|x| x.is_finite());
        self.end = if finite { End::Estimated(error) } else { End::NotFinite };
        self.factors = Some(factors);
        Ok(())
    }

    fn is_solved(&self) -> bool {
        !matches!(self.end, End::NotSolved)
    }

    fn candidate(&self) -> &S {
        &self.candidate
    }

    fn measure_error(&mut self, tolerance: &Tolerance) -> Result<Option<ScaledError>, StateError> {
        let End::Estimated(error) = &self.end else {
            return Ok(Some(ScaledError {
                sum_squares: f64::NAN,
                max: f64::NAN,
                count: self.y.len(),
            }));
        };
        let [scratch, _] = &mut self.work;
        scratch.set_components(error)?;
        scratch.scaled_error(&self.state, &self.candidate, tolerance).map(Some)
    }

    fn interpolant<Sys>(&mut self, _f: &mut Evaluator<'_, Sys>) -> Result<Interpolant<S>, SolveError<Sys::Error>>
    where
        Sys: System<S> + ?Sized,
    {
        let mut coefficients = vec![self.state.clone()];
        for coefficient in polynomial(&self.z) {
            let mut state = self.state.zeros_like()?;
            state.set_components(&coefficient)?;
            coefficients.push(state);
        }
        Ok(Interpolant::new(self.t, self.t_next, coefficients))
    }

    fn takes_mass_matrix(&self) -> bool {
        true
    }

    fn accept(&mut self) {
        std::mem::swap(&mut self.state, &mut self.candidate);
        self.y.iter_mut().zip(&self.z[2]).for_each(|(y, z)| *y += z);
        self.past = Some(Past {
            h: self.t_next - self.t,
            polynomial: polynomial(&self.z),
        });
        self.t = self.t_next;
        self.slope = None;
        self.validity = if self.fast {
            Validity::Earlier
        } else {
            Validity::Outdated
        };
        self.pending = false;
    }
}
