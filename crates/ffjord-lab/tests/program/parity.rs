//! `parity` on reference files that are right, wrong and none.

use crate::harness::Place;
use candle_core::{DType, Device, Tensor};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, OutputCotangents, Request, VectorField};
use ffjord_train::{Purpose, Streams, save_tensors};
use std::collections::HashMap;
use std::path::Path;

const ROWS: usize = 3;
const T: f64 = 0.25;
const CASE: &str = r#"{"kind":"mlp","layer":"concatsquash","activation":"tanh","dim":2,"hidden":[4]}"#;

fn values(scale: f64, shape: impl Into<candle_core::Shape>) -> Tensor {
    let shape = shape.into();
    let values: Vec<f64> = (1..=shape.elem_count()).map(|i| (i as f64 * scale).sin()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// A network's value, traces and gradients at one point, by their names in reference files.
fn reference() -> Vec<(String, Tensor)> {
    let config = MlpConfig {
        dimension: 2,
        given: 0,
        hidden: vec![4],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Tanh,
    };
    let mut rng = Streams::new(5).rng(Purpose::Initialise, 0, 0);
    let field = Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu).unwrap();
    let (y, e) = (values(1.1, (ROWS, 2)), values(2.3, (ROWS, 2)));
    let (a, b) = (values(0.7, (ROWS, 2)), values(1.9, ROWS));
    let probes = e.unsqueeze(0).unwrap();
    let (f, products) = field.jvp(T, &y, None, &probes).unwrap();
    let hutch = (products.get(0).unwrap() * &e).unwrap().sum(1).unwrap();
    // The divergence by central differences, independently of the field's own products.
    let step = 1e-5;
    let shifted = |column: usize, by: f64| {
        let mut values: Vec<f64> = y.flatten_all().unwrap().to_vec1().unwrap();
        values.iter_mut().skip(column).step_by(2).for_each(|value| *value += by);
        let moved = Tensor::from_vec(values, (ROWS, 2), &Device::Cpu).unwrap();
        field.value(T, &moved, None).unwrap().get_on_dim(1, column).unwrap()
    };
    let slope = |column| ((shifted(column, step) - shifted(column, -step)).unwrap() / (2.0 * step)).unwrap();
    let div = (slope(0) + slope(1)).unwrap();
    let cotangent = probes.broadcast_mul(&b.reshape((1, ROWS, 1)).unwrap()).unwrap();
    let linearization = field.linearize(T, &y, None, &Request::products(&probes)).unwrap();
    let outputs = OutputCotangents {
        value: &a,
        products: Some(&cotangent),
        along: &[],
    };
    let gradients = linearization.pullback(field.parameters(), &outputs).unwrap();

    let scalar = |value: f64| Tensor::new(&[value], &Device::Cpu).unwrap();
    let mut tensors: Vec<(String, Tensor)> = [
        ("t", scalar(T)),
        ("y", y.clone()),
        ("e", e.clone()),
        ("a", a),
        ("b", b),
        ("f", f),
        ("hutch", hutch),
        ("div", div),
        ("gy", gradients.state),
        ("gt", scalar(gradients.time)),
    ]
    .map(|(name, tensor)| (name.to_string(), tensor))
    .into();
    for (parameter, gradient) in field.parameters().iter().zip(gradients.parameters) {
        tensors.push((format!("param.{}", parameter.name), parameter.var.as_detached_tensor()));
        tensors.push((format!("gparam.{}", parameter.name), gradient));
    }
    tensors
}

fn save(path: &Path, tensors: &[(String, Tensor)], case: Option<&str>) {
    let metadata = case.map(|case| HashMap::from([("case".to_string(), case.to_string())]));
    save_tensors(path, tensors, metadata).unwrap();
}

#[test]
fn agreement_passes_and_one_changed_number_fails() {
    let place = Place::new();
    std::fs::create_dir(place.path("reference")).unwrap();
    let tensors = reference();
    save(&place.path("reference/a.safetensors"), &tensors, Some(CASE));
    let said = place.succeed(&["parity", "reference"]);
    assert!(said.contains("ok") && said.contains("1 passed, 0 failed"), "{said}");
    let fused = place.succeed(&["parity", "reference", "--path", "fused"]);
    assert!(
        fused.contains("(F64)") && fused.contains("(F32)") && fused.contains("2 passed, 0 failed"),
        "{fused}"
    );

    for changed in ["f", "hutch", "div", "gy", "gt", "gparam.layers.0._layer.weight"] {
        let mut tensors = tensors.clone();
        let (_, tensor) = tensors.iter_mut().find(|(name, _)| name == changed).expect(changed);
        let mut values: Vec<f64> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        values[0] += 1e-5;
        *tensor = Tensor::from_vec(values, tensor.shape(), &Device::Cpu).unwrap();
        save(&place.path("reference/b.safetensors"), &tensors, Some(CASE));
        let answer = place.run(&["parity", "reference", "--verbose"]);
        assert_eq!(answer.code, Some(1), "{changed}: {}", answer.stdout);
        assert!(answer.stdout.contains("FAILED b.safetensors"), "{}", answer.stdout);
        assert!(answer.stdout.contains("1 passed, 1 failed"), "{}", answer.stdout);
        let answer = place.run(&["parity", "reference", "--path", "fused"]);
        assert!(
            answer.stdout.contains("FAILED b.safetensors (F64)"),
            "{}",
            answer.stdout
        );
        assert_eq!(answer.code, Some(1), "{}", answer.stdout);
    }
}

#[test]
fn files_that_cannot_be_compared_fail_and_say_why() {
    let place = Place::new();
    place.refuse(&["parity", "absent"], &["absent"]);
    std::fs::create_dir(place.path("reference")).unwrap();
    place.refuse(&["parity", "reference"], &["no .safetensors file"]);
    let path = place.path("reference/a.safetensors");
    let tensors = reference();
    let fails = |reason: &str| {
        let answer = place.run(&["parity", "reference"]);
        assert_eq!(answer.code, Some(1), "{}", answer.stdout);
        assert!(answer.stdout.contains(reason), "{}", answer.stdout);
    };
    save(&path, &tensors, None);
    fails("no key `case`");
    save(&path, &tensors, Some("{\"kind\":\"tree\"}"));
    fails("its case is not understood");
    save(&path, &tensors, Some(&CASE.replace("tanh", "magic")));
    fails("magic");
    for missing in [
        "t",
        "y",
        "gt",
        "param.layers.0._layer.weight",
        "gparam.layers.0._layer.weight",
    ] {
        let rest: Vec<_> = tensors.iter().filter(|(name, _)| name != missing).cloned().collect();
        save(&path, &rest, Some(CASE));
        fails(missing.trim_start_matches("param."));
    }
    for cut in [0, 7, 100] {
        save(&path, &tensors, Some(CASE));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..cut]).unwrap();
        fails("no safetensors file");
    }
}

