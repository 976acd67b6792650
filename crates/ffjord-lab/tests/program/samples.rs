//! Small tables in every form.

use std::io::Write;

/// Three columns of numbers without a pattern, c near a.
pub fn numbers(rows: usize) -> Vec<[f64; 3]> {
    let noise = |row: usize, column: usize| {
        let x = ((row * 3 + column + 1) as f64 * 12.9898).sin() * 43758.5453;
        ((x - x.round()) * 4e6).round() / 1e6
    };
    let row = |row| {
        [
            noise(row, 0),
            noise(row, 1),
            ((noise(row, 0) + 0.5 * noise(row, 2)) * 1e6).round() / 1e6,
        ]
    };
    (0..rows).map(row).collect()
}

/// Text of rows with a header, a separator and whatever a row is written as.
pub fn text(header: &str, write: impl Fn(usize, [f64; 3]) -> String) -> String {
    let rows = numbers(200)
        .into_iter()
        .enumerate()
        .map(|(row, values)| write(row, values));
    format!("{header}\n{}\n", rows.collect::<Vec<_>>().join("\n"))
}

pub fn plain(_: usize, [a, b, c]: [f64; 3]) -> String {
    format!("{a:?},{b:?},{c:?}")
}

pub fn npy(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n");
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend(bytes);
    npy
}

pub fn doubles(rows: &[[f64; 3]]) -> Vec<u8> {
    let bytes: Vec<u8> = rows
        .as_flattened()
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    npy("'<f8'", &format!("({}, 3)", rows.len()), &bytes)
}

pub fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        writer
            .start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
