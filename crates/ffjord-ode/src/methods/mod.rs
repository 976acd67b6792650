//! The methods, one a file, and their names.

mod bosh3;
mod dopri5;
mod euler;
mod heun;
mod midpoint;
mod rk4;
mod rk4_three_eighths;
mod tsit5;

use std::{fmt, str::FromStr};

use crate::{error::SetupError, stepper::ReversibleHeun, tableau::Tableau};

/// A method for initial-value problems, chosen at run time.
///
/// | name | order (embedded) | evaluations a step | interpolant |
/// |---|---|---|---|
/// | `euler` | 1 | 1 | cubic Hermite |
/// | `midpoint` | 2 (1) | 2 | cubic Hermite |
/// | `heun` | 2 (1) | 2 | cubic Hermite |
/// | `rk4` | 4 | 4 | cubic Hermite |
/// | `rk4_38` | 4 | 4 | cubic Hermite |
/// | `bosh3` | 3 (2) | 3 | cubic Hermite |
/// | `dopri5` | 5 (4) | 6 | quartic, Shampine's mid-point |
/// | `tsit5` | 5 (4) | 6 | quartic, the method's own |
/// | `reversible_heun` | 2 (1) | 1 | cubic Hermite |
///
/// ```
/// use ffjord_ode::Method;
/// assert_eq!("dopri5".parse(), Ok(Method::Dopri5));
/// assert_eq!(Method::Rk4ThreeEighths.to_string(), "rk4_38");
/// let error = "dopri7".parse::<Method>().unwrap_err().to_string();
/// assert!(error.contains("tsit5"), "{error}");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Euler's method.
    Euler,
    /// The explicit mid-point rule.
    Midpoint,
    /// Heun's second-order method (the explicit trapezoid).
    Heun,
    /// The classical fourth-order method.
    Rk4,
    /// Kutta's 3/8 rule, which torchdiffeq calls `rk4`.
    Rk4ThreeEighths,
    /// Bogacki–Shampine 3(2).
    Bosh3,
    /// Dormand–Prince 5(4): the method of the FFJORD paper.
    Dopri5,
    /// Tsitouras 5(4).
    Tsit5,
    /// Reversible Heun, whose steps can be undone: for [`Reversible`](crate::adjoint::Reversible) gradients.
    ReversibleHeun,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 9] = [
        Self::Euler,
        Self::Midpoint,
        Self::Heun,
        Self::Rk4,
        Self::Rk4ThreeEighths,
        Self::Bosh3,
        Self::Dopri5,
        Self::Tsit5,
        Self::ReversibleHeun,
    ];

    /// The coefficients of an explicit Runge–Kutta method; `None` for the others.
    pub const fn tableau(self) -> Option<&'static Tableau> {
        Some(match self {
            Self::Euler => &euler::TABLEAU,
            Self::Midpoint => &midpoint::TABLEAU,
            Self::Heun => &heun::TABLEAU,
            Self::Rk4 => &rk4::TABLEAU,
            Self::Rk4ThreeEighths => &rk4_three_eighths::TABLEAU,
            Self::Bosh3 => &bosh3::TABLEAU,
            Self::Dopri5 => &dopri5::TABLEAU,
            Self::Tsit5 => &tsit5::TABLEAU,
            Self::ReversibleHeun => return None,
        })
    }

    /// The method's name, as [`FromStr`] reads it.
    pub const fn name(self) -> &'static str {
        match self.tableau() {
            Some(tableau) => tableau.name,
            None => ReversibleHeun::<()>::NAME,
        }
    }

    /// Order of the solution: the error at a fixed time falls as hᵖ.
    pub const fn order(self) -> u32 {
        match self.tableau() {
            Some(tableau) => tableau.order,
            None => ReversibleHeun::<()>::ORDER,
        }
    }

    /// Order of the interpolant: its error inside one step falls as h to the power of this plus 1.
    pub fn interpolation_order(self) -> u32 {
        self.tableau().map_or(self.order(), Tableau::interpolation_order)
    }

    /// Whether the method estimates its error and can adapt its step.
    pub const fn is_adaptive(self) -> bool {
        match self.tableau() {
            Some(tableau) => tableau.embedded.is_some(),
            None => true,
        }
    }

    /// The names of the methods that `keep` lets through, for messages.
    pub(crate) fn names(keep: impl Fn(Self) -> bool) -> String {
        Self::ALL
            .into_iter()
            .filter(|&method| keep(method))
            .map(Self::name)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Method {
    type Err = SetupError;

    fn from_str(name: &str) -> Result<Self, SetupError> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == name)
            .ok_or_else(|| SetupError::UnknownName {
                kind: "method",
                given: name.to_owned(),
                known: Self::names(|_| true),
            })
    }
}
