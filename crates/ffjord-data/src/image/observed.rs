//! The sets that variational autoencoders are compared on, with the splits of the Sylvester and FFJORD papers' code.

use super::{ImageError, ImageSplits, Images, members::Member};
use crate::DataError;
use crate::matlab::{self, MatArray};
use crate::numpy::LegacyGenerator;
use crate::pickle::{Node, Pickle};
use flate2::read::MultiGzDecoder;
use std::io::Read;
use std::path::Path;

const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;
/// More than the largest text of binary digits has bytes.
const MAX_TEXT: u64 = 1 << 28;
/// Frey Faces for training and for validation.
const FREY: (usize, usize) = (1_565, 200);
const FREY_SHAPE: [usize; 3] = [1, 28, 20];
/// The characters of Omniglot for validation, and the seed that those and the ones for testing are made binary with.
const OMNIGLOT_VALIDATION: usize = 1_345;
const OMNIGLOT_SEED: u32 = 777;

/// Binary digits of 28 × 28 pixels: a text for each split, an image a line.
pub(super) fn binarized_mnist([train, validation, test]: [&Member; 3]) -> Result<ImageSplits, DataError> {
    Ok(ImageSplits {
        train: binary_text(train)?,
        validation: binary_text(validation)?,
        test: binary_text(test)?,
    })
}

fn binary_text((name, bytes): &Member) -> Result<Images, DataError> {
    let fail = |reason: String| ImageError::file(Path::new(name))(reason);
    let mut plain = Vec::new();
    let text = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut reader = MultiGzDecoder::new(bytes.as_slice()).take(MAX_TEXT + 1);
        let read = reader.read_to_end(&mut plain);
        read.map_err(|error| fail(format!("its compression is damaged: {error}")))?;
        plain.as_slice()
    } else {
        bytes
    };
    if text.len() as u64 > MAX_TEXT {
        return Err(fail("it is larger than 256 MiB, which no text of this set is".to_owned()).into());
    }
    let mut pixels = Vec::with_capacity(text.len() / 2);
    for (line, digits) in text.split(|byte| *byte == b'\n').enumerate() {
        let before = pixels.len();
        for digit in digits.split(u8::is_ascii_whitespace).filter(|digit| !digit.is_empty()) {
            pixels.push(match digit {
                b"0" => 0,
                b"1" => 1,
                other => {
                    let given = String::from_utf8_lossy(&other[..other.len().min(20)]).into_owned();
                    return Err(fail(format!("line {} has `{given}`, where pixels are 0 or 1", line + 1)).into());
                }
            });
        }
        let count = pixels.len() - before;
        if count != 0 && count != PIXELS {
            return Err(fail(format!(
                "line {} has {count} pixels, where an image has {PIXELS}",
                line + 1
            ))
            .into());
        }
    }
    Images::new([1, SIDE, SIDE], 2, pixels)
}

/// Silhouettes, 1 where the published arrays have 0.
pub(super) fn caltech101_silhouettes((name, bytes): &Member) -> Result<ImageSplits, DataError> {
    let path = Path::new(name);
    let images = |array: &str| -> Result<Images, DataError> {
        let found = matlab::array(bytes, array).map_err(ImageError::file(path))?;
        let fail = || {
            let reason = format!("its array `{array}` is none of 0 and 1 with an image of {PIXELS} pixels a row");
            ImageError::file(path)(reason)
        };
        let &[rows, PIXELS] = found.axes.as_slice() else {
            return Err(fail().into());
        };
        let levels = found.numbers.into_bytes().ok_or_else(fail)?;
        let mut pixels = Vec::with_capacity(levels.len());
        for row in 0..rows {
            for pixel in 0..PIXELS {
                let level = levels[transposed(pixel) * rows + row];
                pixels.push(1u8.checked_sub(level).ok_or_else(fail)?);
            }
        }
        Images::new([1, SIDE, SIDE], 2, pixels)
    };
    Ok(ImageSplits {
        train: images("train_data")?,
        validation: images("val_data")?,
        test: images("test_data")?,
    })
}

/// The place of a pixel in an image that is stored column by column.
fn transposed(pixel: usize) -> usize {
    pixel % SIDE * SIDE + pixel / SIDE
}

