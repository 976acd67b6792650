//! A card, through the CUDA driver.

use crate::arguments::Arguments;
use crate::device::{Device, Launch, Memory};
use crate::error::CudaError;
use crate::nvrtc;
use crate::program::Program;
use cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr, DriverError, LaunchConfig, PushKernelArg,
    sys,
};
use cudarc::nvrtc::Ptx;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A card with a stream of its own, and the kernels compiled for it.
pub struct Gpu {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    capability: (i32, i32),
    shared_memory: usize,
    /// By their text.
    modules: Mutex<HashMap<String, Arc<GpuModule>>>,
    cache: Option<PathBuf>,
}

impl fmt::Debug for Gpu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Gpu({})", self.context.ordinal())
    }
}

/// A compiled program on a card.
pub struct GpuModule {
    module: Arc<CudaModule>,
    functions: Mutex<HashMap<&'static str, CudaFunction>>,
}

impl fmt::Debug for GpuModule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GpuModule")
    }
}

/// Memory of a card.
#[derive(Debug)]
pub struct GpuMemory {
    slice: CudaSlice<u8>,
    address: u64,
}

impl Memory for GpuMemory {
    fn address(&self) -> u64 {
        self.address
    }
}

/// Whether there is a CUDA driver.
#[must_use]
pub fn has_driver() -> bool {
    // SAFETY: opens a library by name, whose initialisers are NVIDIA's own.
    unsafe { sys::is_culib_present() }
}

fn driver(what: &'static str) -> impl FnOnce(DriverError) -> CudaError {
    move |error| CudaError::Driver {
        what,
        reason: error.to_string(),
    }
}

impl Gpu {
    /// The card of this number.
    ///
    /// # Errors
    /// [`CudaError::Unavailable`] without a driver, the compiler NVRTC or that card.
    pub fn new(ordinal: usize) -> Result<Self, CudaError> {
        let unavailable = |reason: String| CudaError::Unavailable { reason };
        if !has_driver() {
            return Err(unavailable("there is no CUDA driver (libcuda)".to_string()));
        }
        let cards = CudaContext::device_count().map_err(|error| unavailable(format!("the driver says {error}")))?;
        if usize::try_from(cards).is_ok_and(|cards| ordinal >= cards) {
            return Err(unavailable(format!(
                "there is no card {ordinal}; the driver knows {cards}, counted from 0"
            )));
        }
        if !nvrtc::is_present() {
            return Err(unavailable(
                "libnvrtc, the run-time compiler, was not found".to_string(),
            ));
        }
        let context = CudaContext::new(ordinal).map_err(driver("open the card"))?;
        let stream = context.new_stream().map_err(driver("open a stream"))?;
        let attribute = sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let shared = context.attribute(attribute).map_err(driver("tell its shared memory"))?;
        Ok(Self {
            capability: context.compute_capability().map_err(driver("tell its capability"))?,
            shared_memory: usize::try_from(shared).unwrap_or(0),
            modules: Mutex::default(),
            cache: None,
            context,
            stream,
        })
    }

    /// The same, which keeps compiled kernels in a folder from one process to the next.
    #[must_use]
    pub fn with_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// The card's name.
    ///
    /// # Errors
    /// [`CudaError::Driver`].
    pub fn name(&self) -> Result<String, CudaError> {
        self.context.name().map_err(driver("tell the card's name"))
    }

    /// The card's compute capability, such as (9, 0).
    #[must_use]
    pub fn capability(&self) -> (i32, i32) {
        self.capability
    }

    /// Waits until everything that was started has ended.
    ///
    /// # Errors
    /// [`CudaError::Driver`] if something failed.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        self.stream.synchronize().map_err(driver("finish its work"))
    }

    /// The machine code of a program: that of the cache, or compiled.
    fn code(&self, program: &Program) -> Result<Vec<u8>, CudaError> {
        let Some(folder) = &self.cache else {
            return Ok(nvrtc::compile(program, self.capability)?.bytes);
        };
        let path = folder.join(self.file_name(program));
        match std::fs::read(&path) {
            Ok(bytes) => return Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(CudaError::Cache { path, source }),
        }
        let code = nvrtc::compile(program, self.capability)?.bytes;
        save(folder, &path, &code).map_err(|source| CudaError::Cache { path, source })?;
        Ok(code)
    }

    /// A name that stands for the text, the card's kind and the compiler.
    fn file_name(&self, program: &Program) -> String {
        let (major, minor) = nvrtc::version().unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(program.text());
        hash.update(format!("{:?} {major}.{minor}", self.capability));
        let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{digest}.cubin")
    }
}

fn save(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    ffjord_files::write_atomic(path, bytes).map_err(std::io::Error::other)
}

impl Device for Gpu {
    type Module = GpuModule;
    type Memory = GpuMemory;

    fn shared_memory(&self) -> usize {
        self.shared_memory
    }

    fn compile(&self, program: &Program) -> Result<Arc<GpuModule>, CudaError> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(program.text()) {
            return Ok(module.clone());
        }
        let image = Ptx::from_binary(self.code(program)?);
        let module = self.context.load_module(image).map_err(driver("load a kernel"))?;
        let module = Arc::new(GpuModule {
            module,
            functions: Mutex::default(),
        });
        modules.insert(program.text().to_string(), module.clone());
        Ok(module)
    }

    fn allocate(&self, bytes: usize) -> Result<GpuMemory, CudaError> {
        let slice = self
            .stream
            .alloc_zeros::<u8>(bytes.max(1))
            .map_err(driver("find memory"))?;
        Ok(self.own(slice))
    }

    fn upload(&self, bytes: &[u8]) -> Result<GpuMemory, CudaError> {
        // An empty copy has no memory to begin at.
        let slice = match bytes.is_empty() {
            true => self.stream.alloc_zeros::<u8>(1),
            false => self.stream.clone_htod(bytes),
        };
        Ok(self.own(slice.map_err(driver("take a copy of numbers"))?))
    }

    fn download(&self, memory: &GpuMemory, bytes: &mut [u8]) -> Result<(), CudaError> {
        if !bytes.is_empty() {
            let part = memory.slice.slice(..bytes.len());
            self.stream
                .memcpy_dtoh(&part, bytes)
                .map_err(driver("give numbers back"))?;
        }
        self.synchronize()
    }

    unsafe fn launch(&self, module: &GpuModule, launch: &Launch, arguments: &Arguments) -> Result<(), CudaError> {
        let mut functions = module.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let function = match functions.get(launch.kernel) {
            Some(function) => function,
            None => {
                let function = module
                    .module
                    .load_function(launch.kernel)
                    .map_err(driver("find a kernel"))?;
                let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                let bytes = i32::try_from(self.shared_memory).unwrap_or(i32::MAX);
                function
                    .set_attribute(attribute, bytes)
                    .map_err(driver("set shared memory aside"))?;
                functions.entry(launch.kernel).or_insert(function)
            }
        };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let mut builder = self.stream.launch_builder(function);
        builder.arg(arguments);
        // SAFETY: the caller vouches for the addresses; the kernel takes this structure alone.
        let launched = unsafe {
            builder.launch(LaunchConfig {
                grid_dim: (number(launch.blocks), 1, 1),
                block_dim: (number(launch.threads), 1, 1),
                shared_mem_bytes: number(launch.shared_bytes),
            })
        };
        launched.map(drop).map_err(driver("start a kernel"))
    }
}

impl Gpu {
    fn own(&self, slice: CudaSlice<u8>) -> GpuMemory {
        let (address, guard) = slice.device_ptr(&self.stream);
        drop(guard);
        GpuMemory { slice, address }
    }
}
