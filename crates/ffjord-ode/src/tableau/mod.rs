//! Butcher tableaux as data.

mod check;
mod trees;

use std::hash::{Hash, Hasher};

use crate::error::SetupError;

pub use check::TableauFault;

/// An explicit Runge–Kutta method as numbers: `kᵢ = f(t + cᵢh, y₀ + h Σⱼ aᵢⱼ kⱼ)`, `y₁ = y₀ + h Σᵢ bᵢ kᵢ`.
///
/// ```
/// use ffjord_ode::Method;
/// let dopri5 = Method::Dopri5.tableau().ok_or("an explicit Runge-Kutta method")?;
/// assert_eq!((dopri5.order(), dopri5.stages(), dopri5.fsal()), (5, 7, true));
/// assert!((dopri5.b().iter().sum::<f64>() - 1.0).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A tableau of your own goes wherever a [`Method`](crate::Method) does. Here is Cash and Karp's 5(4) pair (ACM TOMS
/// 16(3), 1990):
///
/// ```
/// use std::sync::LazyLock;
/// use ffjord_ode::{Embedded, Method, SetupError, Solver, Tableau, Tolerance};
///
/// static CASH_KARP: LazyLock<Result<Tableau, SetupError>> = LazyLock::new(|| {
///     const B: [f64; 6] = [37.0 / 378.0, 0.0, 250.0 / 621.0, 125.0 / 594.0, 0.0, 512.0 / 1771.0];
///     Tableau::new(
///         "cash_karp",
///         5,
///         &[0.0, 0.2, 0.3, 0.6, 1.0, 0.875],
///         &[
///             &[],
///             &[0.2],
///             &[0.075, 0.225],
///             &[0.3, -0.9, 1.2],
///             &[-11.0 / 54.0, 2.5, -70.0 / 27.0, 35.0 / 27.0],
///             &[1631.0 / 55296.0, 175.0 / 512.0, 575.0 / 13824.0, 44275.0 / 110592.0, 253.0 / 4096.0],
///         ],
///         &B,
///     )?
///     .with_embedded(Embedded {
///         order: 4,
///         weights: &[
///             B[0] - 2825.0 / 27648.0,
///             0.0,
///             B[2] - 18575.0 / 48384.0,
///             B[3] - 13525.0 / 55296.0,
///             -277.0 / 14336.0,
///             B[5] - 0.25,
///         ],
///         damping: None,
///     })
/// });
///
/// let method = Method::from(CASH_KARP.as_ref().map_err(Clone::clone)?);
/// let solver = Solver::new(method).adaptive(Tolerance::new(1e-8, 1e-8)?);
/// let solution = solver.solve(&|_t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -y[0], &[1.0], 0.0, 1.0)?;
/// assert!((solution.state[0] - (-1.0_f64).exp()).abs() < 1e-7);
///
/// // Numbers that do not fit together are refused.
/// let wrong = Tableau::new("heun?", 2, &[0.0, 1.0], &[&[], &[1.0]], &[0.25, 0.75]).unwrap_err().to_string();
/// assert!(wrong.contains("order 2") && wrong.contains("0.75"), "{wrong}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tableau {
    /// The method's name.
    pub(crate) name: &'static str,
    /// Order p of the solution: the error at a fixed time falls as hᵖ.
    pub(crate) order: u32,
    /// Stage times c; its length is the number of stages.
    pub(crate) c: &'static [f64],
    /// Stage weights; row i has i entries.
    pub(crate) a: &'static [&'static [f64]],
    /// Solution weights.
    pub(crate) b: &'static [f64],
    /// The embedded error estimate, where there is one.
    pub(crate) embedded: Option<Embedded>,
    /// First same as last: the last stage is f(t₁, y₁) and serves as the next step's first.
    pub(crate) fsal: bool,
    /// How values inside a step are found.
    pub(crate) interpolation: Interpolation,
}

/// Coefficients are finite numbers.
impl Eq for Tableau {}

