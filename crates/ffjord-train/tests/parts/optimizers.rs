//! Optimisers against PyTorch's formulas, and what they refuse.

use candle_core::{DType, Device, Tensor, Var};
use ffjord_nn::Parameter;
use ffjord_train::{Adam, AdamConfig, Optimizer, OptimizerKind, TrainError};
use std::collections::BTreeMap;

const INITIAL: [f64; 3] = [0.5, -1.25, 3.0];
const GRADIENTS: [[f64; 3]; 4] = [
    [0.1, -2.0, 1e-3],
    [-0.3, 0.5, 0.0],
    [0.25, 4.0, -1e-3],
    [0.05, -0.125, 2e-3],
];
const LEARNING_RATES: [f64; 4] = [0.1, 0.1, 0.05, 0.02];

/// Weights, first and second moments after the four steps above, from the formulas in PyTorch's documentation of `Adam`
/// and `Adamax`, evaluated in double precision by an independent program.
struct Expected {
    kind: OptimizerKind,
    weight_decay: f64,
    values: [[f64; 3]; 3],
}

const EXPECTED: [Expected; 4] = [
    Expected {
        kind: OptimizerKind::Adam,
        weight_decay: 0.0,
        values: [
            [0.441580053930893, -1.1294019250872023, 2.828608224640945],
            [0.01049, 0.24219999999999992, 0.00018289999999999995],
            [0.00016472761999000013, 0.02023713724600002, 5.996002999000006e-09],
        ],
    },
    Expected {
        kind: OptimizerKind::Adam,
        weight_decay: 0.1,
        values: [
            [0.4103513592339143, -1.1206951101153655, 2.730355303091499],
            [0.0254263134703563, 0.20274240176289096, 0.09824662755904898],
            [0.00018413194940324502, 0.019825006225844245, 0.0003287748361760266],
        ],
    },
    Expected {
        kind: OptimizerKind::Adamax,
        weight_decay: 0.0,
        values: [
            [0.4310492113566073, -1.1323336324673496, 2.850772757332835],
            [0.01049, 0.24219999999999992, 0.00018289999999999995],
            [0.29940030998000994, 3.99600000999, 0.00200001],
        ],
    },
    Expected {
        kind: OptimizerKind::Adamax,
        weight_decay: 0.1,
        values: [
            [0.40890575491012454, -1.1270887947467436, 2.7346242082269874],
            [0.025342222432232102, 0.20252276563946908, 0.09829605877345887],
            [0.29223784455987256, 3.8848982916590473, 0.30009791266903],
        ],
    },
];

