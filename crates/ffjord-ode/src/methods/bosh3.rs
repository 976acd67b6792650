//! Bogacki and Shampine's 3(2) pair, first same as last (Appl. Math. Lett. 2(4), 1989).

use crate::tableau::{Embedded, Interpolation, Tableau};

const B: [f64; 4] = [2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0];

pub(super) const TABLEAU: Tableau = Tableau {
    name: "bosh3",
    order: 3,
    c: &[0.0, 0.5, 0.75, 1.0],
    a: &[&[], &[0.5], &[0.0, 0.75], &[B[0], B[1], B[2]]],
    b: &B,
    embedded: Some(Embedded {
        order: 2,
        weights: &[B[0] - 7.0 / 24.0, B[1] - 1.0 / 4.0, B[2] - 1.0 / 3.0, B[3] - 1.0 / 8.0],
        damping: None,
    }),
    fsal: true,
    interpolation: Interpolation::CubicHermite,
};
