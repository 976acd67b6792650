//! The text of a kernel for one flow: constants that describe the flow, then what is the same for all.

use crate::error::CudaError;
use crate::layout::{Array, Layout};
use crate::names::{activation_name, integral_name, kind_name};
use ffjord_flow::PathIntegral;
use ffjord_kernels::LayerKind;
use ffjord_kernels::mlp::MlpArchitecture;
use ffjord_ode::Tableau;
use std::fmt::{Display, Write};

const NAMES: &str = include_str!("text/names.cuh");
const MACHINE: &str = include_str!("text/machine.cuh");
const ARGUMENTS: &str = include_str!("text/arguments.cuh");
const FUNCTIONS: &str = include_str!("text/functions.cuh");
const LAYERS: &str = include_str!("text/layers.cuh");
const NETWORK: &str = include_str!("text/network.cuh");
const EQUATION: &str = include_str!("text/equation.cuh");
const TILES: &str = include_str!("text/tiles.cuh");
const SOLVE: &str = include_str!("text/solve.cuh");
const REVERSE: &str = include_str!("text/reverse.cuh");

/// The largest state that a kernel is made for.
pub const MAX_STATE: usize = 64;
/// The widest layer that a kernel is made for.
pub const MAX_WIDTH: usize = 128;

/// Units of the network of time that generates the weights of a layer of type `hyper`.
const HYPER_UNITS: usize = 8;

/// Numbers of a tile's report.
pub(crate) const REPORT: usize = 8;

/// The number type of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// `float`.
    Single,
    /// `double`.
    Double,
}

impl Precision {
    /// Bytes of a number.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Single => 4,
            Self::Double => 8,
        }
    }
}

/// One direction of a solve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Forward,
    Reverse,
}

/// Everything about a solve that a kernel has as constants.
#[derive(Clone, Debug)]
pub(crate) struct Specification {
    pub(crate) precision: Precision,
    pub(crate) network: MlpArchitecture,
    pub(crate) minus_state: bool,
    /// Tangents of every row; none in solves of the state alone.
    pub(crate) probes: usize,
    pub(crate) unit_probes: bool,
    pub(crate) integrals: Vec<PathIntegral>,
    pub(crate) tableau: &'static Tableau,
    pub(crate) adaptive: bool,
    /// Rows of a tile at most.
    pub(crate) rows: usize,
    pub(crate) threads: usize,
}

/// A kernel's text, and what a launch of it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    text: String,
    pub(crate) threads: usize,
    pub(crate) shared_bytes: usize,
    pub(crate) scratch_numbers: usize,
}

impl Program {
    /// The whole text, in CUDA C++ of which a small part is used.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Threads of a block.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes of shared memory of a block.
    #[must_use]
    pub fn shared_bytes(&self) -> usize {
        self.shared_bytes
    }
}

impl Specification {
    /// Columns of the solved state: the state, and with probes its log-determinant and the integrals.
    pub(crate) fn columns(&self) -> usize {
        self.state()
            + match self.probes {
                0 => 0,
                _ => 1 + self.integrals.len(),
            }
    }

    /// D.
    pub(crate) fn state(&self) -> usize {
        self.network.outputs()
    }

    /// G.
    pub(crate) fn given(&self) -> usize {
        self.network.inputs() - self.network.outputs()
    }

    /// Stages up to the last that the solution depends on.
    pub(crate) fn used_stages(&self) -> usize {
        self.tableau
            .b()
            .iter()
            .rposition(|&b| b != 0.0)
            .map_or(0, |last| last + 1)
    }

    fn stacked(&self) -> usize {
        (self.rows * (1 + self.probes)).next_multiple_of(4)
    }

    /// The distance of a layer's rows of activations.
    fn stride(width: usize) -> usize {
        width.next_multiple_of(4) + 4
    }

    /// The program of one direction for a device with so many bytes of shared memory a block.
    pub(crate) fn program(&self, direction: Direction, shared_memory: usize) -> Result<Program, CudaError> {
        let bytes = self.precision.bytes();
        let layout = Layout::new(&self.arrays(direction), shared_memory / bytes);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_constants(&mut text, &layout);
        let last = match direction {
            Direction::Forward => SOLVE,
            Direction::Reverse => REVERSE,
        };
        let parts = [MACHINE, ARGUMENTS, FUNCTIONS, LAYERS, NETWORK, EQUATION, TILES, last];
        parts.iter().for_each(|part| text.push_str(part));
        Ok(Program {
            text,
            threads: self.threads,
            shared_bytes: layout.shared * bytes,
            scratch_numbers: layout.scratch,
        })
    }