fn tensor(values: &[f64], dtype: DType) -> Tensor {
    Tensor::new(values, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

fn parameter(name: &str, values: &[f64], dtype: DType) -> Parameter {
    Parameter {
        name: name.to_string(),
        var: Var::from_tensor(&tensor(values, dtype)).unwrap(),
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor
        .flatten_all()
        .unwrap()
        .to_dtype(DType::F64)
        .unwrap()
        .to_vec1()
        .unwrap()
}

fn second_moment(kind: OptimizerKind) -> &'static str {
    if kind == OptimizerKind::Adam {
        "second_moment"
    } else {
        "infinity_norm"
    }
}

fn run_steps(optimizer: &mut dyn Optimizer, dtype: DType, steps: std::ops::Range<usize>) {
    for step in steps {
        optimizer
            .step(&[tensor(&GRADIENTS[step], dtype)], LEARNING_RATES[step])
            .unwrap();
    }
}

/// Everything that an optimiser knows and holds, to tell whether anything changed.
fn snapshot(optimizer: &dyn Optimizer, parameters: &[Parameter]) -> Vec<(String, Vec<f64>)> {
    let weights = parameters
        .iter()
        .map(|parameter| (parameter.name.clone(), values(&parameter.var)));
    let state = optimizer
        .state()
        .unwrap()
        .into_iter()
        .map(|(name, tensor)| (name, values(&tensor)));
    weights.chain(state).collect()
}

#[test]
fn steps_follow_the_formulas() {
    // `f16` goes through tensor operations instead of slices; without tiny numbers, which it cannot hold.
    for (dtype, tolerance, entries) in [(DType::F64, 1e-14, 3), (DType::F32, 3e-6, 3), (DType::F16, 2e-2, 2)] {
        for Expected {
            kind,
            weight_decay,
            values: expected,
        } in &EXPECTED
        {
            let parameter = parameter("w", &INITIAL[..entries], dtype);
            let mut optimizer = kind.build(vec![parameter.clone()], *weight_decay).unwrap();
            for (gradient, learning_rate) in GRADIENTS.iter().zip(LEARNING_RATES) {
                optimizer
                    .step(&[tensor(&gradient[..entries], dtype)], learning_rate)
                    .unwrap();
            }
            let state: BTreeMap<_, _> = optimizer.state().unwrap().into_iter().collect();
            let first = values(&state["optimizer.w.first_moment"]);
            let second = values(&state[&format!("optimizer.w.{}", second_moment(*kind))]);
            assert_eq!(state["optimizer.steps"].to_scalar::<i64>().unwrap(), 4);
            for (given, expected) in [values(&parameter.var), first, second].iter().zip(expected) {
                for (given, expected) in given.iter().zip(expected) {
                    let error = (given - expected).abs() / expected.abs();
                    assert!(error < tolerance, "{kind} {weight_decay} {dtype:?}: {given} {expected}");
                }
            }
        }
    }
}

#[test]
fn a_loaded_state_goes_on_bit_by_bit() {
    for kind in OptimizerKind::ALL {
        for dtype in [DType::F32, DType::F64, DType::F16] {
            let whole = parameter("w", &INITIAL, dtype);
            let mut optimizer = kind.build(vec![whole.clone()], 0.01).unwrap();
            run_steps(optimizer.as_mut(), dtype, 0..2);
            let resumed = parameter("w", &values(&whole.var), dtype);
            let mut second = kind.build(vec![resumed.clone()], 0.01).unwrap();
            let mut state: BTreeMap<_, _> = optimizer.state().unwrap().into_iter().collect();
            state.insert("something else".to_string(), tensor(&[1.0], dtype));
            second.load_state(&state).unwrap();
            let before = snapshot(second.as_ref(), std::slice::from_ref(&resumed));
            run_steps(optimizer.as_mut(), dtype, 2..4);
            // The saved state belongs to the moment it was saved, also while the optimiser goes on.
            assert_eq!(before, snapshot(second.as_ref(), std::slice::from_ref(&resumed)));
            run_steps(second.as_mut(), dtype, 2..4);
            assert_eq!(
                snapshot(optimizer.as_ref(), std::slice::from_ref(&whole)),
                snapshot(second.as_ref(), std::slice::from_ref(&resumed)),
            );
        }
    }
}

#[test]
fn gradients_that_are_not_finite_change_nothing() {
    for kind in OptimizerKind::ALL {
        for dtype in [DType::F32, DType::F64, DType::BF16] {
            let parameters = ["a", "b", "c"].map(|name| parameter(name, &[1.0, 2.0], dtype));
            let mut optimizer = kind.build(parameters.to_vec(), 0.0).unwrap();
            let good = tensor(&[0.5, -0.5], dtype);
            optimizer
                .step(&[good.clone(), good.clone(), good.clone()], 0.1)
                .unwrap();
            let before = snapshot(optimizer.as_ref(), &parameters);
            // The square of the last one is infinite in each of the types.
            let largest = if dtype == DType::F64 { 1e200 } else { 1e30 };
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, largest] {
                let bad = tensor(&[0.5, bad], dtype);
                let error = optimizer.step(&[good.clone(), bad.clone(), bad], 0.1).unwrap_err();
                let TrainError::NonFiniteGradient { parameters: named } = error else {
                    panic!("{error}")
                };
                assert_eq!(named, ["b", "c"]);
                assert_eq!(before, snapshot(optimizer.as_ref(), &parameters));
            }
        }
    }
}

#[test]
fn gradients_that_do_not_fit_change_nothing() {
    let parameters = [
        parameter("a", &[1.0, 2.0], DType::F32),
        parameter("b", &[3.0], DType::F32),
    ];
    let mut optimizer = OptimizerKind::Adam.build(parameters.to_vec(), 0.0).unwrap();
    let before = snapshot(optimizer.as_ref(), &parameters);
    let good = tensor(&[0.5, 0.5], DType::F32);
    let error = optimizer.step(std::slice::from_ref(&good), 0.1).unwrap_err();
    assert!(matches!(error, TrainError::GradientCount { given: 1, expected: 2 }));
    for bad in [tensor(&[1.0, 1.0], DType::F32), tensor(&[1.0], DType::F64)] {
        let error = optimizer.step(&[good.clone(), bad], 0.1).unwrap_err();
        assert!(
            matches!(&error, TrainError::GradientMismatch { parameter, .. } if parameter == "b"),
            "{error}"
        );
    }
    let fitting = [good, tensor(&[1.0], DType::F32)];
    for rate in [f64::NAN, f64::INFINITY, -0.1] {
        assert!(matches!(
            optimizer.step(&fitting, rate),
            Err(TrainError::InvalidSetting { .. })
        ));
    }
    assert_eq!(before, snapshot(optimizer.as_ref(), &parameters));
}

#[test]
fn strided_gradients_are_read_in_the_parameters_order() {
    let weights = tensor(&[0.0; 6], DType::F64).reshape((3, 2)).unwrap();
    let strided = Parameter {
        name: "w".to_string(),
        var: Var::from_tensor(&weights).unwrap(),
    };
    let plain = Parameter {
        name: "w".to_string(),
        var: Var::from_tensor(&weights).unwrap(),
    };
    let gradient = tensor(&[1.0, -2.0, 3.0, -4.0, 5.0, -6.0], DType::F64)
        .reshape((2, 3))
        .unwrap()
        .t()
        .unwrap();
    let signs = Tensor::new(&[[1f64, -1.0], [-1.0, 1.0], [1.0, -1.0]], &Device::Cpu).unwrap();
    OptimizerKind::Adam
        .build(vec![strided.clone()], 0.0)
        .unwrap()
        .step(&[gradient], 0.1)
        .unwrap();
    OptimizerKind::Adam
        .build(vec![plain.clone()], 0.0)
        .unwrap()
        .step(&[signs], 0.1)
        .unwrap();
    for (strided, plain) in values(&strided.var).into_iter().zip(values(&plain.var)) {
        // The first step has the length of the learning rate, whatever the gradient's size.
        assert!((strided - plain).abs() < 1e-8, "{strided} {plain}");
    }
}

#[test]
fn states_and_settings_that_do_not_fit_are_refused() {
    let parameters = [
        parameter("a", &[1.0, 2.0], DType::F32),
        parameter("b", &[3.0], DType::F32),
    ];
    let mut optimizer = OptimizerKind::Adam.build(parameters.to_vec(), 0.0).unwrap();
    let before = snapshot(optimizer.as_ref(), &parameters);
    let mut state: BTreeMap<_, _> = optimizer.state().unwrap().into_iter().collect();
    state.remove("optimizer.a.second_moment");
    state.insert("optimizer.b.first_moment".to_string(), tensor(&[1.0, 2.0], DType::F32));
    state.insert("optimizer.b.second_moment".to_string(), tensor(&[1.0], DType::F64));
    state.insert("optimizer.steps".to_string(), Tensor::new(-1i64, &Device::Cpu).unwrap());
    let Err(TrainError::StateMismatch { problems }) = optimizer.load_state(&state) else {
        panic!("was loaded")
    };
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert_eq!(before, snapshot(optimizer.as_ref(), &parameters));
    for config in [
        AdamConfig {
            beta1: 1.0,
            ..AdamConfig::default()
        },
        AdamConfig {
            beta2: -0.1,
            ..AdamConfig::default()
        },
        AdamConfig {
            epsilon: 0.0,
            ..AdamConfig::default()
        },
        AdamConfig {
            weight_decay: f64::NAN,
            ..AdamConfig::default()
        },
    ] {
        assert!(
            matches!(
                Adam::new(parameters.to_vec(), config),
                Err(TrainError::InvalidSetting { .. })
            ),
            "{config:?}"
        );
    }
}
