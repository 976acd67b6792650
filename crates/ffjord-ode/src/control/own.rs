//! Step control of the caller's own.

use std::{fmt, sync::Arc};

use super::Controller;

/// Makes the controllers of a solver, a fresh one for every solve.
///
/// Every controller that can be cloned and shared between threads is a source of its own copies, so that this needs to
/// be implemented only where copies will not do.
pub trait ControllerSource: fmt::Debug + Send + Sync {
    /// A controller for one solve.
    fn controller(&self) -> Box<dyn Controller + Send + Sync>;
}

impl<C: Controller + Clone + fmt::Debug + Send + Sync + 'static> ControllerSource for C {
    fn controller(&self) -> Box<dyn Controller + Send + Sync> {
        Box::new(self.clone())
    }
}

/// A shared [`ControllerSource`], as part of a [`StepControl`](super::StepControl); equal to its clones alone.
#[derive(Debug, Clone)]
pub struct OwnControl(Arc<dyn ControllerSource>);

impl OwnControl {
    /// Shares `source`.
    pub fn new(source: impl ControllerSource + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// A controller for one solve.
    pub fn controller(&self) -> Box<dyn Controller + Send + Sync> {
        self.0.controller()
    }
}

impl PartialEq for OwnControl {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
