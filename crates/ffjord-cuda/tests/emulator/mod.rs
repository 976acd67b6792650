//! A device that plays the threads of a block on the CPU: the kernels' own text, compiled as C++.

use ffjord_cuda::{Arguments, CudaError, Device, Launch, Memory, Program};
use libloading::{Library, Symbol};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const THREADS: &str = include_str!("threads.cpp");
const KERNELS: [&str; 3] = ["forward", "reverse", "collect"];

/// The device; with `backwards` the threads of a block run in reversed order.
#[derive(Debug)]
pub struct Emulator {
    shared_memory: usize,
    pub backwards: bool,
    folder: tempfile::TempDir,
    modules: Mutex<HashMap<String, Arc<Library>>>,
    compiled: AtomicUsize,
}

/// Memory of this process.
#[derive(Debug)]
pub struct Bytes(Vec<u128>);

impl Memory for Bytes {
    fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }
}

impl Emulator {
    /// An emulator with so many bytes of shared memory; none, with a message, where there is no C++ compiler.
    pub fn new(shared_memory: usize) -> Option<Self> {
        if compiler()
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
        {
            Some(Self {
                shared_memory,
                backwards: false,
                folder: tempfile::tempdir().unwrap(),
                modules: Mutex::default(),
                compiled: AtomicUsize::new(0),
            })
        } else {
            println!("skipped: there is no C++ compiler to play a GPU with");
            None
        }
    }

    fn build(&self, program: &Program) -> Library {
        let mut text = program.text().to_string();
        text.push_str(THREADS);
        for kernel in KERNELS
            .iter()
            .filter(|kernel| program.text().contains(&format!("KERNEL({kernel})")))
        {
            text.push_str(&format!("\nEMULATE({kernel})\n"));
        }
        let number = self.compiled.fetch_add(1, Ordering::Relaxed);
        let path = |extension: &str| -> PathBuf { self.folder.path().join(format!("kernel{number}.{extension}")) };
        std::fs::write(path("cpp"), &text).unwrap();
        let mut command = compiler();
        command
            .args([
                "-x",
                "c++",
                "-std=c++17",
                "-O0",
                "-shared",
                "-fPIC",
                "-DEMULATED",
                "-Wno-unused",
                "-o",
            ])
            .arg(path("so"))
            .arg(path("cpp"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // SAFETY: the library was made just now and has no initialisers but C++'s own.
        unsafe { Library::new(path("so")) }.unwrap()
    }
}

/// The C++ compiler that build scripts would take.
fn compiler() -> Command {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cc::Build::new()
        .cpp(true)
        .cargo_metadata(false)
        .target(&target)
        .host(&target)
        .opt_level(1)
        .try_get_compiler()
        .map_or_else(|_| Command::new("c++"), |tool| Command::new(tool.path()))
}

type Emulate = unsafe extern "C" fn(*const Arguments, i32, i32, usize, i32) -> i32;

impl Device for Emulator {
    type Module = Library;
    type Memory = Bytes;

    fn shared_memory(&self) -> usize {
        self.shared_memory
    }

    fn compile(&self, program: &Program) -> Result<Arc<Library>, CudaError> {
        if let Some(module) = self.modules.lock().unwrap().get(program.text()) {
            return Ok(module.clone());
        }
        let module = Arc::new(self.build(program));
        self.modules
            .lock()
            .unwrap()
            .insert(program.text().to_string(), module.clone());
        Ok(module)
    }

    fn allocate(&self, bytes: usize) -> Result<Bytes, CudaError> {
        Ok(Bytes(vec![0; bytes.div_ceil(16) + 1]))
    }

    fn upload(&self, bytes: &[u8]) -> Result<Bytes, CudaError> {
        let mut memory = self.allocate(bytes.len())?;
        for (word, bytes) in memory.0.iter_mut().zip(bytes.chunks(16)) {
            let mut whole = [0; 16];
            whole[..bytes.len()].copy_from_slice(bytes);
            *word = u128::from_ne_bytes(whole);
        }
        Ok(memory)
    }

    fn download(&self, memory: &Bytes, bytes: &mut [u8]) -> Result<(), CudaError> {
        // SAFETY: the memory has at least as many bytes as were asked for, and no launch is under way.
        let from = unsafe { std::slice::from_raw_parts(memory.0.as_ptr().cast::<u8>(), bytes.len()) };
        bytes.copy_from_slice(from);
        Ok(())
    }

    unsafe fn launch(&self, module: &Library, launch: &Launch, arguments: &Arguments) -> Result<(), CudaError> {
        let name = format!("emulate_{}", launch.kernel);
        // SAFETY: the function was compiled with this signature; the caller vouches for the addresses.
        let failure = unsafe {
            let function: Symbol<Emulate> = module.get(name.as_bytes()).unwrap();
            let (blocks, threads) = (launch.blocks as i32, launch.threads as i32);
            function(
                arguments,
                blocks,
                threads,
                launch.shared_bytes,
                i32::from(self.backwards),
            )
        };
        assert_eq!(failure, 0, "some threads ended where others waited");
        Ok(())
    }
}
