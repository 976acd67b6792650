//! What a launch is told: the same structure as that in `text/arguments.cuh`.

/// Every member takes eight bytes; addresses are those of a device's memory.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Arguments {
    pub(crate) parameters: u64,
    pub(crate) start: u64,
    pub(crate) given: u64,
    pub(crate) probes: u64,
    pub(crate) result: u64,
    pub(crate) scratch: u64,
    pub(crate) inputs: u64,
    pub(crate) times: u64,
    pub(crate) reports: u64,
    pub(crate) cotangent: u64,
    pub(crate) of_start: u64,
    pub(crate) of_given: u64,
    pub(crate) of_span: u64,
    pub(crate) partial: u64,
    pub(crate) gradient: u64,
    pub(crate) rows: i64,
    pub(crate) tiles: i64,
    pub(crate) capacity: i64,
    pub(crate) blocks: i64,
    pub(crate) t0: f64,
    pub(crate) t1: f64,
    pub(crate) weight: f64,
    pub(crate) grid_steps: f64,
    pub(crate) grid_size: f64,
    pub(crate) rtol: f64,
    pub(crate) atol: f64,
    pub(crate) integral: f64,
    pub(crate) proportional: f64,
    pub(crate) derivative: f64,
    pub(crate) safety: f64,
    pub(crate) smallest_factor: f64,
    pub(crate) largest_factor: f64,
    pub(crate) next_step: f64,
    pub(crate) first_step: f64,
    pub(crate) smallest_step: f64,
    pub(crate) largest_step: f64,
    pub(crate) max_steps: f64,
}

// SAFETY: plain numbers of eight bytes in C's order, every bit pattern of which is valid.
unsafe impl cudarc::driver::DeviceRepr for Arguments {}
