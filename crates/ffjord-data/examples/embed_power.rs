//! Packs the original text of POWER into the file that the feature `power` compiles in, and writes its manifest.

use std::{error::Error, path::PathBuf};

use ffjord_data::power;
use ffjord_files::write_atomic;

const FILE_NAME: &str = "power.bin";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(original), Some(folder), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: embed_power household_power_consumption.txt[.gz] FOLDER".into());
    };
    let measurements = power::read_raw(&original)?;
    let packed = power::encode(&measurements)?;
    let manifest = power::describe(&measurements, FILE_NAME, &packed)?.to_json()?;
    write_atomic(folder.join(FILE_NAME), &packed)?;
    write_atomic(folder.join("manifest.json"), manifest)?;
    println!(
        "{} rows, {} bytes in {}",
        measurements.len(),
        packed.len(),
        folder.join(FILE_NAME).display()
    );
    Ok(())
}
