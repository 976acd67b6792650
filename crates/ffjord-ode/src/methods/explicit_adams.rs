//! Adams and Bashforth's method of order 4 (1883), torchdiffeq's `explicit_adams`.

use crate::stepper::{AdamsKind, AdamsMethod};

pub(super) const METHOD: AdamsMethod = AdamsMethod {
    name: "explicit_adams",
    kind: AdamsKind::Bashforth,
    order: 4,
};
