//! TensorFlow's records: length, its checksum, contents, their checksum (tensorflow/core/lib/io/record_writer.h).

/// Length and its checksum.
const HEAD: usize = 12;
const CHECKSUM: usize = 4;

/// The record of these contents.
pub(super) fn framed(contents: &[u8]) -> Vec<u8> {
    let length = (contents.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(HEAD + contents.len() + CHECKSUM);
    record.extend_from_slice(&length);
    record.extend_from_slice(&checksum(&length));
    record.extend_from_slice(contents);
    record.extend_from_slice(&checksum(contents));
    record
}

/// The records of a file whose contents are wanted; the file ends where one is damaged or cut off.
pub(super) fn kept(file: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let (mut kept, mut rest) = (Vec::with_capacity(file.len()), file);
    while let Some(length) = length_of(rest) {
        let (record, after) = rest.split_at(length);
        let (contents, sum) = record[HEAD..].split_at(length - HEAD - CHECKSUM);
        if sum != checksum(contents) {
            break;
        }
        if wanted(contents) {
            kept.extend_from_slice(record);
        }
        rest = after;
    }
    kept
}

/// The length of the whole record that a file goes on with.
fn length_of(file: &[u8]) -> Option<usize> {
    let (length, sum) = file.get(..HEAD)?.split_at(8);
    if sum != checksum(length) {
        return None;
    }
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let whole = length.checked_add(HEAD + CHECKSUM)?;
    (whole <= file.len()).then_some(whole)
}

/// CRC-32C, masked as the format wants it.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let sum = crc32c::crc32c(bytes);
    sum.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}
