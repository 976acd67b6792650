//! What is compared: training that this project and a rival do on the same weights, batch and random numbers.

use super::Rival;
use crate::bench::{FirstStep, Method, Repetitions, Subject, Training, Workload};
use crate::error::{Result, StudyError};
use candle_core::Tensor;
use ffjord_cuda::DeviceName;
use serde_json::{Value, json};

/// The file name of a rival's program, and the argument that follows the folder.
pub type Program = (&'static str, Option<&'static str>);

/// Training for both sides.
pub trait Contest {
    /// The workload's name in tables.
    fn name(&self) -> String;

    /// The solver's name in tables.
    fn solver(&self) -> String;

    /// The rival's program for it; none where the rival has no such model or solver.
    fn program(&self, rival: Rival) -> Option<Program>;

    /// What the rival must know besides arrays.
    fn settings(&self, device: DeviceName) -> Value;

    /// Weights by their names in checkpoints, the batch, and the random numbers of the first step.
    ///
    /// # Errors
    /// When memory cannot hold them.
    fn arrays(&self) -> Result<Vec<(String, Tensor)>>;

    /// Loss and gradient of the first step, with those random numbers.
    ///
    /// # Errors
    /// When a solve fails.
    fn first_step(&self) -> Result<FirstStep>;

    /// Iterations of training, timed.
    ///
    /// # Errors
    /// When a solve fails.
    fn train(&self, repetitions: Repetitions) -> Result<Training>;
}

/// A flow's training by maximum likelihood.
#[derive(Debug)]
pub struct FlowContest {
    workload: Workload,
    method: Method,
    subject: Subject,
}

impl FlowContest {
    /// The workload with a solver, as large at a time as it is on that device.
    ///
    /// # Errors
    /// When the flow cannot be made.
    pub fn new(workload: &Workload, method: Method, device: DeviceName) -> Result<Self> {
        Ok(Self {
            workload: workload.clone(),
            method,
            subject: Subject::new(workload, method, workload.division(device), device)?,
        })
    }
}

impl Contest for FlowContest {
    fn name(&self) -> String {
        self.workload.name.clone()
    }

    fn solver(&self) -> String {
        self.method.name()
    }

    fn program(&self, rival: Rival) -> Option<Program> {
        (rival.solves(self.method) && rival.builds(&self.workload)).then(|| rival.program())
    }

    fn settings(&self, device: DeviceName) -> Value {
        let (workload, method) = (&self.workload, self.method);
        json!({
            "dimension": workload.row_shape(),
            "convolutional": workload.is_convolutional(),
            "activation": workload.activation().to_string(),
            "shapes": workload.flow_shapes(),
            "path": workload.path(),
            "margin": workload.margin(),
            "end_time": workload.end_time(),
            "steps": method.steps().unwrap_or(0),
            "tolerance": method.tolerance(),
            "device": device.to_string(),
            "threads": rayon::current_num_threads(),
        })
    }

    fn arrays(&self) -> Result<Vec<(String, Tensor)>> {
        let mut arrays = weights(self.subject.weights())?;
        arrays.push(("batch".to_string(), self.subject.batch().contiguous()?));
        arrays.push(("probes".to_string(), self.subject.first_probes(&self.workload)?));
        Ok(arrays)
    }

    fn first_step(&self) -> Result<FirstStep> {
        self.subject.first_step()
    }

    fn train(&self, repetitions: Repetitions) -> Result<Training> {
        self.subject.train(repetitions)
    }
}

/// Parameters as arrays under their names.
pub(super) fn weights(parameters: Vec<ffjord_nn::Parameter>) -> Result<Vec<(String, Tensor)>> {
    let arrays = parameters
        .into_iter()
        .map(|parameter| Ok((parameter.name, parameter.var.contiguous()?)));
    arrays.collect::<candle_core::Result<_>>().map_err(StudyError::from)
}
