//! Lists the files under `presets/`, so that a new one needs no line of code.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=presets");
    let presets = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("presets");
    let mut list = String::from("&[\n");
    for folder in ["datasets", "images", "parts", "vae", "vae-variants", "variants"] {
        let mut files: Vec<PathBuf> = fs::read_dir(presets.join(folder))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        for file in files {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            writeln!(list, "    ({:?}, include_str!({file:?})),", format!("{folder}/{name}"))?;
        }
    }
    list.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("presets.rs"), list)?;
    Ok(())
}
