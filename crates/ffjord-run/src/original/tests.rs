//! Checkpoints as `torch.save` writes them, made here byte by byte.

use super::load_original;
use crate::error::Result;
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Density, Pass};
use ffjord_train::{Purpose, Streams};
use std::io::Write;
use std::path::Path;

/// A tensor: name, shape, strides, and the numbers of its storage.
#[derive(Clone)]
struct Stored(String, Vec<i64>, Vec<i64>, Vec<f32>);

/// A continuous block of one hidden layer of 3 on rows of 2, with weights that are all different.
fn block(prefix: &str) -> Vec<Stored> {
    let shapes: [(&str, &[i64]); 11] = [
        ("sqrt_end_time", &[]),
        ("odefunc.odefunc.diffeq.layers.0._layer.weight", &[3, 2]),
        ("odefunc.odefunc.diffeq.layers.0._layer.bias", &[3]),
        ("odefunc.odefunc.diffeq.layers.0._hyper_bias.weight", &[3, 1]),
        ("odefunc.odefunc.diffeq.layers.0._hyper_gate.weight", &[3, 1]),
        ("odefunc.odefunc.diffeq.layers.0._hyper_gate.bias", &[3]),
        ("odefunc.odefunc.diffeq.layers.1._layer.weight", &[2, 3]),
        ("odefunc.odefunc.diffeq.layers.1._layer.bias", &[2]),
        ("odefunc.odefunc.diffeq.layers.1._hyper_bias.weight", &[2, 1]),
        ("odefunc.odefunc.diffeq.layers.1._hyper_gate.weight", &[2, 1]),
        ("odefunc.odefunc.diffeq.layers.1._hyper_gate.bias", &[2]),
    ];
    let mut number = 0.3_f32;
    let mut next = || {
        number = (number * 1.7 + 0.11) % 1.0;
        number
    };
    let stored = shapes.into_iter().map(|(name, shape)| {
        let count: i64 = shape.iter().product();
        let strides = (0..shape.len())
            .map(|axis| shape[axis + 1..].iter().product())
            .collect();
        let values = (0..count).map(|_| next()).collect();
        Stored(format!("{prefix}chain.0.{name}"), shape.to_vec(), strides, values)
    });
    stored.collect()
}

