//! Kennedy and Carpenter's ESDIRK4(3)6L\[2\]SA, the implicit half of their additive method of order 4 (Appl. Numer. Math. 44,
//! 2003): L-stable, stiffly accurate, stages of order 2.

use crate::tableau::{Embedded, ImplicitTableau, Interpolation, Tableau};

const GAMMA: f64 = 0.25;

const B: [f64; 6] = [
    82889.0 / 524892.0,
    0.0,
    15625.0 / 83664.0,
    69875.0 / 102672.0,
    -2260.0 / 8211.0,
    GAMMA,
];

pub(super) const TABLEAU: ImplicitTableau = ImplicitTableau {
    tableau: Tableau {
        name: "kencarp4",
        order: 4,
        c: &[0.0, 0.5, 83.0 / 250.0, 31.0 / 50.0, 17.0 / 20.0, 1.0],
        a: &[
            &[],
            &[GAMMA],
            &[8611.0 / 62500.0, -1743.0 / 31250.0],
            &[5012029.0 / 34652500.0, -654441.0 / 2922500.0, 174375.0 / 388108.0],
            &[
                15267082809.0 / 155376265600.0,
                -71443401.0 / 120774400.0,
                730878875.0 / 902184768.0,
                2285395.0 / 8070912.0,
            ],
            &[B[0], B[1], B[2], B[3], B[4]],
        ],
        b: &B,
        embedded: Some(Embedded {
            order: 3,
            weights: &[
                B[0] - 4586570599.0 / 29645900160.0,
                0.0,
                B[2] - 178811875.0 / 945068544.0,
                B[3] - 814220225.0 / 1159782912.0,
                B[4] + 3700637.0 / 11593932.0,
                B[5] - 61727.0 / 225920.0,
            ],
            damping: None,
        }),
        fsal: true,
        interpolation: Interpolation::CubicHermite,
    },
    diagonal: GAMMA,
};
