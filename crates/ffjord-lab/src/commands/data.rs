//! `data`: tabular benchmarks and images, from their publishers to the cache.

use super::image_sets;
use crate::error::{LabError, Result};
use crate::terminal::say;
use crate::workspace::default_cache;
use clap::{Args, Subcommand};
use ffjord_data::benchmark::store;
use ffjord_data::fetch::{Fetcher, Progress};
use ffjord_data::manifest::{Manifest, Original};
use ffjord_data::power::PowerDataset;
use ffjord_data::{Benchmark, ImageSet};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `data`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// The folder for downloads and prepared data (default: the workspace's datasets/cache)
    #[arg(long, value_name = "DIR", global = true)]
    cache: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the datasets and says which are here
    List,
    /// Says where a dataset comes from, its licence, and what its splits must be
    Info {
        /// The dataset
        name: String,
    },
    /// Downloads a dataset's original, continuing where it broke off, and prepares it
    Fetch {
        /// The dataset
        name: String,
    },
    /// Prepares a dataset from files that are here: an original file, a folder, or an archive of them
    Import {
        /// The dataset
        name: String,
        /// The file or folder
        #[arg(long, value_name = "PATH")]
        from: PathBuf,
        /// What the rows are if they are not the published split, for example "own draw"; results carry it
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
    },
    /// Checks that prepared data are undamaged and are the published split
    Verify {
        /// The dataset
        name: String,
    },
}

/// Runs the command.
///
/// # Errors
/// When a name is not known, a file cannot be fetched, read or written, or is not what it should be.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let cache = arguments.cache.clone().unwrap_or_else(default_cache);
    match &arguments.action {
        Action::List => list(&cache),
        Action::Info { name } => match dataset(name)? {
            Named::Table(benchmark) => info(&benchmark.manifest()?, state(benchmark, &cache), "rows", "columns"),
            Named::Images(set) => info(&set.manifest()?, image_sets::state(set, &cache), "images", "numbers"),
        },
        Action::Fetch { name } => match dataset(name)? {
            Named::Table(benchmark) => fetch(benchmark, &cache),
            Named::Images(set) => image_sets::fetch(set, &cache),
        },
        Action::Import { name, from, label } => match (dataset(name)?, label) {
            (Named::Table(benchmark), label) => import(benchmark, from, &cache, label.as_deref()),
            (Named::Images(set), label) => image_sets::import(set, from, &cache, label.as_deref()),
        },
        Action::Verify { name } => match dataset(name)? {
            Named::Table(benchmark) => verify(benchmark, &cache),
            Named::Images(set) => image_sets::verify(set, &cache),
        },
    }?;
    Ok(ExitCode::SUCCESS)
}

/// What a name stands for.
enum Named {
    Table(Benchmark),
    Images(ImageSet),
}

fn dataset(name: &str) -> Result<Named> {
    if let Ok(set) = name.parse() {
        return Ok(Named::Images(set));
    }
    name.parse().map(Named::Table).map_err(|_| LabError::UnknownDataset {
        given: name.to_string(),
        tables: Benchmark::ALL.map(Benchmark::name).join(", "),
        images: ImageSet::ALL.map(ImageSet::name).join(", "),
    })
}

fn list(cache: &Path) -> Result<()> {
    for benchmark in Benchmark::ALL {
        let Manifest { title, prepared, .. } = benchmark.manifest()?;
        say!(
            "{:<18} {:>7} / {:>6} / {:>6} × {:<2}  {:<12} {title}",
            benchmark.name(),
            prepared.train_rows,
            prepared.validation_rows,
            prepared.test_rows,
            prepared.dimension,
            state(benchmark, cache),
        );
    }
    for set in ImageSet::ALL {
        image_sets::line(set, cache)?;
    }
    say!("cache: {}", cache.display());
    Ok(())
}

fn state(benchmark: Benchmark, cache: &Path) -> &'static str {
    match benchmark {
        Benchmark::Power => "built in",
        _ if store::is_prepared(&cache.join(benchmark.name())) => "in the cache",
        _ => "not here",
    }
}

