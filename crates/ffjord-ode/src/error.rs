//! What can go wrong: settings that make no sense, states that do not fit together, and solves that cannot go on.

use thiserror::Error;

use crate::{state::NonFinite, tableau::TableauFault};

/// Settings that cannot describe a solve; found before any work is done.
///
/// ```
/// use ffjord_ode::{Method, SetupError, SolveError, Solver, Tolerance};
/// let refused = Tolerance::new(-1e-6, 1e-8).unwrap_err();
/// assert_eq!(refused, SetupError::InvalidTolerance { rtol: -1e-6, atol: 1e-8 });
/// assert!(refused.to_string().contains("for instance rtol 1e-6, atol 1e-8"));
///
/// let still = |_t: f64, _y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 0.0;
/// let solver = Solver::new(Method::Rk4).adaptive(Tolerance::FFJORD);
/// match solver.solve(&still, &[1.0], 0.0, 1.0) {
///     Err(SolveError::Setup(SetupError::NoErrorEstimate { method, adaptive })) => {
///         assert!(method == "rk4" && adaptive.contains("dopri5"));
///     }
///     other => return Err(format!("{other:?}").into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A tolerance that is negative, not finite, or zero in both parts.
    #[error(
        "tolerance rtol = {rtol}, atol = {atol}: both must be finite and not negative, and at least one positive \
         (for instance rtol 1e-6, atol 1e-8)"
    )]
    InvalidTolerance {
        /// The relative tolerance given.
        rtol: f64,
        /// The absolute tolerance given.
        atol: f64,
    },
    /// A start or end time that is NaN or infinite.
    #[error("cannot integrate from t0 = {t0} to t1 = {t1}: both times must be finite")]
    InvalidSpan {
        /// The start time given.
        t0: f64,
        /// The end time given.
        t1: f64,
    },
    /// A time to save at or to stop at that lies outside the span, or is out of order.
    #[error(
        "{purpose} time {time} does not fit the solve from {t0} to {t1}: give finite times inside the span, ordered \
         from the start to the end"
    )]
    InvalidTimes {
        /// What the time was for: `save`, `stop` or `jump`.
        purpose: &'static str,
        /// The first time that does not fit.
        time: f64,
        /// The start of the solve.
        t0: f64,
        /// The end of the solve.
        t1: f64,
    },
    /// A setting of the step control outside its range.
    #[error("{setting} = {given}: it must be {accepted}")]
    InvalidSetting {
        /// The setting's name.
        setting: &'static str,
        /// The value given.
        given: f64,
        /// The values that are accepted.
        accepted: &'static str,
    },
    /// Numbers of a Runge–Kutta method that do not fit together.
    #[error("tableau {name}: {fault}")]
    InvalidTableau {
        /// The method's name.
        name: &'static str,
        /// What is wrong.
        fault: TableauFault,
    },
    /// Adaptive steps asked of a method without an error estimate.
    #[error(
        "method {method} has no error estimate and cannot adapt its step: use fixed steps, or one of the methods with \
         an embedded pair ({adaptive})"
    )]
    NoErrorEstimate {
        /// The method asked for.
        method: &'static str,
        /// The methods that can adapt.
        adaptive: String,
    },
    /// Fixed steps asked of a method that chooses its order by its error estimate.
    #[error("method {method} chooses its order by its error estimate: use adaptive steps, or a method of fixed order")]
    NeedsErrorEstimate {
        /// The method asked for.
        method: &'static str,
    },
    /// An entry outside a matrix.
    #[error("entry ({row}, {column}) lies outside a matrix of {size} rows and columns: rows and columns count from 0")]
    InvalidEntry {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// Rows and columns of the matrix.
        size: usize,
    },
    /// A mass matrix or a sparsity pattern that does not fit the state.
    #[error("the system's {what} is for {found} components, and the state has {expected}")]
    WrongSize {
        /// `mass matrix` or `sparsity`.
        what: &'static str,
        /// Components that it is for.
        found: usize,
        /// Components of the state.
        expected: usize,
    },
    /// A mass matrix met a method or an adjoint that cannot use it.
    #[error("the system has a mass matrix, which {what} cannot use: solve it with radau5, without an adjoint")]
    MassMatrix {
        /// The method or the adjoint.
        what: &'static str,
    },
    /// A name that stands for nothing this crate has.
    #[error("unknown {kind} {given:?}; known: {known}")]
    UnknownName {
        /// What was looked up: `method` or `adjoint`.
        kind: &'static str,
        /// The name given.
        given: String,
        /// The names that are known.
        known: String,
    },
    /// An adjoint asked to differentiate through a method that it cannot.
    #[error(
        "the {adjoint} adjoint cannot differentiate through {method}: use it with {accepted}, or the backsolve adjoint, \
         which takes any method"
    )]
    AdjointNeedsMethod {
        /// The adjoint's name.
        adjoint: &'static str,
        /// The solver's method.
        method: &'static str,
        /// The methods that it can differentiate through.
        accepted: String,
    },
    /// An adjoint asked to differentiate through intermediate outputs.
    #[error(
        "adjoints save nothing on the way: leave the solver's SaveAt at End, and use forward_at for states at times"
    )]
    AdjointSavesEndOnly,
    /// Cotangents that are not as many as the states they belong to.
    #[error("{found} cotangents were given for {expected} states: give one for every time of the forward solve")]
    CotangentCount {
        /// The number of states.
        expected: usize,
        /// The number of cotangents given.
        found: usize,
    },
}

