//! What a launch is told: the same structure as that in `text/arguments.cuh`.

use ffjord_flow::{FlowError, Problem};
use ffjord_ode::{NextStep, StepControl, StepGrid};

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

impl Arguments {
    /// The numbers of a problem that a kernel is told at each launch.
    pub(crate) fn of_problem(problem: &Problem<'_>, rows: usize, tiles: usize) -> Result<Self, FlowError> {
        let solver = &problem.settings.solver;
        let (t0, t1) = problem.span;
        let mut arguments = Self {
            rows: rows as i64,
            tiles: tiles as i64,
            t0,
            t1,
            weight: problem.trace.as_ref().map_or(0.0, |trace| trace.weight),
            max_steps: solver.limits().max_steps as f64,
            ..Self::default()
        };
        match solver.control() {
            StepControl::Constant(grid) => {
                let steps = grid.steps(t0, t1)?;
                match grid {
                    StepGrid::Size(size) => arguments.grid_size = *size,
                    _ => arguments.grid_steps = steps as f64,
                }
            }
            StepControl::Adaptive(adaptive) => {
                let tolerance = adaptive.measure.tolerance;
                arguments.rtol = tolerance.rtol();
                arguments.atol = tolerance.atol();
                arguments.integral = adaptive.pid.integral;
                arguments.proportional = adaptive.pid.proportional;
                arguments.derivative = adaptive.pid.derivative;
                arguments.safety = adaptive.safety;
                arguments.smallest_factor = adaptive.min_factor;
                arguments.largest_factor = adaptive.max_factor;
                arguments.next_step = match adaptive.next_step {
                    NextStep::NotShorter => 0.0,
                    NextStep::ByError => 1.0,
                    _ => 2.0,
                };
                arguments.first_step = adaptive.first_step.unwrap_or(0.0);
                arguments.smallest_step = adaptive.min_step;
                arguments.largest_step = adaptive.max_step;
            }
            _ => {}
        }
        Ok(arguments)
    }
}

// SAFETY: plain numbers of eight bytes in C's order, every bit pattern of which is valid.
unsafe impl cudarc::driver::DeviceRepr for Arguments {}
