//! A tiny flow, its data, and what a run of it leaves behind.

use candle_core::{DType, Device, Tensor};
use ffjord_data::ToyDensity;
use ffjord_flow::{
    ActNorm, Bijection, Chain, Cnf, CnfSettings, Density, Flow, MovingBatchNorm, Pass, SolveSettings, StandardNormal,
    TraceMode,
};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig};
use ffjord_ode::{Method, Solver, adjoint::AdjointMethod};
use ffjord_trace::ProbeDistribution;
use ffjord_train::{
    Alone, Batch, BatchSource, CheckpointStore, Communicator, FailureReport, FreshSamples, IterationReport, JsonLines,
    MaximumLikelihood, MetricsWriter, Model, Objective, Observer, Purpose, Resume, Streams, TrainError, Trainer,
    TrainerOptions, TrainingSummary, Validation, ValidationReport, read_metrics,
};
use serde_json::Value;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub type Result<T> = std::result::Result<T, TrainError>;
pub type TinyFlow = Flow<Chain>;
pub type Validate<'a> = &'a dyn Fn(&TinyFlow) -> Result<Validation>;

pub const ROWS: usize = 16;

pub fn streams() -> Streams {
    Streams::new(11)
}

/// Options under which every part of a session's state matters.
pub fn options(iterations: u64) -> TrainerOptions {
    TrainerOptions::new(iterations, 1e-2)
        .weight_decay(1e-4)
        .clip_norm(1.0)
        .validate_every(2)
        .patience(50)
        .checkpoint_every(3)
}

/// Norm, a 2-8-2 continuous block, norm; solved in blocks of four rows.
pub fn flow(seed: u64, solver: Solver) -> TinyFlow {
    let estimate = TraceMode::Hutchinson {
        distribution: ProbeDistribution::Rademacher,
        probes: 1,
    };
    let norm = || Box::new(MovingBatchNorm::new(&[2], DType::F32, &Device::Cpu).unwrap());
    chain(vec![norm(), block(seed, solver, estimate), norm()])
}

/// The block alone, with the exact trace: rows do not depend on each other, nor on probes.
pub fn flow_of_separate_rows(seed: u64) -> TinyFlow {
    chain(vec![block(seed, two_steps(), TraceMode::Exact)])
}

/// Activation normalisation, which its first batch sets, and the block.
pub fn flow_with_act_norm(solver: Solver) -> TinyFlow {
    let norm = ActNorm::new(&[2], DType::F32, &Device::Cpu).unwrap();
    chain(vec![Box::new(norm), block(0, solver, TraceMode::Exact)])
}

fn chain(parts: Vec<Box<dyn Bijection>>) -> TinyFlow {
    let base = StandardNormal::new(&[2], DType::F32, &Device::Cpu).unwrap();
    Flow::new(Chain::new(parts).unwrap(), base).unwrap()
}

fn block(seed: u64, solver: Solver, trace: TraceMode) -> Box<dyn Bijection> {
    let network = MlpConfig {
        dimension: 2,
        given: 0,
        hidden: vec![8],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Tanh,
    };
    let mut rng = Streams::new(seed).rng(Purpose::Initialise, 0, 0);
    let field = Mlp::new(&network, &mut rng, DType::F32, &Device::Cpu).unwrap();
    let solve = |solver, trace| SolveSettings {
        solver,
        trace,
        block_rows: 4,
    };
    let settings = CnfSettings {
        end_time: 0.5,
        learn_end_time: true,
        training: solve(solver, trace),
        evaluation: solve(two_steps(), TraceMode::Exact),
        adjoint: AdjointMethod::default(),
        integrals: Vec::new(),
    };
    Box::new(Cnf::new(Arc::new(field), settings).unwrap())
}

pub fn two_steps() -> Solver {
    Solver::new(Method::Rk4).fixed_steps(2)
}

/// Fresh samples of the moons; those of some iterations, counted from 0, hold a NaN in their last row.
pub struct Moons {
    pub poisoned: fn(u64) -> bool,
}

impl Moons {
    pub const CLEAN: Self = Self { poisoned: |_| false };
}

impl BatchSource for Moons {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch> {
        let draw = |rows, rng: &mut _| ToyDensity::Moons.sample(rows, rng);
        let batch = FreshSamples::new(ROWS, DType::F32, draw).batch(iteration, streams)?;
        if !(self.poisoned)(iteration) {
            return Ok(batch);
        }
        let mut values: Vec<f32> = batch.x.flatten_all()?.to_vec1()?;
        values[2 * ROWS - 1] = f32::NAN;
        Ok(Tensor::from_vec(values, (ROWS, 2), &Device::Cpu)?.into())
    }
}

/// The likelihood of held-out rows.
pub fn held_out(model: &TinyFlow) -> Result<Validation> {
    let rows = Moons::CLEAN.batch(1_000_000, &streams())?;
    let mut rng = streams().rng(Purpose::Validation, 0, 0);
    let log_prob = model.log_prob(&rows.x, &mut Pass::evaluation(&mut rng))?;
    Ok(Validation {
        nll: -f64::from(log_prob.mean_all()?.to_scalar::<f32>()?),
        standard_error: 0.0,
        test_nll: None,
    })
}

/// One session of a run in a folder, with metrics as a program writes them.
pub struct Session<'a> {
    pub folder: &'a Path,
    pub options: TrainerOptions,
    pub streams: Streams,
    pub resume: Resume,
    pub source: &'a dyn BatchSource,
    pub objective: &'a dyn Objective<TinyFlow>,
    pub validate: Validate<'a>,
    pub observers: Vec<Box<dyn Observer>>,
    pub stop: Arc<AtomicBool>,
    pub communicator: &'a dyn Communicator,
}

