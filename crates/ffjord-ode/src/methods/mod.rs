//! The methods, one a file, and their names.

mod adams;
mod bosh3;
mod dopri5;
mod dopri8;
mod euler;
mod explicit_adams;
mod fixed_adams;
mod heun;
mod kencarp4;
mod midpoint;
mod ralston;
mod rk4;
mod rk4_three_eighths;
mod tsit5;
mod vern7;

use std::{fmt, str::FromStr};

use crate::{
    error::SetupError,
    stepper::{AdamsMethod, Radau5, ReversibleHeun},
    tableau::{ImplicitTableau, Tableau},
};

/// A method for initial-value problems, chosen at run time.
///
/// | name | order (embedded) | evaluations a step | dense output, order |
/// |---|---|---|---|
/// | `euler` | 1 | 1 | cubic Hermite, 1 |
/// | `midpoint` | 2 (1) | 2 | cubic Hermite, 2 |
/// | `heun` | 2 (1) | 2 | cubic Hermite, 2 |
/// | `ralston` | 2 (1) | 2 | cubic Hermite, 2 |
/// | `rk4` | 4 | 4 | cubic Hermite, 3 |
/// | `rk4_38` | 4 | 4 | cubic Hermite, 3 |
/// | `bosh3` | 3 (2) | 3 | cubic Hermite, 3 |
/// | `dopri5` | 5 (4) | 6 | Shampine's mid-point, 4 |
/// | `tsit5` | 5 (4) | 6 | the method's own, 4 |
/// | `vern7` | 7 (6) | 10 | the method's own, 6, six evaluations more |
/// | `dopri8` | 8 (5, 3) | 12 | the method's own, 7, three evaluations more |
/// | `explicit_adams` | 4 | 1 | the integrated polynomial, 4 |
/// | `fixed_adams` | 4 | 2 | the integrated polynomial, 4 |
/// | `adams` | 2 to 13 | 2 | the integrated polynomial, as the step's |
/// | `reversible_heun` | 2 (1) | 1 | cubic Hermite, 2 |
/// | `kencarp4` | 4 (3), implicit | 5 nonlinear equations | cubic Hermite, 3 |
/// | `radau5` | 5 (3), implicit, with matrices | 3 coupled equations | the collocation polynomial, 3 |
///
/// ```
/// use ffjord_ode::Method;
/// assert_eq!("dopri5".parse(), Ok(Method::Dopri5));
/// assert_eq!(Method::Rk4ThreeEighths.to_string(), "rk4_38");
/// let error = "dopri7".parse::<Method>().unwrap_err().to_string();
/// assert!(error.contains("tsit5"), "{error}");
/// ```
///
/// What can be asked of a method:
///
/// ```
/// use ffjord_ode::Method;
/// assert_eq!((Method::Dopri8.name(), Method::Dopri8.order(), Method::Dopri8.interpolation_order()), ("dopri8", 8, 7));
/// assert!(Method::Dopri5.is_adaptive() && !Method::Rk4.is_adaptive());
/// assert!(!Method::Adams.has_fixed_order());
/// // Explicit methods with an error estimate, as a search over them would ask.
/// let estimates = |method: &Method| method.tableau().is_some_and(|tableau| tableau.embedded().is_some());
/// let pairs = Method::ALL.into_iter().filter(estimates);
/// assert!(pairs.clone().count() >= 8 && pairs.clone().all(Method::is_adaptive));
/// assert!(Method::KenCarp4.tableau().is_none() && Method::KenCarp4.implicit_tableau().is_some());
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
    /// Ralston's second-order method.
    Ralston,
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
    /// Verner's efficient 7(6).
    Vern7,
    /// Dormand–Prince 8(5,3), as Hairer's DOP853.
    Dopri8,
    /// Adams–Bashforth of order 4.
    ExplicitAdams,
    /// Adams–Bashforth–Moulton of order 4.
    FixedAdams,
    /// Adams–Bashforth–Moulton of variable order.
    Adams,
    /// Reversible Heun, whose steps can be undone: for [`Reversible`](crate::adjoint::Reversible) gradients.
    ReversibleHeun,
    /// Kennedy–Carpenter ESDIRK 4(3), for stiff equations of any size.
    KenCarp4,
    /// Radau IIA of order 5, for stiff equations of few components: see [`Radau5`].
    Radau5,
    /// An explicit Runge–Kutta method of the caller's own; [`Tableau`] has an example.
    ///
    /// [`FromStr`] does not know it, and it is not among [`ALL`](Self::ALL).
    ExplicitRungeKutta(&'static Tableau),
}