    /// The arrays of a block, the most urgent first.
    fn arrays(&self, direction: Direction) -> Vec<Array> {
        let reverse = direction == Direction::Reverse;
        let (rows, columns, state) = (self.rows, self.columns(), self.state());
        let packed: usize = self.layers().map(|layer| layer.packed()).sum();
        let taped: usize = self
            .layers()
            .map(|layer| self.stacked() * Self::stride(layer.outputs))
            .sum();
        let lanes = self.threads.max(rows);
        let slopes = match reverse {
            false => self.tableau.stages(),
            true => self.used_stages() + 2,
        };
        let buffers = if reverse { 3 } else { 2 };
        let when = |wanted: bool, length: usize| if wanted { length } else { 0 };
        let explicit_probes = self.probes > 0 && !self.unit_probes;
        [
            ("THREAD_SUMS", self.threads * 8 / self.precision.bytes()),
            ("SUMS", rows + lanes),
            ("COEFFICIENTS", self.layers().map(|layer| layer.coefficients()).sum()),
            ("INPUT", rows * state),
            ("STATES", 2 * rows * columns),
            ("GIVENS", rows * self.given()),
            ("PROBE", when(explicit_probes, self.probes * rows * state)),
            ("VALUE_COTANGENT", when(reverse && self.minus_state, rows * state)),
            ("SLOPES", slopes * rows * columns),
            ("ACTIVATIONS", buffers * self.buffer()),
            ("WEIGHTS", packed),
            ("TRANSPOSED", when(reverse, packed)),
            ("TAPE", when(reverse, taped)),
            ("GRADIENT", when(reverse, self.network.parameter_count())),
        ]
        .map(|(name, length)| Array { name, length })
        .to_vec()
    }

    /// Numbers of one buffer of activations.
    fn buffer(&self) -> usize {
        let widest = self.network.dimensions().iter().copied().max().unwrap_or(0);
        self.stacked() * Self::stride(widest)
    }

    fn layers(&self) -> impl Iterator<Item = LayerShape> {
        let pairs = self.network.dimensions().windows(2).zip(self.network.kinds());
        pairs.map(|(pair, &kind)| LayerShape {
            inputs: pair[0],
            outputs: pair[1],
            kind,
        })
    }

    fn write_constants(&self, text: &mut String, layout: &Layout) -> std::fmt::Result {
        let real = match self.precision {
            Precision::Single => "float",
            Precision::Double => "double",
        };
        writeln!(text, "typedef {real} Real;\n{NAMES}")?;
        let layers = self.network.layers();
        let kinds: Vec<&str> = self.layers().map(|layer| kind_name(layer.kind)).collect();
        let specs = self.network.parameters();
        let begins = |layer: usize| {
            let prefix = format!("layers.{layer}.");
            specs
                .iter()
                .find(|spec| spec.name.starts_with(&prefix))
                .map_or(0, |spec| spec.offset)
        };
        let parameters_at: Vec<usize> = (0..layers).map(begins).collect();
        let integrals = self.integrals.iter().map(|integral| integral_name(*integral));
        for (name, number) in [
            ("STATE", self.state()),
            ("GIVEN", self.given()),
            ("PROBES", self.probes),
            ("ROWS", self.rows),
            ("THREADS", self.threads),
            ("LAYERS", layers),
            ("PARAMETERS", self.network.parameter_count()),
            ("COLUMNS", self.columns()),
            ("INTEGRALS", self.integrals.len()),
            ("STAGES", self.tableau.stages()),
            ("USED_STAGES", self.used_stages()),
            ("ACTIVATIONS_LENGTH", self.buffer()),
            ("SCRATCH_LENGTH", layout.scratch),
        ] {
            writeln!(text, "constexpr int {name} = {number};")?;
        }
        let embedded = self.tableau.embedded();
        let damping = embedded.and_then(|embedded| embedded.damping);
        for (name, truth) in [
            ("UNIT_PROBES", self.unit_probes),
            ("MINUS_STATE", self.minus_state),
            ("ADAPTIVE", self.adaptive),
            ("FIRST_SAME_AS_LAST", self.tableau.fsal()),
            ("DAMPED", damping.is_some()),
            ("ANY_HYPER", kinds.contains(&"HYPER")),
        ] {
            writeln!(text, "constexpr bool {name} = {truth};")?;
        }
        writeln!(
            text,
            "constexpr int ACTIVATION = {};",
            activation_name(self.network.activation())
        )?;
        write_array(text, "int WIDTHS", self.network.dimensions())?;
        write_array(text, "int KINDS", &kinds)?;
        write_array(text, "int PARAMETERS_AT", &parameters_at)?;
        write_array(text, "int PACKED_AT", &ends(self.layers().map(|layer| layer.packed())))?;
        write_array(
            text,
            "int COEFFICIENT_AT",
            &ends(self.layers().map(|layer| layer.coefficients())),
        )?;
        let taped = self.layers().map(|layer| self.stacked() * Self::stride(layer.outputs));
        write_array(text, "int TAPED_AT", &ends(taped))?;
        write_array(text, "int INTEGRAL_KINDS", &integrals.chain(["0"]).collect::<Vec<_>>())?;
        let stages = self.tableau.stages();
        write_array(text, "double STAGE_TIMES", &exact(self.tableau.c()))?;
        write_array(text, "double SOLUTION_WEIGHTS", &exact(self.tableau.b()))?;
        let zeros = vec![0.0; stages];
        let error = embedded.map_or(&zeros[..], |embedded| embedded.weights);
        write_array(text, "double ERROR_WEIGHTS", &exact(error))?;
        write_array(text, "double COARSE_WEIGHTS", &exact(damping.unwrap_or(&zeros)))?;
        let order = embedded.map_or(self.tableau.order(), |embedded| embedded.order);
        writeln!(text, "constexpr double ERROR_ORDER = {order};")?;
        writeln!(text, "constexpr double STAGE_WEIGHTS[{stages}][{stages}] = {{")?;
        for row in self.tableau.a() {
            let padded = row.iter().copied().chain(std::iter::repeat(0.0)).take(stages);
            writeln!(text, "  {{{}}},", exact(&padded.collect::<Vec<_>>()).join(", "))?;
        }
        writeln!(text, "}};\n{}", layout.constants)
    }
}