/// States that do not fit together, or a device that failed underneath one.
///
/// ```
/// use ffjord_ode::{State, StateError};
/// let mismatch = vec![0.0; 2].set_sum(&[(1.0, &vec![1.0; 3])]);
/// assert!(matches!(mismatch, Err(StateError::LengthMismatch { expected: 2, found: 3 })));
/// let message = mismatch.unwrap_err().to_string();
/// assert!(message.contains("the right-hand side must keep the length of the state"), "{message}");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// Two vectors of different lengths met.
    #[error("a state of {found} elements met one of {expected}: the right-hand side must keep the length of the state")]
    LengthMismatch {
        /// Length of the state that is written.
        expected: usize,
        /// Length of the state that is read.
        found: usize,
    },
    /// Two tensors of different shapes met.
    #[error("a state of shape {found:?} met one of {expected:?}: the right-hand side must keep the shape of the state")]
    ShapeMismatch {
        /// Shape of the state that is written.
        expected: Vec<usize>,
        /// Shape of the state that is read.
        found: Vec<usize>,
    },
    /// Two tensors of different element types met, or one of a type that cannot be integrated.
    #[error("a state of dtype {found} cannot be combined with {expected}: states are F32 or F64, all of one kind")]
    DTypeMismatch {
        /// What was needed.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A state that does not give its components met a method that forms matrices.
    #[error(
        "radau5 needs a state's components: implement State::to_components and State::set_components for it, or use \
         kencarp4, which takes any state"
    )]
    NoComponents,
    /// A state too large for a method that forms matrices.
    #[error("radau5 forms matrices for at most {limit} components, and the state has {found}: use kencarp4")]
    TooManyComponents {
        /// Components of the state.
        found: usize,
        /// Components at most.
        limit: usize,
    },
    /// candle reported an error.
    #[cfg(feature = "candle")]
    #[error(transparent)]
    Candle(#[from] Box<candle_core::Error>),
}