impl Hash for Tableau {
    /// Equal tableaux have equal names.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// An embedded error estimate `err = h Σᵢ eᵢ kᵢ`, with e = b − b̂.
///
/// ```
/// use ffjord_ode::{Embedded, Tableau};
/// // Heun's method, whose first stage alone is Euler's: e = (1/2, 1/2) − (1, 0).
/// let heun = Tableau::new("heun", 2, &[0.0, 1.0], &[&[], &[1.0]], &[0.5, 0.5])?;
/// let estimate = Embedded { order: 1, weights: &[-0.5, 0.5], damping: None };
/// assert_eq!(heun.with_embedded(estimate)?.embedded(), Some(estimate));
/// let wrong = heun.with_embedded(Embedded { order: 2, ..estimate }).unwrap_err().to_string();
/// assert!(wrong.contains("heun"), "{wrong}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embedded {
    /// Order of the less accurate of the two solutions; the estimate falls as h to the power of this plus 1.
    pub order: u32,
    /// The weights e.
    pub weights: &'static [f64],
    /// Weights e' of a second, coarser estimate err' that damps the first: what counts is then
    /// `err² / √(err² + 0.01 err'²)`, in norms over the state (Hairer, Nørsett, Wanner I, eq. II.10.17).
    pub damping: Option<&'static [f64]>,
}

/// How a method finds values inside a step, at `t₀ + θh`.
///
/// ```
/// use ffjord_ode::{Interpolation, Tableau};
/// // Heun's method with y(θ) = y0 + h ((θ − θ²/2) k1 + θ²/2 k2); the slope at the end does without weights.
/// let heun = Tableau::new("heun", 2, &[0.0, 1.0], &[&[], &[1.0]], &[0.5, 0.5])?;
/// assert_eq!(heun.interpolation(), Interpolation::CubicHermite);
/// let quadratic = Interpolation::Polynomial { order: 2, extra: &[], weights: &[&[1.0, -0.5], &[0.0, 0.5], &[]] };
/// assert_eq!(heun.with_interpolation(quadratic)?.interpolation_order(), 2);
/// // One that does not end on the solution is refused.
/// let wrong = Interpolation::Polynomial { order: 1, extra: &[], weights: &[&[1.0], &[], &[]] };
/// assert!(heun.with_interpolation(wrong).unwrap_err().to_string().contains("θ = 1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Interpolation {
    /// The cubic through the values and slopes of both ends.
    CubicHermite,
    /// The quartic through the values and slopes of both ends and the value `y₀ + h Σᵢ mᵢ kᵢ` half-way.
    QuarticMidpoint {
        /// The weights m.
        midpoint: &'static [f64],
    },
    /// `y₀ + h Σᵢ bᵢ(θ) kᵢ` with `bᵢ(θ) = Σⱼ wᵢⱼ θʲ`, j from 1, over the stages, then the slope at the end where it is
    /// not the last stage, then stages that are evaluated only where values inside the step are wanted.
    Polynomial {
        /// Order of the values.
        order: u32,
        /// The stages beyond the method's own.
        extra: &'static [ExtraStage],
        /// The weights w, a row for each slope; powers left out at the end of a row have weight 0.
        weights: &'static [&'static [f64]],
    },
}

/// A stage for values inside a step, `k = f(t₀ + ch, y₀ + h Σⱼ aⱼ kⱼ)` over all slopes before it.
///
/// ```
/// use ffjord_ode::{ExtraStage, Interpolation, Tableau};
/// // Heun's method with a stage half-way that only values inside a step need.
/// let values = Interpolation::Polynomial {
///     order: 2,
///     extra: &[ExtraStage { c: 0.5, a: &[0.5, 0.0, 0.0] }],
///     weights: &[&[0.5], &[-0.5, 1.0], &[], &[1.0, -1.0]],
/// };
/// let heun = Tableau::new("heun", 2, &[0.0, 1.0], &[&[], &[1.0]], &[0.5, 0.5])?.with_interpolation(values)?;
/// assert_eq!(heun.stages(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExtraStage {
    /// The stage time.
    pub c: f64,
    /// The stage weights.
    pub a: &'static [f64],
}