/// A dense layer.
struct LayerShape {
    inputs: usize,
    outputs: usize,
    kind: LayerKind,
}

impl LayerShape {
    fn packed(&self) -> usize {
        self.inputs.next_multiple_of(4) * self.outputs.next_multiple_of(4)
    }

    fn coefficients(&self) -> usize {
        let hidden = if kind_name(self.kind) == "HYPER" {
            HYPER_UNITS
        } else {
            0
        };
        2 * self.outputs + hidden
    }
}

/// Where each of things that lie one after the other begins.
fn ends(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let begin = |end: &mut usize, length: usize| {
        let begin = *end;
        *end += length;
        Some(begin)
    };
    lengths.scan(0, begin).collect()
}

/// Numbers as text that a compiler reads back to the last bit.
fn exact(numbers: &[f64]) -> Vec<String> {
    numbers.iter().map(|number| format!("{number:?}")).collect()
}

fn write_array<N: Display>(text: &mut String, what: &str, numbers: &[N]) -> std::fmt::Result {
    write!(text, "constexpr {what}[{}] = {{", numbers.len())?;
    for number in numbers {
        write!(text, "{number}, ")?;
    }
    writeln!(text, "}};")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvrtc;
    use ffjord_kernels::ActivationKind;
    use ffjord_ode::Method;

    /// The flows that a card meets most often: toy densities, POWER, MINIBOONE's rows with exact traces.
    fn specifications() -> Vec<(&'static str, Specification)> {
        let network = |dimensions: &[usize]| {
            MlpArchitecture::new(dimensions, LayerKind::ConcatSquash, ActivationKind::Tanh).unwrap()
        };
        let of = |dimensions: &[usize], probes, unit_probes, precision, rows| Specification {
            precision,
            network: network(dimensions),
            minus_state: false,
            probes,
            unit_probes,
            integrals: vec![PathIntegral::Kinetic, PathIntegral::Jacobian],
            tableau: Method::Dopri5.tableau().unwrap(),
            adaptive: true,
            rows,
            threads: 256,
        };
        vec![
            ("toy", of(&[2, 64, 64, 64, 2], 1, false, Precision::Single, 32)),
            ("power", of(&[6, 60, 60, 60, 6], 1, false, Precision::Single, 32)),
            ("wide", of(&[63, 128, 128, 63], 63, true, Precision::Single, 1)),
            ("double", of(&[6, 60, 60, 60, 6], 6, true, Precision::Double, 9)),
        ]
    }

    #[test]
    fn kernels_compile_for_the_cards_of_today() {
        if !nvrtc::is_present() {
            println!("skipped: libnvrtc is not there");
            return;
        }
        // Bytes of shared memory that a block of such a card may use.
        for (capability, shared_memory) in [((8, 0), 163 << 10), ((9, 0), 227 << 10), ((10, 0), 227 << 10)] {
            for (name, specification) in specifications() {
                for direction in [Direction::Forward, Direction::Reverse] {
                    let program = specification.program(direction, shared_memory).unwrap();
                    assert!(program.shared_bytes() <= shared_memory, "{name}");
                    let cubin = nvrtc::compile(&program, capability).unwrap();
                    let what = format!("{name}, {direction:?}, {capability:?}");
                    // A block of 256 threads has 65,536 registers.
                    assert!(
                        (1..=168).contains(&cubin.registers),
                        "{what}: {} registers",
                        cubin.registers
                    );
                    assert!(cubin.spilled <= 512, "{what}: {} bytes spilled", cubin.spilled);
                    let (registers, spilled, shared) = (cubin.registers, cubin.spilled, program.shared_bytes());
                    println!("{what}: {registers} registers, {spilled} bytes spilled, {shared} bytes shared");
                }
            }
        }
    }
}