/// Characters: grey ones for training; those for validation, the last after a shuffle with this seed, and for testing are
/// made binary once.
pub(super) fn omniglot((name, bytes): &Member, seed: u32) -> Result<ImageSplits, DataError> {
    let path = Path::new(name);
    let grey = |array: &str| -> Result<Vec<f32>, DataError> {
        let MatArray { axes, numbers } = matlab::array(bytes, array).map_err(ImageError::file(path))?;
        let numbers = numbers.into_doubles();
        if axes.len() != 2 || axes[0] != PIXELS || !numbers.iter().all(|grey| (0.0..=1.0).contains(grey)) {
            let reason = format!("its array `{array}` is none of {PIXELS} grey pixels from 0 to 1 a column");
            return Err(ImageError::file(path)(reason).into());
        }
        let images = numbers.chunks_exact(PIXELS);
        Ok(images
            .flat_map(|image| (0..PIXELS).map(|pixel| image[transposed(pixel)] as f32))
            .collect())
    };
    let (train, test) = (grey("data")?, grey("testdata")?);
    let mut order: Vec<usize> = (0..train.len() / PIXELS).collect();
    LegacyGenerator::new(seed).shuffle(&mut order);
    let validation = order.split_off(order.len().saturating_sub(OMNIGLOT_VALIDATION));
    let of = |order: &[usize]| -> Vec<f32> {
        let images = order.iter().map(|image| &train[image * PIXELS..][..PIXELS]);
        images.flatten().copied().collect()
    };
    let mut generator = LegacyGenerator::new(OMNIGLOT_SEED);
    let mut binary = |grey: &[f32]| {
        let pixels = grey.iter().map(|grey| u8::from(generator.bernoulli(f64::from(*grey))));
        Images::new([1, SIDE, SIDE], 2, pixels.collect())
    };
    let levels = of(&order).iter().map(|grey| (grey * 255.0).round() as u8).collect();
    // In this order, as the generator goes on from one to the other.
    Ok(ImageSplits {
        validation: binary(&of(&validation))?,
        test: binary(&test)?,
        train: Images::new([1, SIDE, SIDE], 256, levels)?,
    })
}

/// Faces with 256 levels in the order of a shuffle with this seed, from the pickle or the MATLAB file.
pub(super) fn frey_faces((name, bytes): &Member, seed: u32) -> Result<ImageSplits, DataError> {
    let path = Path::new(name);
    let numbers: usize = FREY_SHAPE.iter().product();
    let pixels = match bytes.starts_with(b"MATLAB") {
        true => {
            let found = matlab::array(bytes, "ff").map_err(ImageError::file(path))?;
            let pixels = found
                .numbers
                .into_bytes()
                .filter(|_| found.axes.first() == Some(&numbers));
            pixels
                .ok_or_else(|| ImageError::file(path)(format!("its array `ff` is none of {numbers} levels a column")))?
        }
        false => pickled(bytes, numbers).map_err(ImageError::file(path))?,
    };
    let mut faces: Vec<&[u8]> = pixels.chunks_exact(numbers).collect();
    LegacyGenerator::new(seed).shuffle(&mut faces);
    let shuffled = Images::new(FREY_SHAPE, 256, faces.concat())?;
    let train = FREY.0.min(shuffled.len());
    let validation = (train + FREY.1).min(shuffled.len());
    Ok(ImageSplits {
        train: shuffled.slice(0..train)?,
        validation: shuffled.slice(train..validation)?,
        test: shuffled.slice(validation..shuffled.len())?,
    })
}

