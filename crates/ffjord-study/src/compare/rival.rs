//! What this project is compared with.

use crate::bench::{Method, Workload};
use ffjord_cuda::DeviceName;

/// Software that trains the same flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rival {
    /// PyTorch and torchdiffeq, put together as in the original code.
    Torch,
    /// PyTorch with steps written out and the whole iteration in one CUDA graph.
    TorchGraph,
    /// JAX with steps and backward solve written out.
    Xla,
    /// JAX and diffrax, with its backward solve.
    DiffraxBacksolve,
    /// JAX and diffrax, with its checkpointed steps.
    DiffraxCheckpointed,
}

impl Rival {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Xla,
        Self::DiffraxBacksolve,
        Self::DiffraxCheckpointed,
        Self::TorchGraph,
        Self::Torch,
    ];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Torch => "torchdiffeq",
            Self::TorchGraph => "torch, CUDA graph",
            Self::Xla => "XLA alone",
            Self::DiffraxBacksolve => "diffrax, backsolve",
            Self::DiffraxCheckpointed => "diffrax, checkpointed",
        }
    }

    /// Whether it is timed on this device: without a card there are no graphs of launches.
    pub fn is_for(self, device: DeviceName) -> bool {
        self != Self::TorchGraph || !device.is_cpu()
    }

    /// Whether it is timed with this solver: fixed steps on JAX are fastest without diffrax.
    pub fn solves(self, method: Method) -> bool {
        match self {
            Self::Torch => true,
            Self::Xla | Self::TorchGraph => method.steps().is_some(),
            Self::DiffraxBacksolve | Self::DiffraxCheckpointed => method.steps().is_none(),
        }
    }

    /// Whether its program builds the workload's flow: only the one put together as the original code is has scales.
    pub fn builds(self, workload: &Workload) -> bool {
        self == Self::Torch || !workload.is_multiscale()
    }

    /// The program, and the argument that follows the folder.
    pub(super) fn program(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Torch => ("torch_peer.py", None),
            Self::TorchGraph => ("torch_graph_peer.py", None),
            Self::Xla => ("jax_peer.py", Some("xla")),
            Self::DiffraxBacksolve => ("jax_peer.py", Some("backsolve")),
            Self::DiffraxCheckpointed => ("jax_peer.py", Some("checkpointed")),
        }
    }
}
