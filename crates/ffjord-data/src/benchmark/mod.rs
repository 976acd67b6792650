//! The tabular benchmarks of Papamakarios, Pavlakou and Murray (2017): POWER, GAS, HEPMASS, MINIBOONE and BSDS300.
//!
//! Each is read from its publisher's files or from those of the preprocessed archive, by the rules of the released
//! loaders, and comes out as the published split. [`store`] keeps prepared data in a cache,
//! [`manifest`](crate::manifest) says what they must show.

mod bsds300;
mod error;
mod gas;
mod hepmass;
mod lines;
mod locate;
mod miniboone;
mod rows;
pub mod store;
mod unpack;

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

pub use self::error::BenchmarkError;
use crate::{DataError, Dataset, Prepared, Splits, manifest::Manifest, power::PowerDataset};

/// A tabular benchmark.
///
/// ```
/// use ffjord_data::Benchmark;
///
/// let gas: Benchmark = "gas".parse()?;
/// let manifest = gas.manifest()?;
/// assert_eq!((manifest.prepared.train_rows, manifest.prepared.dimension), (852_174, 8));
/// let missing = gas.prepare("no/such/folder").unwrap_err();
/// assert!(missing.to_string().contains("ethylene_CO"));
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Benchmark {
    /// A household's electric power consumption, `D = 6`; see [`power`](crate::power).
    Power,
    /// Gas sensors in mixtures of ethylene and carbon monoxide, `D = 8`.
    Gas,
    /// Simulated particle collisions, `D = 21`.
    Hepmass,
    /// Particle identification in a neutrino experiment, `D = 43`.
    Miniboone,
    /// MINIBOONE with the first training rows only: test results are not those of the published setting.
    MinibooneReduced,
    /// Patches of natural images, `D = 63`.
    Bsds300,
}

impl Benchmark {
    /// All benchmarks, in the order of the paper's table.
    pub const ALL: [Self; 6] = [
        Self::Power,
        Self::Gas,
        Self::Hepmass,
        Self::Miniboone,
        Self::MinibooneReduced,
        Self::Bsds300,
    ];