/// The bytes of a pickled list whose first element is a numpy array `[N, numbers]` of bytes.
fn pickled(mut bytes: &[u8], numbers: usize) -> Result<Vec<u8>, String> {
    let pickle = Pickle::read(&mut bytes)?;
    let other = || format!("it is no pickle of a list whose first element is a numpy array of {numbers} bytes a row");
    let list = pickle.elements(pickle.root()).ok_or_else(other)?;
    let Some(Node::Call { state: Some(state), .. }) = list.first() else {
        return Err(other());
    };
    // Version, shape, type, whether columns come first, content.
    let state = pickle.elements(pickle.node(*state)).ok_or_else(other)?;
    let &[_, shape, kind, Node::Bool(false), content] = state.as_slice() else {
        return Err(other());
    };
    let Node::Call { arguments, .. } = kind else {
        return Err(other());
    };
    let kind = pickle.elements(pickle.node(*arguments)).ok_or_else(other)?;
    let is_byte = kind.first().and_then(|kind| kind.bytes()) == Some(b"u1");
    let content = content.bytes().ok_or_else(other)?;
    let shape = pickle.elements(shape).ok_or_else(other)?;
    let &[Node::Int(rows), Node::Int(columns)] = shape.as_slice() else {
        return Err(other());
    };
    let length = usize::try_from(*rows).ok().and_then(|rows| rows.checked_mul(numbers));
    if !is_byte || *columns != numbers as i64 || length != Some(content.len()) {
        return Err(other());
    }
    Ok(content.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matlab::written;

    fn member(bytes: Vec<u8>) -> Member {
        ("file".to_owned(), bytes)
    }

    #[test]
    fn texts_of_binary_digits_are_read_and_others_named() {
        let line = |last: &str| format!("{}{last}\r\n", "0 ".repeat(PIXELS - 1));
        let images = binary_text(&member((line("1") + &line("0")).into_bytes())).unwrap();
        assert_eq!(
            (images.len(), images.levels(), images.get(0).unwrap()[PIXELS - 1]),
            (2, 2, 1)
        );
        for (text, expected) in [
            (line("1") + "0 1\n", "line 2 has 2 pixels"),
            (line("1") + &line("0.5"), "line 2 has `0.5`"),
        ] {
            let error = binary_text(&member(text.into_bytes())).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(binary_text(&member(vec![0x1f, 0x8b, 8, 0, 1])).is_err());
    }

    #[test]
    fn silhouettes_are_turned_and_inverted() {
        // Two images in the rows of a matrix that is stored by columns; the second pixel of the first image is 0.
        let mut pixels = vec![1u8; 2 * PIXELS];
        pixels[2] = 0;
        let arrays = ["train_data", "val_data", "test_data"];
        let arrays = arrays.map(|name| (name, &[2, PIXELS as u32][..], 2, pixels.clone()));
        let splits = caltech101_silhouettes(&member(written::file(&arrays, true))).unwrap();
        let image = splits.test.get(0).unwrap();
        assert_eq!(image.iter().position(|pixel| *pixel == 1), Some(SIDE));
        assert!(splits.validation.get(1).unwrap().iter().all(|pixel| *pixel == 0));
        let damaged = arrays.map(|(name, axes, kind, mut pixels)| {
            pixels[5] = 2;
            (name, axes, kind, pixels)
        });
        assert!(caltech101_silhouettes(&member(written::file(&damaged, true))).is_err());
    }

    #[test]
    fn characters_are_turned_shuffled_and_made_binary_once() {
        let count = OMNIGLOT_VALIDATION + 3;
        let mut grey = vec![0.0f64; count * PIXELS];
        for (image, pixels) in grey.chunks_exact_mut(PIXELS).enumerate() {
            // The second pixel as stored is the first of the second row; 0.2 is level 51 of 255.
            pixels[1] = [0.2, 0.6, 1.0][image % 3];
        }
        let bytes: Vec<u8> = grey.iter().flat_map(|number| number.to_le_bytes()).collect();
        let axes = [PIXELS as u32, count as u32];
        let file = written::file(
            &[("data", &axes, 9, bytes.clone()), ("testdata", &axes, 9, bytes)],
            false,
        );
        let splits = omniglot(&member(file.clone()), 1).unwrap();
        assert_eq!(
            (splits.train.len(), splits.validation.len(), splits.test.len()),
            (3, OMNIGLOT_VALIDATION, count)
        );
        assert_eq!((splits.train.levels(), splits.test.levels()), (256, 2));
        let ink = |images: &Images| -> usize {
            (0..images.len())
                .map(|image| usize::from(images.get(image).unwrap()[SIDE]))
                .sum()
        };
        // A third of the images each has ink with probability 0.2, 0.6 and 1.
        let expected = count as f64 * 0.6;
        assert!(
            (ink(&splits.test) as f64 - expected).abs() < 70.0,
            "{}",
            ink(&splits.test)
        );
        let again = omniglot(&member(file.clone()), 1).unwrap();
        assert_eq!(again.validation, splits.validation);
        assert_ne!(omniglot(&member(file), 2).unwrap().validation, splits.validation);
    }

    #[test]
    fn faces_come_from_either_file_in_one_order() {
        let pixels: Vec<u8> = (0..3 * 560).map(|pixel| (pixel / 560) as u8 + 1).collect();
        let mat = written::file(&[("ff", &[560, 3], 2, pixels.clone())], false);
        let escaped: String = pixels.iter().map(|pixel| format!("\\x{pixel:02x}")).collect();
        // As Python 2 pickles a list with an array in it.
        let pickle = format!(
            "(lp0\ncnumpy.core.multiarray\n_reconstruct\np1\n(cnumpy\nndarray\np2\n(I0\ntp3\nS'b'\np4\ntp5\nRp6\n(I1\n\
             (I3\nI560\ntp7\ncnumpy\ndtype\np8\n(S'u1'\np9\nI0\nI1\ntp10\nRp11\n(I3\nS'|'\np12\nNNNI-1\nI-1\nI0\ntp13\n\
             bI00\nS'{escaped}'\np14\ntp15\nba."
        );
        let of = |bytes: &[u8], seed| frey_faces(&member(bytes.to_vec()), seed).unwrap().train;
        assert_eq!(of(&mat, 5), of(pickle.as_bytes(), 5));
        assert_eq!(of(&mat, 5).shape(), FREY_SHAPE);
        let differ = (0..20).any(|seed| of(&mat, seed) != of(&mat, 5));
        assert!(differ);
        for wrong in [
            pickle.replace("I560", "I561"),
            pickle.replace("u1", "f4"),
            pickle.replace("I00\nS", "I01\nS"),
        ] {
            assert!(frey_faces(&member(wrong.into_bytes()), 5).is_err());
        }
    }
}