/// A solve that did not reach its end; `E` is the system's own error.
///
/// ```
/// use ffjord_ode::{Method, SolveError, Solver, Tolerance};
///
/// // y = 1 / (1 − t) ends at t = 1.
/// let blow_up = |_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = y[0] * y[0];
/// let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-6, 1e-6)?);
/// match solver.solve(&blow_up, &[1.0], 0.0, 2.0) {
///     Err(SolveError::StepTooSmall { t, .. }) => assert!((t - 1.0).abs() < 1e-2),
///     other => return Err(format!("{other:?}").into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SolveError<E: std::error::Error + 'static> {
    /// The right-hand side failed.
    #[error("the right-hand side failed at t = {t}: {source}")]
    System {
        /// Time of the evaluation.
        t: f64,
        /// What the system said.
        source: E,
    },
    /// States do not fit together.
    #[error(transparent)]
    State(#[from] StateError),
    /// The settings cannot describe a solve.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The error control asks for steps below the smallest allowed.
    #[error(
        "step size {dt:e} at t = {t} is below the smallest allowed, {min_step:e} (error ratio {error_ratio:.3e}): \
         loosen the tolerance, use f64 states, lower the minimum step, or take fixed steps; the equation may be stiff \
         or singular here"
    )]
    StepTooSmall {
        /// Time that was reached.
        t: f64,
        /// Step that would have been tried next.
        dt: f64,
        /// Smallest step allowed at this time.
        min_step: f64,
        /// Error of the last attempt relative to the tolerance.
        error_ratio: f64,
    },
    /// Numbers at this time that are too far apart for the steps of the solve.
    #[error(
        "numbers near t = {t} are {spacing:e} apart, which is too coarse for steps towards {t1}: measure time from a \
         point near the start of the solve"
    )]
    TimeTooCoarse {
        /// Time that was reached.
        t: f64,
        /// Distance to the next number.
        spacing: f64,
        /// End of the solve.
        t1: f64,
    },
    /// A step that leads nowhere, proposed by the step control.
    #[error(
        "the step control proposes to step from t = {t} to {t_next} on the way to {t1}: it must propose a time further \
         on this way"
    )]
    InvalidStep {
        /// Time that was reached.
        t: f64,
        /// The time proposed.
        t_next: f64,
        /// End of the solve.
        t1: f64,
    },
    /// A NaN or an infinity that no smaller step avoids.
    #[error(
        "NaN or infinity at t = {t}, step {dt:e} (error ratio {error_ratio}), {found}: check the right-hand side and the \
         initial state there; if the solution grows without bound, stop earlier or take smaller steps"
    )]
    NonFinite {
        /// Time that was reached.
        t: f64,
        /// Step of the last attempt; 0 if the initial state or slope is at fault.
        dt: f64,
        /// Error of the last attempt relative to the tolerance (NaN or infinite where there is none).
        error_ratio: f64,
        /// Where in the state.
        found: NonFinite,
    },
    /// The equations of a step of an implicit method, which no smaller step makes solvable.
    #[error(
        "{method} cannot solve the equations of a step of {dt:e} from t = {t} (its iteration does not converge, or its \
         matrix is singular): take smaller steps if they are fixed; else see whether the right-hand side is continuous \
         there, whether a Jacobian or product that the system gives is right, and whether equations without a \
         derivative have a solution"
    )]
    NotConverged {
        /// The method.
        method: &'static str,
        /// Time that was reached.
        t: f64,
        /// Step of the last attempt.
        dt: f64,
    },
    /// A cotangent to pull back that is not finite.
    #[error("the cotangent dL/dy at t = {t} is NaN or infinite, {found}: check the loss that it is the gradient of")]
    NonFiniteCotangent {
        /// Time of the state that it belongs to.
        t: f64,
        /// Where in the cotangent.
        found: NonFinite,
    },
    /// A gradient that came out NaN or infinite, of a cotangent that is finite.
    #[error(
        "the gradient dL/dy at t = {t} is NaN or infinite, {found}: check the system's reverse products; if it grows \
         without bound on the way back, shorten the solve or scale the loss"
    )]
    NonFiniteGradient {
        /// Time of the state that it belongs to.
        t: f64,
        /// Where in the gradient.
        found: NonFinite,
    },
    /// A tolerance finer than what the state's element type can tell apart.
    #[error(
        "at t = {t} the rounding of the state's numbers is {ratio:.2} of the tolerance, more than the accepted \
         {accepted}: loosen the tolerance, or use f64 states"
    )]
    Rounding {
        /// Time that was reached.
        t: f64,
        /// Distance to the next number relative to the tolerance, root mean square over the components.
        ratio: f64,
        /// The largest ratio at which the method can keep the tolerance.
        accepted: f64,
    },
    /// An equation so stiff that steps of a useful size lose its slow components in the rounding of the fast ones.
    #[error(
        "from t = {t} rounding holds the steps short: in a step of {dt:e} it makes products with the Jacobian uncertain \
         by {ratio:.1e} times the size of slow components, which would be lost: use f64 states, or radau5"
    )]
    TooStiff {
        /// Time that was reached.
        t: f64,
        /// Step of the last attempt.
        dt: f64,
        /// The rounding of products with the Jacobian relative to the vectors that are multiplied.
        ratio: f64,
    },
    /// An event's function that is not a number.
    #[error("the function of event {event} is NaN at t = {t}: it must be a number wherever the solve leads")]
    EventNotANumber {
        /// The event's index.
        event: usize,
        /// Time of the evaluation.
        t: f64,
    },
    /// The budget of attempted steps is used up.
    #[error(
        "{limit} steps did not lead from t0 to {t1}: t = {t} was reached; raise max_steps, loosen the tolerance, or \
         look for stiffness there"
    )]
    MaxSteps {
        /// The budget.
        limit: usize,
        /// Time that was reached.
        t: f64,
        /// End of the solve.
        t1: f64,
    },
    /// The budget of evaluations of the right-hand side is used up.
    #[error(
        "{limit} evaluations of the right-hand side were not enough: t = {t} was reached; raise max_evaluations, \
         loosen the tolerance, or look for stiffness there"
    )]
    MaxEvaluations {
        /// The budget.
        limit: usize,
        /// Time of the evaluation that was refused.
        t: f64,
    },
}