/// The same tensor with its first two axes the other way round in memory.
fn transposed(tensor: &Stored) -> Stored {
    let Stored(name, shape, _, values) = tensor.clone();
    let (rows, columns) = (shape[0] as usize, shape[1] as usize);
    let turned = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    let turned = turned.map(|index| values[index]).collect();
    Stored(name, shape.clone(), vec![1, shape[0]], turned)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn integer(out: &mut Vec<u8>, value: i64) {
    out.extend([0x8a, 8]);
    out.extend(value.to_le_bytes());
}

fn integers(out: &mut Vec<u8>, values: &[i64]) {
    out.push(b'(');
    values.iter().for_each(|value| integer(out, *value));
    out.push(b't');
}

/// The pickle of `{'args': Namespace(…), 'state_dict': OrderedDict(…)}`.
fn objects(dims: &str, tensors: &[Stored]) -> Vec<u8> {
    let mut out = b"\x80\x02}(".to_vec();
    text(&mut out, "args");
    out.extend(b"cargparse\nNamespace\n)\x81}(");
    for (key, value) in [("dims", dims), ("layer_type", "concatsquash"), ("nonlinearity", "tanh")] {
        text(&mut out, key);
        text(&mut out, value);
    }
    out.extend(b"ub");
    text(&mut out, "state_dict");
    out.extend(b"ccollections\nOrderedDict\n)R(");
    for (key, Stored(name, shape, strides, values)) in tensors.iter().enumerate() {
        text(&mut out, name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(b"ctorch\nFloatStorage\n");
        text(&mut out, &key.to_string());
        text(&mut out, "cpu");
        integer(&mut out, values.len() as i64);
        out.extend(b"NtQ");
        integer(&mut out, 0);
        integers(&mut out, shape);
        integers(&mut out, strides);
        out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"uu.");
    out
}

fn numbers(tensor: &Stored) -> Vec<u8> {
    tensor.3.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn zip(dims: &str, tensors: &[Stored]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut entry = |name: String, bytes: &[u8]| {
        writer.start_file(name, options).unwrap();
        writer.write_all(bytes).unwrap();
    };
    entry("model/data.pkl".to_string(), &objects(dims, tensors));
    for (key, tensor) in tensors.iter().enumerate() {
        entry(format!("model/data/{key}"), &numbers(tensor));
    }
    writer.finish().unwrap().into_inner()
}

/// What PyTorch wrote before version 1.6.
fn legacy(tensors: &[Stored]) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}(".to_vec();
    text(&mut out, "little_endian");
    out.extend(b"\x88u.");
    out.extend(objects("3", tensors));
    out.extend(b"\x80\x02](");
    (0..tensors.len()).for_each(|key| text(&mut out, &key.to_string()));
    out.extend(b"e.");
    for tensor in tensors {
        out.extend((tensor.3.len() as u64).to_le_bytes());
        out.extend(numbers(tensor));
    }
    out
}

/// `ln p` of two rows.
fn evaluate(place: &Path, bytes: &[u8]) -> Result<Vec<f64>> {
    let path = place.join("model.pth");
    std::fs::write(&path, bytes).unwrap();
    let model = load_original(&path)?;
    let rows = Tensor::new(&[[0.1, 0.2], [1.0, -1.0]], &Device::Cpu)?.to_dtype(DType::F64)?;
    let mut rng = Streams::new(0).rng(Purpose::Test, 0, 0);
    Ok(model.flow.log_prob(&rows, &mut Pass::evaluation(&mut rng))?.to_vec1()?)
}

fn refusal(place: &Path, bytes: &[u8]) -> String {
    evaluate(place, bytes).expect_err("it was read").to_string()
}

#[test]
fn both_kinds_of_files_prefixes_and_strides_hold_the_same_flow() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let tensors = block("");
    let expected = evaluate(place.path(), &zip("3", &tensors))?;
    assert!(expected.iter().all(|value| value.is_finite()) && expected[0] != expected[1]);
    assert_eq!(evaluate(place.path(), &legacy(&tensors))?, expected);
    assert_eq!(evaluate(place.path(), &zip("3", &block("module.")))?, expected);
    assert_eq!(evaluate(place.path(), &legacy(&block("model.module.")))?, expected);
    let turned: Vec<Stored> = tensors
        .iter()
        .map(|tensor| match tensor.1.len() {
            2 => transposed(tensor),
            _ => tensor.clone(),
        })
        .collect();
    assert!(turned[1].3 != tensors[1].3);
    assert_eq!(evaluate(place.path(), &zip("3", &turned))?, expected);
    assert_eq!(evaluate(place.path(), &legacy(&turned))?, expected);
    Ok(())
}

#[test]
fn what_is_wrong_with_a_tensor_is_said_of_it() {
    let place = tempfile::tempdir().unwrap();
    let with = |change: &dyn Fn(&mut Stored)| {
        let mut tensors = block("");
        change(&mut tensors[1]);
        [zip("3", &tensors), legacy(&tensors)]
    };
    let name = "layers.0._layer.weight";
    type Change = fn(&mut Stored);
    let cases: [(Change, &str); 6] = [
        (|tensor| tensor.3[4] = f32::NAN, "NaN"),
        (
            |tensor| tensor.1 = vec![1 << 40, 1 << 40],
            "does not fit a storage of 6 elements",
        ),
        (|tensor| tensor.1 = vec![i64::MAX, i64::MAX], "does not fit"),
        (
            |tensor| (tensor.1, tensor.2) = (vec![1 << 40], vec![0]),
            "more than the file has bytes",
        ),
        (|tensor| tensor.2 = vec![3, 1], "does not fit"),
        (|tensor| tensor.1 = vec![-1, 2], "unknown way"),
    ];
    for (change, word) in cases {
        for bytes in with(&change) {
            let said = refusal(place.path(), &bytes);
            assert!(said.contains(name) && said.contains(word), "{said}");
        }
    }
}

#[test]
fn layers_are_not_made_larger_than_what_is_stored() {
    let place = tempfile::tempdir().unwrap();
    for dims in ["4000000000", "0", "-3", "x"] {
        let said = refusal(place.path(), &zip(dims, &block("")));
        assert!(said.contains("its args"), "{dims}: {said}");
    }
    let mixed = [block(""), block("module.")].concat();
    assert!(refusal(place.path(), &zip("3", &mixed)).contains("not part of the chain"));
}

#[test]
fn damaged_files_are_errors() {
    let place = tempfile::tempdir().unwrap();
    for whole in [zip("3", &block("")), legacy(&block(""))] {
        for length in (0..whole.len()).step_by(61) {
            refusal(place.path(), &whole[..length]);
        }
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x5a;
            let path = place.path().join("damaged.pth");
            std::fs::write(&path, &damaged).unwrap();
            // Some bytes mean nothing, and some are numbers; none may end the program.
            let _ = load_original(&path);
        }
    }
}