impl Tableau {
    /// The method of stage times `c`, stage weights `a` (row i has i entries) and solution weights `b`, called `name` in
    /// messages, without an error estimate; values inside a step are those of the cubic Hermite interpolant.
    ///
    /// The numbers are checked: their lengths; that every row of `a` sums to its stage time; and the order conditions of
    /// all rooted trees with up to `order` nodes (Hairer, Nørsett, Wanner I, II.2), to 1e-12. Above order 10 the
    /// conditions up to order 10 are checked, and the rest is believed. A method whose last stage is f(t₁, y₁) is
    /// recognised, and the stage serves as the next step's first.
    ///
    /// # Errors
    /// [`SetupError::InvalidTableau`] says which condition fails, and by how much.
    pub fn new(
        name: &'static str,
        order: u32,
        c: &'static [f64],
        a: &'static [&'static [f64]],
        b: &'static [f64],
    ) -> Result<Self, SetupError> {
        let tableau = Self {
            name,
            order,
            c,
            a,
            b,
            embedded: None,
            fsal: check::ends_on_its_solution(c, a, b),
            interpolation: Interpolation::CubicHermite,
        };
        tableau.checked(check::solution(&tableau))
    }

    /// The same method with an error estimate, so that its steps can follow the error.
    ///
    /// The conditions of the embedded solution are checked as [`new`](Self::new) checks those of the solution: its order
    /// must be the one that `embedded` states, neither lower nor higher.
    ///
    /// # Errors
    /// [`SetupError::InvalidTableau`] says which condition fails, and by how much.
    pub fn with_embedded(self, embedded: Embedded) -> Result<Self, SetupError> {
        let with_embedded = Self {
            embedded: Some(embedded),
            ..self
        };
        with_embedded.checked(check::estimate(&with_embedded, &embedded))
    }

    /// The same method with values of its own inside a step.
    ///
    /// The conditions of the values are checked to their order as [`new`](Self::new) checks those of the solution, for
    /// every power of θ, and that they end on the solution.
    ///
    /// # Errors
    /// [`SetupError::InvalidTableau`] says which condition fails, and by how much.
    pub fn with_interpolation(self, interpolation: Interpolation) -> Result<Self, SetupError> {
        let with_interpolation = Self { interpolation, ..self };
        with_interpolation.checked(check::interpolation(&with_interpolation))
    }

    fn checked(self, outcome: Result<(), TableauFault>) -> Result<Self, SetupError> {
        match outcome {
            Ok(()) => Ok(self),
            Err(fault) => Err(SetupError::InvalidTableau { name: self.name, fault }),
        }
    }

    /// The method's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Order p of the solution: the error at a fixed time falls as hᵖ.
    pub const fn order(&self) -> u32 {
        self.order
    }

    /// Stage times c; as many as stages.
    pub const fn c(&self) -> &'static [f64] {
        self.c
    }

    /// Stage weights; row i has i entries.
    pub const fn a(&self) -> &'static [&'static [f64]] {
        self.a
    }

    /// Solution weights.
    pub const fn b(&self) -> &'static [f64] {
        self.b
    }

    /// The embedded error estimate, where there is one.
    pub const fn embedded(&self) -> Option<Embedded> {
        self.embedded
    }

    /// First same as last: whether the last stage is f(t₁, y₁) and serves as the next step's first.
    pub const fn fsal(&self) -> bool {
        self.fsal
    }

    /// How values inside a step are found.
    pub const fn interpolation(&self) -> Interpolation {
        self.interpolation
    }

    /// Number of stages.
    pub fn stages(&self) -> usize {
        self.c.len()
    }

    /// Number of stages up to the last that the solution depends on; the last of a first-same-as-last method serves the
    /// error estimate alone.
    pub(crate) fn stages_of_solution(&self) -> usize {
        self.b.iter().rposition(|&b| b != 0.0).map_or(0, |last| last + 1)
    }

    /// Order of the interpolant: its error inside one step falls as h to the power of this plus 1.
    pub fn interpolation_order(&self) -> u32 {
        match self.interpolation {
            Interpolation::CubicHermite => self.order.min(3),
            Interpolation::QuarticMidpoint { .. } => self.order.min(4),
            Interpolation::Polynomial { order, .. } => order,
        }
    }
}

/// A singly diagonally implicit Runge–Kutta method whose first stage is explicit:
/// `kᵢ = f(tᵢ, y₀ + h Σⱼ aᵢⱼ kⱼ + hγ kᵢ)`, j < i.
///
/// ```
/// use ffjord_ode::Method;
/// let kencarp4 = Method::KenCarp4.implicit_tableau().ok_or("an implicit method")?;
/// assert_eq!((kencarp4.tableau.order(), kencarp4.tableau.stages(), kencarp4.diagonal), (4, 6, 0.25));
/// // Below the diagonal, and γ on it: a stage's weights sum to its time.
/// let sum: f64 = kencarp4.tableau.a()[2].iter().sum::<f64>() + kencarp4.diagonal;
/// assert!((sum - kencarp4.tableau.c()[2]).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImplicitTableau {
    /// The coefficients below the diagonal, and all else.
    pub tableau: Tableau,
    /// The coefficient γ on the diagonal of every stage but the first.
    pub diagonal: f64,
}