impl<E: std::error::Error> SolveError<E> {
    /// The same failure with another error of the system.
    pub(crate) fn map_system<F: std::error::Error>(
        self,
        system: impl FnOnce(f64, E) -> SolveError<F>,
    ) -> SolveError<F> {
        match self {
            Self::System { t, source } => system(t, source),
            Self::State(source) => SolveError::State(source),
            Self::Setup(source) => SolveError::Setup(source),
            Self::StepTooSmall {
                t,
                dt,
                min_step,
                error_ratio,
            } => SolveError::StepTooSmall {
                t,
                dt,
                min_step,
                error_ratio,
            },
            Self::TimeTooCoarse { t, spacing, t1 } => SolveError::TimeTooCoarse { t, spacing, t1 },
            Self::InvalidStep { t, t_next, t1 } => SolveError::InvalidStep { t, t_next, t1 },
            Self::NonFinite {
                t,
                dt,
                error_ratio,
                found,
            } => SolveError::NonFinite {
                t,
                dt,
                error_ratio,
                found,
            },
            Self::NotConverged { method, t, dt } => SolveError::NotConverged { method, t, dt },
            Self::NonFiniteCotangent { t, found } => SolveError::NonFiniteCotangent { t, found },
            Self::NonFiniteGradient { t, found } => SolveError::NonFiniteGradient { t, found },
            Self::Rounding { t, ratio, accepted } => SolveError::Rounding { t, ratio, accepted },
            Self::TooStiff { t, dt, ratio } => SolveError::TooStiff { t, dt, ratio },
            Self::EventNotANumber { event, t } => SolveError::EventNotANumber { event, t },
            Self::MaxSteps { limit, t, t1 } => SolveError::MaxSteps { limit, t, t1 },
            Self::MaxEvaluations { limit, t } => SolveError::MaxEvaluations { limit, t },
        }
    }
}