#[test]
fn state_dictionaries_of_autoencoders_are_loaded_by_name_and_whole_modules_refused() -> Result<()> {
    use crate::config::{Preset, resolve};
    use crate::vae::{build_vae, load_vae_weights};
    use crate::{ImageFormat, RunError};
    use ffjord_train::Model as _;

    let settings = [
        "vae.posterior=cnf-low-rank",
        "vae.rank=1",
        "vae.latent=2",
        "vae.widths=[3]",
        "model.hidden=[4]",
    ];
    let settings = settings.map(String::from);
    let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
    let format = ImageFormat {
        shape: [1, 2, 2],
        levels: 17,
    };
    let build = |seed| build_vae(&config, &format, &mut Streams::new(seed).rng(Purpose::Initialise, 0, 0));
    let (saved, other) = (build(1)?, build(2)?);
    let mut tensors = vec![Stored(
        "module.odefuncs.0._num_evals".to_string(),
        vec![],
        vec![],
        vec![7.0],
    )];
    for parameter in saved.parameters() {
        let shape: Vec<i64> = parameter.var.dims().iter().map(|size| *size as i64).collect();
        let strides = (0..shape.len())
            .map(|axis| shape[axis + 1..].iter().product())
            .collect();
        let values = parameter.var.flatten_all()?.to_vec1::<f32>()?;
        tensors.push(Stored(format!("module.{}", parameter.name), shape, strides, values));
    }
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("vae.pth");
    for bytes in [zip("3", &tensors), legacy(&tensors)] {
        std::fs::write(&path, bytes).unwrap();
        load_vae_weights(&path, &other)?;
        for (a, b) in saved.parameters().iter().zip(other.parameters()) {
            let of = |var: &candle_core::Var| var.flatten_all()?.to_vec1::<f32>();
            assert_eq!(of(&a.var)?, of(&b.var)?, "{}", a.name);
        }
    }
    tensors.pop();
    std::fs::write(&path, zip("3", &tensors)).unwrap();
    assert!(matches!(
        load_vae_weights(&path, &other),
        Err(RunError::OtherWeights { .. })
    ));

    // What torch.save(model) makes: an object of a class.
    let mut whole = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    whole
        .start_file("m/data.pkl", zip::write::SimpleFileOptions::default())
        .unwrap();
    whole
        .write_all(b"\x80\x02cvae_lib.models.CNFVAE\nAmortizedLowRankCNFVAE\n)\x81}b.")
        .unwrap();
    std::fs::write(&path, whole.finish().unwrap().into_inner()).unwrap();
    let said = load_vae_weights(&path, &other).expect_err("it was read").to_string();
    assert!(said.contains("state_dict()") && said.contains("python -c"), "{said}");
    Ok(())
}
