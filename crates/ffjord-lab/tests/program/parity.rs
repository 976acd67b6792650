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