/// What must be compared, and one number of it that is wrong.
fn passes_until_changed(case: &str, tensors: &[(String, Tensor)], changed: &[&str]) {
    let place = Place::new();
    std::fs::create_dir(place.path("reference")).unwrap();
    let path = place.path("reference/a.safetensors");
    save(&path, tensors, Some(case));
    let said = place.succeed(&["parity", "reference"]);
    assert!(said.contains("1 passed, 0 failed"), "{said}");
    for changed in changed {
        let mut tensors = tensors.to_vec();
        let (_, tensor) = tensors.iter_mut().find(|(name, _)| name == changed).expect(changed);
        let mut values: Vec<f64> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        values[0] += 1e-5;
        *tensor = Tensor::from_vec(values, tensor.shape(), &Device::Cpu).unwrap();
        save(&path, &tensors, Some(case));
        let answer = place.run(&["parity", "reference"]);
        assert_eq!(answer.code, Some(1), "{changed}: {}", answer.stdout);
    }
}

fn named<const N: usize>(tensors: [(&str, Tensor); N]) -> Vec<(String, Tensor)> {
    tensors.map(|(name, tensor)| (name.to_string(), tensor)).into()
}

#[test]
fn maps_of_images_are_compared() {
    // Two squeezes by 2 of the pixels 0 to 15 of a 4 × 4 image.
    let image =
        |values: Vec<f64>, shape: (usize, usize, usize, usize)| Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    let x = image((0..16).map(f64::from).collect(), (1, 1, 4, 4));
    let order = [0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15];
    let y = image(order.map(f64::from).to_vec(), (1, 16, 1, 1));
    let case = r#"{"kind":"squeeze","factor":2,"times":2}"#;
    passes_until_changed(case, &named([("x", x), ("y", y)]), &["y"]);

    let alpha = 0.05;
    let pixels = [0.0, 0.25, 0.8, 1.0];
    let s = pixels.map(|x| alpha + (1.0 - 2.0 * alpha) * x);
    let (a, b) = ([1.0, -0.5, 0.3, 2.0], 0.7);
    // y = ln s − ln(1 − s), dlogp = Σ [ln s + ln(1 − s) − ln(1 − 2 α)], and the gradient of Σ a y + b dlogp.
    let y = s.map(|s: f64| s.ln() - (1.0 - s).ln());
    let dlogp: f64 = s
        .iter()
        .map(|s| s.ln() + (1.0 - s).ln() - (1.0 - 2.0 * alpha).ln())
        .sum();
    let slope = |s: f64, a: f64| (1.0 - 2.0 * alpha) * (a / (s * (1.0 - s)) + b * (1.0 / s - 1.0 / (1.0 - s)));
    let gx: Vec<f64> = s.iter().zip(a).map(|(&s, a)| slope(s, a)).collect();
    let whole = |values: Vec<f64>| image(values, (1, 1, 2, 2));
    let one = |value: f64| Tensor::new(&[value], &Device::Cpu).unwrap();
    let tensors = named([
        ("x", whole(pixels.to_vec())),
        ("y", whole(y.to_vec())),
        ("dlogp", one(dlogp)),
        ("a", whole(a.to_vec())),
        ("b", one(b)),
        ("gx", whole(gx)),
    ]);
    passes_until_changed(r#"{"kind":"logit","alpha":0.05}"#, &tensors, &["y", "dlogp", "gx", "x"]);
}

#[test]
fn flows_of_images_are_compared() {
    // Networks of zeros: every flow stays where it is, so the density is that of the shifted pixels.
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F64, &Device::Cpu).unwrap();
    let scalar = |value: f64| Tensor::new(value, &Device::Cpu).unwrap();
    let x = Tensor::new(&[0.1, 0.4, 0.7, 0.9], &Device::Cpu)
        .unwrap()
        .reshape((1, 1, 2, 2))
        .unwrap();
    let z = (&x - 0.5).unwrap();
    let nats = 0.5 * z.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
    let loss = nats + 2.0 * (2.0 * std::f64::consts::PI).ln();
    let bits = (loss / 4.0 + 256f64.ln()) / std::f64::consts::LN_2;
    let layer = "chain.1.odefunc.odefunc.diffeq.layers.0._layer";
    let mut tensors = named([
        ("x", x.clone()),
        ("z", z.reshape((1, 4)).unwrap()),
        ("dlogp", zeros(&[1])),
        ("loss", scalar(loss)),
        ("bpd", scalar(bits)),
        ("gx", z),
        ("T.chain.1", scalar(0.7)),
        ("gT.chain.1", scalar(0.0)),
        ("e.chain.1", zeros(&[1, 1, 2, 2])),
        ("sample_z", zeros(&[1, 4])),
        ("sample_x", Tensor::full(0.5, (1, 1, 2, 2), &Device::Cpu).unwrap()),
        ("sample_dlogp", zeros(&[1])),
        ("dlogp_exact", zeros(&[1])),
        ("loss_exact", scalar(loss)),
        ("bpd_exact", scalar(bits)),
    ]);
    tensors.push((format!("param.{layer}.weight"), zeros(&[1, 1, 3, 3])));
    tensors.push((format!("param.{layer}.bias"), zeros(&[1])));
    // A bias moves every pixel of the image by as much times T.
    let sum = tensors[1].1.sum_all().unwrap().to_scalar::<f64>().unwrap();
    tensors.push((
        format!("gparam.{layer}.bias"),
        Tensor::new(&[0.7 * sum], &Device::Cpu).unwrap(),
    ));
    let case = r#"{"kind":"image-flow","blocks":1,"hidden":[],"layer":"ignore","activation":"softplus","alpha":0.0}"#;
    let changed = [
        "z",
        "dlogp",
        "loss",
        "bpd",
        "gx",
        "gT.chain.1",
        "sample_x",
        "sample_dlogp",
        "bpd_exact",
    ];
    passes_until_changed(case, &tensors, &changed);
}
