//! Butcher tableaux as data.

/// An explicit Runge–Kutta method as numbers: `kᵢ = f(t + cᵢh, y₀ + h Σⱼ aᵢⱼ kⱼ)`, `y₁ = y₀ + h Σᵢ bᵢ kᵢ`.
///
/// ```
/// use ffjord_ode::Method;
/// let dopri5 = Method::Dopri5.tableau().ok_or("an explicit Runge-Kutta method")?;
/// assert_eq!((dopri5.order, dopri5.stages(), dopri5.fsal), (5, 7, true));
/// assert!((dopri5.b.iter().sum::<f64>() - 1.0).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tableau {
    /// The method's name.
    pub name: &'static str,
    /// Order p of the solution: the error at a fixed time falls as hᵖ.
    pub order: u32,
    /// Stage times c; its length is the number of stages.
    pub c: &'static [f64],
    /// Stage weights; row i has i entries.
    pub a: &'static [&'static [f64]],
    /// Solution weights.
    pub b: &'static [f64],
    /// The embedded error estimate, where there is one.
    pub embedded: Option<Embedded>,
    /// First same as last: the last stage is f(t₁, y₁) and serves as the next step's first.
    pub fsal: bool,
    /// How values inside a step are found.
    pub interpolation: Interpolation,
}

/// An embedded error estimate `err = h Σᵢ eᵢ kᵢ`, with e = b − b̂.
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
#[derive(Debug, Clone, Copy, PartialEq)]
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExtraStage {
    /// The stage time.
    pub c: f64,
    /// The stage weights.
    pub a: &'static [f64],
}

impl Tableau {
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
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImplicitTableau {
    /// The coefficients below the diagonal, and all else.
    pub tableau: Tableau,
    /// The coefficient γ on the diagonal of every stage but the first.
    pub diagonal: f64,
}
