//! Where a configuration's solves are carried out.

use crate::error::Result;
use ffjord_cuda::{DeviceName, check_support};
use ffjord_flow::{Backend, Cnf, CnfSettings};
use ffjord_nn::VectorField;
use std::sync::Arc;

/// The backend that all continuous flows of a model share.
#[derive(Debug)]
pub(crate) struct Placement {
    /// None for the CPU, where every flow has a backend with tapes of its own.
    card: Option<Arc<dyn Backend>>,
}

impl Placement {
    /// Opens the device.
    pub(crate) fn open(device: DeviceName) -> Result<Self> {
        Ok(Self {
            card: match device {
                DeviceName::Cpu => None,
                DeviceName::Cuda(_) => Some(device.backend()?),
            },
        })
    }

    /// A flow that is solved there.
    pub(crate) fn flow(&self, field: Arc<dyn VectorField>, settings: CnfSettings) -> Result<Cnf> {
        let Some(card) = &self.card else {
            return Ok(Cnf::new(field, settings)?);
        };
        check_support(field.as_ref(), &settings)?;
        Ok(Cnf::new(field, settings)?.with_backend(card.clone()))
    }
}