    /// Its name on command lines and in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Gas => "gas",
            Self::Hepmass => "hepmass",
            Self::Miniboone => "miniboone",
            Self::MinibooneReduced => "miniboone-reduced",
            Self::Bsds300 => "bsds300",
        }
    }

    /// What is known about it: origin, licence, files, and what its prepared rows must show.
    ///
    /// # Errors
    /// [`DataError::Manifest`] if the program was built with a damaged manifest.
    pub fn manifest(self) -> Result<Manifest, DataError> {
        Ok(Manifest::from_json(match self {
            Self::Power => include_str!("../../datasets/power/manifest.json"),
            Self::Gas => include_str!("../../datasets/gas/manifest.json"),
            Self::Hepmass => include_str!("../../datasets/hepmass/manifest.json"),
            Self::Miniboone => include_str!("../../datasets/miniboone/manifest.json"),
            Self::MinibooneReduced => include_str!("../../datasets/miniboone-reduced/manifest.json"),
            Self::Bsds300 => include_str!("../../datasets/bsds300/manifest.json"),
        })?)
    }

    /// Prepares the splits, standardised by the published rules, from `path`: an original file, a folder that holds
    /// the original's files as they are published or as the preprocessed archive has them, or a folder that
    /// [`store::save`] wrote.
    ///
    /// Other rows than the published ones are treated alike; [`PreparedRecord::check`] tells them apart.
    ///
    /// # Errors
    /// [`BenchmarkError`] and the errors of the formats, with the file and the place.
    ///
    /// [`PreparedRecord::check`]: crate::manifest::PreparedRecord::check
    pub fn prepare(self, path: impl AsRef<Path>) -> Result<Prepared, DataError> {
        let path = path.as_ref();
        if store::is_prepared(path) {
            return store::load(path, self);
        }
        let file = locate::file(self, path)?;
        match self {
            Self::Power => PowerDataset::open(file).prepare(),
            Self::Gas => gas::prepare(&file),
            Self::Hepmass => hepmass::prepare(&file, &hepmass_test(&file)?),
            Self::Miniboone => miniboone::prepare(&file),
            Self::MinibooneReduced => miniboone::prepare_reduced(parent(&file)),
            Self::Bsds300 => bsds300::prepare(&file),
        }
    }

    /// The benchmark's data at `path`, as a dataset; nothing is read yet.
    ///
    /// # Errors
    /// As [`manifest`](Self::manifest).
    pub fn open(self, path: impl Into<PathBuf>) -> Result<BenchmarkDataset, DataError> {
        Ok(BenchmarkDataset {
            benchmark: self,
            manifest: self.manifest()?,
            path: path.into(),
        })
    }

    /// The names that the original's first file goes by; any may also be gzip-compressed.
    fn file_names(self) -> &'static [&'static str] {
        match self {
            Self::Power => &["household_power_consumption.txt", "power.bin", "data.npy"],
            Self::Gas => &[
                "ethylene_CO.csv",
                "ethylene_CO.npy",
                "ethylene_CO.txt",
                "ethylene_CO.pickle",
            ],
            Self::Hepmass => &["1000_train.csv"],
            Self::Miniboone => &["MiniBooNE_PID.txt", "data.npy"],
            Self::MinibooneReduced => &["train_head.npy"],
            Self::Bsds300 => &["BSDS300.hdf5"],
        }
    }

    /// The names of files that must lie beside the first one.
    fn companions(self) -> &'static [&'static str] {
        match self {
            Self::Hepmass => &["1000_test.csv"],
            Self::MinibooneReduced => &["val.npy", "test.npy"],
            _ => &[],
        }
    }

    /// What is accepted, in words.
    fn accepted(self) -> &'static str {
        match self {
            Self::Power => "household_power_consumption.txt, power.bin, or the preprocessed archive's power/data.npy",
            Self::Gas => "ethylene_CO.txt, or the preprocessed archive's frame as ethylene_CO.csv or ethylene_CO.npy",
            Self::Hepmass => "1000_train.csv with 1000_test.csv beside it",
            Self::Miniboone => "MiniBooNE_PID.txt, or the preprocessed archive's miniboone/data.npy",
            Self::MinibooneReduced => "a folder with train_head.npy, val.npy and test.npy",
            Self::Bsds300 => "BSDS300.hdf5",
        }
    }

    /// The folder of the preprocessed archive that holds its files.
    fn archive_folder(self) -> &'static str {
        match self {
            Self::Bsds300 => "BSDS300",
            other => other.name(),
        }
    }
}

impl FromStr for Benchmark {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        let found = Self::ALL.into_iter().find(|benchmark| benchmark.name() == name);
        found.ok_or_else(|| BenchmarkError::Unknown { given: name.to_owned() }.into())
    }
}

/// The names of all benchmarks, for error texts.
fn names() -> String {
    Benchmark::ALL.map(Benchmark::name).join(", ")
}

fn parent(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}

/// The test file that lies beside the training file.
fn hepmass_test(train: &Path) -> Result<PathBuf, DataError> {
    ["1000_test.csv", "1000_test.csv.gz"]
        .map(|name| parent(train).join(name))
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| locate::not_found(Benchmark::Hepmass, parent(train)))
}

/// A benchmark with its data somewhere.
///
/// ```
/// use ffjord_data::{Benchmark, Dataset};
/// // Nothing is read before it is loaded.
/// let gas = Benchmark::Gas.open("no/such/folder")?;
/// assert_eq!((gas.name(), gas.dimension(), gas.licence()), ("gas", 8, "CC BY 4.0"));
/// assert!(gas.citation().contains("Fonollosa"));
/// assert!(gas.load().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct BenchmarkDataset {
    benchmark: Benchmark,
    manifest: Manifest,
    path: PathBuf,
}

impl Dataset for BenchmarkDataset {
    fn name(&self) -> &str {
        self.benchmark.name()
    }

    fn citation(&self) -> &str {
        &self.manifest.citation
    }

    fn licence(&self) -> &str {
        &self.manifest.licence.name
    }

    fn dimension(&self) -> usize {
        self.manifest.prepared.dimension as usize
    }

    /// The published splits; other rows are an error.
    fn load(&self) -> Result<Splits, DataError> {
        let splits = self.benchmark.prepare(&self.path)?.splits;
        self.manifest.prepared.check(self.name(), &splits)?;
        Ok(splits)
    }
}
