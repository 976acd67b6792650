//! What of CUDA is there, what does not fit together, and what to install.

use crate::gpu::{Gpu, has_driver};
use crate::nvrtc;
use cudarc::driver::CudaContext;
use serde::Serialize;
use std::fmt;
use std::process::Command;

/// The oldest compute capability that kernels are compiled for.
const OLDEST: (i32, i32) = (7, 0);

/// What was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked for.
    pub what: &'static str,
    /// What was found, or that nothing was.
    pub found: String,
    /// What to do about it; none if all is well, or it is not needed.
    pub remedy: Option<String>,
}

/// Everything that solves on a card need, and what a build with candle's own CUDA kernels needs beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// One line each.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// Looks for driver, cards, NVRTC and nvcc.
    ///
    /// ```
    /// let diagnosis = ffjord_cuda::Diagnosis::make();
    /// println!("{diagnosis}");
    /// assert_eq!(diagnosis.findings[0].what, "driver");
    /// ```
    #[must_use]
    pub fn make() -> Self {
        let mut findings = vec![driver()];
        if has_driver() {
            findings.extend(cards());
        }
        findings.push(compiler());
        findings.push(toolkit());
        Self { findings }
    }

    /// Whether solves on a card are possible.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.findings.iter().all(|finding| finding.remedy.is_none())
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(formatter, "{:<10} {}", finding.what, finding.found)?;
            if let Some(remedy) = &finding.remedy {
                writeln!(formatter, "{:<10} → {remedy}", "")?;
            }
        }
        match self.is_well() {
            true => formatter.write_str("solves on a card are possible: --device cuda"),
            false => formatter.write_str("solves on a card are not possible yet; --device cpu needs none of this"),
        }
    }
}

fn finding(what: &'static str, found: impl Into<String>, remedy: Option<String>) -> Finding {
    Finding {
        what,
        found: found.into(),
        remedy,
    }
}

fn driver() -> Finding {
    if !has_driver() {
        let remedy = "install NVIDIA's driver for the card (the package of your distribution, 525 or newer)";
        return finding("driver", "libcuda was not found", Some(remedy.to_string()));
    }
    let mut version = 0;
    // SAFETY: the driver is there and writes one number.
    let answer = unsafe { cudarc::driver::sys::cuDriverGetVersion(&mut version) };
    match answer.result() {
        Ok(()) => finding(
            "driver",
            format!("supports CUDA {}.{}", version / 1000, version % 1000 / 10),
            None,
        ),
        Err(error) => finding(
            "driver",
            format!("does not answer: {error}"),
            Some("reboot after an update of the driver, or install it again".to_string()),
        ),
    }
}

fn cards() -> Vec<Finding> {
    let count = match CudaContext::device_count() {
        Ok(count) if count > 0 => count,
        Ok(_) => {
            let remedy = "see whether nvidia-smi lists a card, and whether a container was started with it";
            return vec![finding("card", "none", Some(remedy.to_string()))];
        }
        Err(error) => {
            let remedy = "see whether nvidia-smi works; a driver and its kernel module must be of one version";
            return vec![finding("card", error.to_string(), Some(remedy.to_string()))];
        }
    };
    let cards = 0..usize::try_from(count).unwrap_or(0);
    cards.map(card).collect()
}

fn card(ordinal: usize) -> Finding {
    if !nvrtc::is_present() {
        return finding("card", format!("cuda:{ordinal}"), None);
    }
    match Gpu::new(ordinal).and_then(|gpu| Ok((gpu.name()?, gpu.capability()))) {
        Ok((name, (major, minor))) => {
            let old = (major, minor) < OLDEST;
            let remedy = old.then(|| format!("kernels need capability {}.{} or newer", OLDEST.0, OLDEST.1));
            finding(
                "card",
                format!("cuda:{ordinal} is {name}, capability {major}.{minor}"),
                remedy,
            )
        }
        Err(error) => finding("card", format!("cuda:{ordinal}: {error}"), Some(error.to_string())),
    }
}

fn compiler() -> Finding {
    match nvrtc::version() {
        Some((major, minor)) => finding("NVRTC", format!("version {major}.{minor}"), None),
        None => finding(
            "NVRTC",
            "libnvrtc was not found",
            Some(
                "install CUDA's run-time compiler (package cuda-nvrtc, or the Python package nvidia-cuda-nvrtc with its lib \
                 folder among the paths of the loader); no other part of the toolkit is needed"
                    .to_string(),
            ),
        ),
    }
}

/// nvcc is needed by candle's own kernels alone, so that its absence is no fault.
fn toolkit() -> Finding {
    let answer = Command::new("nvcc").arg("--version").output();
    let found = match answer {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            let release = text.lines().find(|line| line.contains("release"));
            release.unwrap_or("of an unknown version").trim().to_string()
        }
        _ => "not found, and not needed: kernels are compiled by NVRTC".to_string(),
    };
    finding("nvcc", found, None)
}