impl<'a> Session<'a> {
    pub fn new(folder: &'a Path, options: TrainerOptions) -> Self {
        Self {
            folder,
            options,
            streams: streams(),
            resume: Resume::IfSame,
            source: &Moons::CLEAN,
            objective: const { &MaximumLikelihoodOnly },
            validate: &held_out,
            observers: Vec::new(),
            stop: Arc::default(),
            communicator: &Alone,
        }
    }

    pub fn source(mut self, source: &'a dyn BatchSource) -> Self {
        self.source = source;
        self
    }

    pub fn validate(mut self, validate: Validate<'a>) -> Self {
        self.validate = validate;
        self
    }

    pub fn observe(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Asks the run to stop when it has done so many iterations.
    pub fn interrupt_after(self, iteration: u64) -> Self {
        let stop = self.stop.clone();
        self.observe(At {
            iteration,
            act: move || {
                stop.store(true, Ordering::Relaxed);
                Ok(())
            },
        })
    }

    /// Ends the run with an error when it has done so many iterations, and so without saving.
    pub fn kill_after(self, iteration: u64) -> Self {
        self.observe(At {
            iteration,
            act: || {
                Err(TrainError::MetricsLine {
                    path: "killed".into(),
                    line: 1,
                    source: serde_json::from_str::<Value>("").unwrap_err(),
                })
            },
        })
    }

    pub fn run(self, model: &TinyFlow) -> Result<TrainingSummary> {
        let store = CheckpointStore::new(self.folder);
        let path = self.folder.join("metrics.jsonl");
        let metrics = match store.load()? {
            _ if self.communicator.rank() > 0 => None,
            Some(checkpoint) => Some(MetricsWriter::resume(path, checkpoint.iteration)?),
            None => Some(MetricsWriter::create(path)?),
        };
        let mut observers = self.observers;
        let mut trainer = Trainer::new(model, self.objective, self.source, self.options)?
            .streams(self.streams)
            .validate(&self.validate)
            .store(store)
            .resume(self.resume)
            .stop_on(&self.stop)
            .together(self.communicator);
        if let Some(metrics) = metrics {
            trainer = trainer.observe(JsonLines::new(metrics));
        }
        for observer in &mut observers {
            trainer = trainer.observe(observer.as_mut());
        }
        trainer.run()
    }
}

/// Maximum likelihood without penalties, as a constant.
pub struct MaximumLikelihoodOnly;

impl Objective<TinyFlow> for MaximumLikelihoodOnly {
    fn loss(&self, model: &TinyFlow, batch: &Batch, pass: &mut Pass<'_>) -> Result<ffjord_train::Loss> {
        MaximumLikelihood::default().loss(model, batch, pass)
    }
}

/// Does something once an iteration is done, whether or not it failed.
struct At<F> {
    iteration: u64,
    act: F,
}

impl<F: FnMut() -> Result<()>> Observer for At<F> {
    fn iteration(&mut self, report: &IterationReport) -> Result<()> {
        if report.iteration == self.iteration {
            (self.act)()?;
        }
        Ok(())
    }

    fn failure(&mut self, report: &FailureReport) -> Result<()> {
        if report.iteration == self.iteration {
            (self.act)()?;
        }
        Ok(())
    }
}

/// Keeps the reports of a run.
#[derive(Debug, Clone, Default)]
pub struct Log(pub Rc<RefCell<Reports>>);

#[derive(Debug, Default)]
pub struct Reports {
    pub iterations: Vec<u64>,
    pub validations: Vec<ValidationReport>,
    pub failures: Vec<FailureReport>,
}

impl Observer for Log {
    fn iteration(&mut self, report: &IterationReport) -> Result<()> {
        self.0.borrow_mut().iterations.push(report.iteration);
        Ok(())
    }

    fn validation(&mut self, report: &ValidationReport) -> Result<()> {
        self.0.borrow_mut().validations.push(report.clone());
        Ok(())
    }

    fn failure(&mut self, report: &FailureReport) -> Result<()> {
        self.0.borrow_mut().failures.push(report.clone());
        Ok(())
    }
}

/// All weights and buffers, bit by bit.
pub fn bits(model: &TinyFlow) -> Vec<(String, Vec<u32>)> {
    let all = Model::parameters(model).into_iter().chain(Model::buffers(model));
    all.map(|parameter| {
        let values: Vec<f32> = parameter.var.flatten_all().unwrap().to_vec1().unwrap();
        (parameter.name, values.into_iter().map(f32::to_bits).collect())
    })
    .collect()
}

/// What a run leaves behind, without its times.
#[derive(Debug, PartialEq)]
pub struct Remains {
    pub model: Vec<(String, Vec<u32>)>,
    pub iteration: u64,
    pub tensors: Vec<u8>,
    pub metadata: Value,
    pub metrics: Vec<Value>,
}

impl Remains {
    pub fn of(folder: &Path, model: &TinyFlow) -> Self {
        let checkpoint = CheckpointStore::new(folder).load().unwrap().expect("a checkpoint");
        let untimed = |mut value: Value| {
            if let Some(map) = value.as_object_mut() {
                map.remove("seconds");
            }
            value
        };
        let lines = read_metrics(folder.join("metrics.jsonl")).unwrap();
        Self {
            model: bits(model),
            iteration: checkpoint.iteration,
            tensors: tensor_file(folder, checkpoint.iteration),
            metadata: untimed(checkpoint.metadata),
            metrics: lines.into_iter().map(untimed).collect(),
        }
    }
}

/// The tensors of a checkpoint as they are in their file.
pub fn tensor_file(folder: &Path, iteration: u64) -> Vec<u8> {
    std::fs::read(folder.join(format!("checkpoint-{iteration}.safetensors"))).unwrap()
}
