//! What a backend asks of a device, so that a program on the CPU can stand in for a GPU.

use crate::arguments::Arguments;
use crate::error::CudaError;
use crate::program::Program;
use std::fmt;

/// Memory of a device and the launches of its kernels, in order.
///
/// [`Gpu`](crate::Gpu) is the one that there is; tests have one that plays the threads of a block on the CPU.
pub trait Device: fmt::Debug + Send + Sync + 'static {
    /// A compiled program.
    type Module: fmt::Debug + Send + Sync + 'static;
    /// Bytes on the device, given back when dropped.
    type Memory: Memory;

    /// Bytes of shared memory that a block may use.
    fn shared_memory(&self) -> usize;

    /// Compiles a program, or finds it compiled.
    ///
    /// # Errors
    /// [`CudaError::Compilation`].
    fn compile(&self, program: &Program) -> Result<std::sync::Arc<Self::Module>, CudaError>;

    /// This many bytes, all zero.
    ///
    /// # Errors
    /// [`CudaError::Driver`] if there is not enough memory.
    fn allocate(&self, bytes: usize) -> Result<Self::Memory, CudaError>;

    /// A copy of `bytes` on the device.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    fn upload(&self, bytes: &[u8]) -> Result<Self::Memory, CudaError>;

    /// Waits for all launches and copies memory back.
    ///
    /// # Errors
    /// [`CudaError::Driver`] if a launch before failed.
    fn download(&self, memory: &Self::Memory, bytes: &mut [u8]) -> Result<(), CudaError>;

    /// Starts a kernel.
    ///
    /// # Safety
    /// Every address in `arguments` that the kernel reads or writes is that of memory of this device, which lives until
    /// the launch is over, and holds as many numbers as the program's constants and the arguments' counts say.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    unsafe fn launch(&self, module: &Self::Module, launch: &Launch, arguments: &Arguments) -> Result<(), CudaError>;
}

/// Memory of a device.
pub trait Memory: fmt::Debug + Send + Sync + 'static {
    /// Where it begins.
    fn address(&self) -> u64;
}

/// Which kernel of a program, and how many blocks of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Blocks.
    pub blocks: usize,
    /// Threads of a block.
    pub threads: usize,
    /// Bytes of shared memory of a block.
    pub shared_bytes: usize,
}