fn info(manifest: &Manifest, state: &str, rows: &str, columns: &str) -> Result<()> {
    say!("{}: {}", manifest.name, manifest.title);
    say!("state:      {state}");
    say!(
        "splits:     {} train, {} validation, {} test {rows} of {} {columns}",
        manifest.prepared.train_rows,
        manifest.prepared.validation_rows,
        manifest.prepared.test_rows,
        manifest.prepared.dimension
    );
    say!("prepared:   {}", manifest.changes);
    say!("citation:   {}", manifest.citation);
    say!("licence:    {} ({})", manifest.licence.name, manifest.licence.url);
    for original in &manifest.originals {
        say!("original:   {}, {}", original.title, original.page);
        for file in &original.files {
            let checksum = file.sha256.as_ref().map(|sum| format!(", SHA-256 {sum}"));
            let published = file.md5.as_ref().map(|sum| format!(", MD5 {sum}"));
            let bytes = file.bytes.map(|bytes| format!(", {bytes} bytes"));
            let known = [bytes, checksum, published].into_iter().flatten().collect::<String>();
            say!("  {}{known}", file.name);
            file.urls.iter().for_each(|url| say!("    {url}"));
        }
    }
    Ok(())
}

/// Tries the originals in their order until one gives the published split.
fn fetch(benchmark: Benchmark, cache: &Path) -> Result<()> {
    if benchmark == Benchmark::Power {
        say!("power is part of the program: there is nothing to fetch");
        return Ok(());
    }
    let mut reasons = Vec::new();
    for original in benchmark.manifest()?.originals {
        let imported = download(&original, &cache.join("downloads"))
            .and_then(|downloaded| import(benchmark, &downloaded, cache, None));
        match imported {
            Ok(()) => return Ok(()),
            Err(error) => reasons.push(format!("{}: {error}", original.title)),
        }
    }
    Err(LabError::NoOriginal {
        name: benchmark.name(),
        reasons: reasons.join("; "),
    })
}

/// The file of an original, or the folder of several.
pub(super) fn download(original: &Original, folder: &Path) -> Result<PathBuf> {
    let fetcher = Fetcher::default();
    let mut place = folder.to_path_buf();
    for file in &original.files {
        let bar = ProgressBar::no_length();
        let style = "{msg} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(file.name.clone());
        let path = fetcher.fetch(file, &original.page, folder, &mut |progress: Progress<'_>| {
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
            bar.set_position(progress.received);
        })?;
        bar.finish_and_clear();
        if original.files.len() == 1 {
            place = path;
        }
    }
    Ok(place)
}

fn import(benchmark: Benchmark, from: &Path, cache: &Path, label: Option<&str>) -> Result<()> {
    let record = store::import(benchmark, from, cache, label)?;
    say!(
        "{}: prepared in {}",
        record.name,
        cache.join(benchmark.name()).display()
    );
    for file in record.originals {
        say!("from {}, {} bytes, SHA-256 {}", file.name, file.bytes, file.sha256);
    }
    Ok(())
}

fn verify(benchmark: Benchmark, cache: &Path) -> Result<()> {
    let folder = cache.join(benchmark.name());
    if benchmark == Benchmark::Power && !store::is_prepared(&folder) {
        let splits = PowerDataset::embedded().prepare()?.splits;
        let checked = benchmark.manifest()?.prepared.check(benchmark.name(), &splits);
        checked.map_err(ffjord_data::DataError::from)?;
        say!("power: the built-in data are the published split");
        return Ok(());
    }
    if !store::is_prepared(&folder) {
        // Answers with what to do.
        benchmark.prepare(&folder)?;
    }
    match store::verify(&folder, benchmark)?.label {
        Some(label) => say!("{}: undamaged, but not the published split: {label}", benchmark.name()),
        None => say!(
            "{}: undamaged, and the split that its manifest describes",
            benchmark.name()
        ),
    }
    Ok(())
}
