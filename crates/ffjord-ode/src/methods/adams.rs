//! Adams methods of orders 1 to 12, chosen from step to step (Shampine and Gordon 1975), SciPy's and torchdiffeq's `adams`.

pub(super) const NAME: &str = "adams";

/// The largest order of the predictor.
pub(super) const MAX_ORDER: u32 = 12;
