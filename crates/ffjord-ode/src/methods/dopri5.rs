//! Dormand and Prince's 5(4) pair, first same as last (J. Comput. Appl. Math. 6(1), 1980), with the error weights and
//! the mid-point of Shampine (Math. Comp. 46, 1986) that torchdiffeq's `dopri5` uses.

use crate::tableau::{Embedded, Interpolation, Tableau};

const B: [f64; 7] = [
    35.0 / 384.0,
    0.0,
    500.0 / 1113.0,
    125.0 / 192.0,
    -2187.0 / 6784.0,
    11.0 / 84.0,
    0.0,
];

pub(super) const TABLEAU: Tableau = Tableau {
    name: "dopri5",
    order: 5,
    c: &[0.0, 1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0],
    a: &[
        &[],
        &[1.0 / 5.0],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
        &[
            9017.0 / 3168.0,
            -355.0 / 33.0,
            46732.0 / 5247.0,
            49.0 / 176.0,
            -5103.0 / 18656.0,
        ],
        &[B[0], B[1], B[2], B[3], B[4], B[5]],
    ],
    b: &B,
    embedded: Some(Embedded {
        order: 4,
        weights: &[
            B[0] - 1951.0 / 21600.0,
            0.0,
            B[2] - 22642.0 / 50085.0,
            B[3] - 451.0 / 720.0,
            B[4] + 12231.0 / 42400.0,
            B[5] - 649.0 / 6300.0,
            -1.0 / 60.0,
        ],
        damping: None,
    }),
    fsal: true,
    interpolation: Interpolation::QuarticMidpoint {
        midpoint: &[
            6025192743.0 / 30085553152.0 / 2.0,
            0.0,
            51252292925.0 / 65400821598.0 / 2.0,
            -2691868925.0 / 45128329728.0 / 2.0,
            187940372067.0 / 1594534317056.0 / 2.0,
            -1776094331.0 / 19743644256.0 / 2.0,
            11237099.0 / 235043384.0 / 2.0,
        ],
    },
};
