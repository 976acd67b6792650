//! The Adams–Bashforth–Moulton method of order 4, corrected once, torchdiffeq's `fixed_adams`.

use crate::stepper::{AdamsKind, AdamsMethod};

pub(super) const METHOD: AdamsMethod = AdamsMethod {
    name: "fixed_adams",
    kind: AdamsKind::BashforthMoulton,
    order: 4,
};
