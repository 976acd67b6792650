//! Compiling kernels at run time with NVRTC, for one kind of card.

use crate::error::CudaError;
use crate::program::Program;
use cudarc::nvrtc::{result, sys};
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int};

/// Kernels are functions and constants without annotations, not all of which every kernel uses.
const OPTIONS: [&str; 5] = [
    "--std=c++17",
    "--device-as-default-execution-space",
    "--restrict",
    "--disable-warnings",
    "--ptxas-options=-v",
];

/// Machine code for one compute capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cubin {
    /// The code.
    pub bytes: Vec<u8>,
    /// The most registers that a kernel of it uses a thread.
    pub registers: usize,
    /// Bytes that its kernels keep in memory for want of registers.
    pub spilled: usize,
}

impl Cubin {
    /// Code with what the compiler said of it.
    fn new(bytes: Vec<u8>, log: &str) -> Self {
        let numbers = |before: &str, after: &str| -> Vec<usize> {
            let lines = log
                .lines()
                .filter_map(|line| line.split_once(after)?.0.rsplit_once(before));
            lines.filter_map(|(_, number)| number.trim().parse().ok()).collect()
        };
        Self {
            bytes,
            registers: numbers("Used ", " registers").into_iter().max().unwrap_or(0),
            spilled: numbers(", ", " bytes spill stores").into_iter().sum(),
        }
    }
}

/// Whether NVRTC is there.
#[must_use]
pub fn is_present() -> bool {
    // SAFETY: opens a library by name, whose initialisers are NVIDIA's own.
    unsafe { sys::is_culib_present() }
}

/// The version of NVRTC, major and minor; none if it is not there.
#[must_use]
pub fn version() -> Option<(i32, i32)> {
    let (mut major, mut minor): (c_int, c_int) = (0, 0);
    // SAFETY: the library is there, and writes two numbers.
    let answer = is_present().then(|| unsafe { sys::nvrtcVersion(&mut major, &mut minor) })?;
    (answer == sys::nvrtcResult::NVRTC_SUCCESS).then_some((major, minor))
}

/// Compiles a program for cards of a compute capability such as (9, 0).
///
/// Machine code and not PTX: a driver may be older than NVRTC, and would not read its PTX.
///
/// # Errors
/// [`CudaError::Unavailable`] without NVRTC, and [`CudaError::Compilation`].
pub fn compile(program: &Program, capability: (i32, i32)) -> Result<Cubin, CudaError> {
    if !is_present() {
        return Err(CudaError::Unavailable {
            reason: "libnvrtc, the run-time compiler, was not found".to_string(),
        });
    }
    let target = format!("sm_{}{}", capability.0, capability.1);
    let failed = |reason: String| CudaError::Compilation {
        target: target.clone(),
        reason,
    };
    let text = CString::new(program.text()).map_err(|error| failed(error.to_string()))?;
    let handle = result::create_program(&text, Some(c"ffjord.cu")).map_err(|error| failed(error.to_string()))?;
    let compiled = compile_handle(handle, &target);
    // SAFETY: the program was created above and is not used again.
    let destroyed = unsafe { result::destroy_program(handle) };
    let cubin = compiled.map_err(failed)?;
    destroyed.map_err(|error| failed(error.to_string()))?;
    Ok(cubin)
}

fn compile_handle(handle: sys::nvrtcProgram, target: &str) -> Result<Cubin, String> {
    let mut options: Vec<String> = OPTIONS.map(String::from).to_vec();
    options.push(format!("--gpu-architecture={target}"));
    // SAFETY: the program exists; the options outlive the call.
    if let Err(error) = unsafe { result::compile_program(handle, &options) } {
        return Err(format!("{error}: {}", log_of(handle)));
    }
    let mut size = 0;
    // SAFETY: the program is compiled; one number is written.
    unsafe { sys::nvrtcGetCUBINSize(handle, &mut size) }
        .result()
        .map_err(|error| error.to_string())?;
    let mut bytes = vec![0u8; size];
    // SAFETY: as many bytes as the call before said are written.
    unsafe { sys::nvrtcGetCUBIN(handle, bytes.as_mut_ptr().cast::<c_char>()) }
        .result()
        .map_err(|error| error.to_string())?;
    Ok(Cubin::new(bytes, &log_of(handle)))
}

/// What the compiler had to say.
fn log_of(handle: sys::nvrtcProgram) -> String {
    // SAFETY: the program exists.
    let Ok(log) = (unsafe { result::get_program_log(handle) }) else {
        return "no log".to_string();
    };
    let bytes: Vec<u8> = log.iter().map(|&character| character.cast_unsigned()).collect();
    CStr::from_bytes_until_nul(&bytes).map_or_else(|_| String::new(), |log| log.to_string_lossy().trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_compiler_says_of_registers_is_read() {
        let log = "ptxas info    : Function properties for reverse\n\
                   ptxas         .     24 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads\n\
                   ptxas info    : Used 104 registers, used 1 barriers, 24 bytes cumulative stack size\n\
                   ptxas info    : Used 30 registers, used 0 barriers\n";
        let cubin = Cubin::new(Vec::new(), log);
        assert_eq!((cubin.registers, cubin.spilled), (104, 8));
    }
}