/// What a method is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scheme {
    /// Stages given by a tableau.
    ExplicitRungeKutta(&'static Tableau),
    /// Past slopes, always as many.
    FixedAdams(AdamsMethod),
    /// As many past slopes as the error suggests.
    VariableAdams { name: &'static str, max_order: u32 },
    /// Steps that can be undone.
    ReversibleHeun,
    /// Stages that are equations.
    Esdirk(&'static ImplicitTableau),
    /// Coupled stages that are equations.
    Radau5,
}

/// The method whose steps bring an Adams method of this order under way.
pub(crate) const fn adams_starter(order: u32) -> &'static Tableau {
    if order <= 4 { &dopri5::TABLEAU } else { &dopri8::TABLEAU }
}

impl Method {
    /// Every method that comes with the crate.
    pub const ALL: [Self; 17] = [
        Self::Euler,
        Self::Midpoint,
        Self::Heun,
        Self::Ralston,
        Self::Rk4,
        Self::Rk4ThreeEighths,
        Self::Bosh3,
        Self::Dopri5,
        Self::Tsit5,
        Self::Vern7,
        Self::Dopri8,
        Self::ExplicitAdams,
        Self::FixedAdams,
        Self::Adams,
        Self::ReversibleHeun,
        Self::KenCarp4,
        Self::Radau5,
    ];

    pub(crate) const fn scheme(self) -> Scheme {
        Scheme::ExplicitRungeKutta(match self {
            Self::Euler => &euler::TABLEAU,
            Self::Midpoint => &midpoint::TABLEAU,
            Self::Heun => &heun::TABLEAU,
            Self::Ralston => &ralston::TABLEAU,
            Self::Rk4 => &rk4::TABLEAU,
            Self::Rk4ThreeEighths => &rk4_three_eighths::TABLEAU,
            Self::Bosh3 => &bosh3::TABLEAU,
            Self::Dopri5 => &dopri5::TABLEAU,
            Self::Tsit5 => &tsit5::TABLEAU,
            Self::Vern7 => &vern7::TABLEAU,
            Self::Dopri8 => &dopri8::TABLEAU,
            Self::ExplicitAdams => return Scheme::FixedAdams(explicit_adams::METHOD),
            Self::FixedAdams => return Scheme::FixedAdams(fixed_adams::METHOD),
            Self::Adams => {
                return Scheme::VariableAdams {
                    name: adams::NAME,
                    max_order: adams::MAX_ORDER,
                };
            }
            Self::ReversibleHeun => return Scheme::ReversibleHeun,
            Self::KenCarp4 => return Scheme::Esdirk(&kencarp4::TABLEAU),
            Self::Radau5 => return Scheme::Radau5,
            Self::ExplicitRungeKutta(tableau) => tableau,
        })
    }

    /// The coefficients of an explicit Runge–Kutta method; `None` for the others.
    pub const fn tableau(self) -> Option<&'static Tableau> {
        match self.scheme() {
            Scheme::ExplicitRungeKutta(tableau) => Some(tableau),
            _ => None,
        }
    }

    /// The coefficients of a diagonally implicit Runge–Kutta method; `None` for the others.
    pub const fn implicit_tableau(self) -> Option<&'static ImplicitTableau> {
        match self.scheme() {
            Scheme::Esdirk(tableau) => Some(tableau),
            _ => None,
        }
    }

    /// The method's name, as [`FromStr`] reads it.
    pub const fn name(self) -> &'static str {
        match self.scheme() {
            Scheme::ExplicitRungeKutta(tableau) => tableau.name,
            Scheme::FixedAdams(method) => method.name,
            Scheme::VariableAdams { name, .. } => name,
            Scheme::ReversibleHeun => ReversibleHeun::<()>::NAME,
            Scheme::Esdirk(method) => method.tableau.name,
            Scheme::Radau5 => Radau5::<()>::NAME,
        }
    }

    /// Order of the solution: its error at a fixed time falls as the step to this power. Of a method of variable order,
    /// the highest.
    pub const fn order(self) -> u32 {
        match self.scheme() {
            Scheme::ExplicitRungeKutta(tableau) => tableau.order,
            Scheme::FixedAdams(method) => method.order,
            Scheme::VariableAdams { max_order, .. } => max_order + 1,
            Scheme::ReversibleHeun => ReversibleHeun::<()>::ORDER,
            Scheme::Esdirk(method) => method.tableau.order,
            Scheme::Radau5 => Radau5::<()>::ORDER,
        }
    }

    /// Order of dense output: its error inside one step falls as the step to this power plus 1.
    pub fn interpolation_order(self) -> u32 {
        match self.scheme() {
            Scheme::ExplicitRungeKutta(tableau) => tableau.interpolation_order(),
            Scheme::FixedAdams(_) | Scheme::VariableAdams { .. } | Scheme::ReversibleHeun => self.order(),
            Scheme::Esdirk(method) => method.tableau.interpolation_order(),
            Scheme::Radau5 => 3,
        }
    }

    /// Whether the method estimates its error and can adapt its step.
    pub const fn is_adaptive(self) -> bool {
        match self.scheme() {
            Scheme::ExplicitRungeKutta(tableau) => tableau.embedded.is_some(),
            Scheme::FixedAdams(_) => false,
            Scheme::VariableAdams { .. } | Scheme::ReversibleHeun | Scheme::Radau5 => true,
            Scheme::Esdirk(method) => method.tableau.embedded.is_some(),
        }
    }

    /// Whether every step has the same order; only then the method takes fixed steps.
    pub const fn has_fixed_order(self) -> bool {
        !matches!(self.scheme(), Scheme::VariableAdams { .. })
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

impl From<&'static Tableau> for Method {
    fn from(tableau: &'static Tableau) -> Self {
        Self::ExplicitRungeKutta(tableau)
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
