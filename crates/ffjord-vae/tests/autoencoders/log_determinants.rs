//! The log-determinant of every posterior against that of its dense Jacobian.

use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{Bijection, Cnf, CnfSettings, Pass, SolveSettings};
use ffjord_nn::{ActivationKind, Amortisation, AmortisedMlpConfig, LayerKind};
use ffjord_vae::{AmortisedCnf, FlowPosterior, Iaf, NoFlow, Orthogonal, Planar, Posterior, Result, Sylvester};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const LATENT: usize = 4;
const FEATURES: usize = 6;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(5)
}

/// `ln |det|` by elimination with pivots.
fn log_abs_det(mut matrix: Vec<Vec<f64>>) -> f64 {
    let mut sum = 0.0;
    for column in 0..matrix.len() {
        let pivot = (column..matrix.len()).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()));
        matrix.swap(column, pivot.unwrap());
        let row = matrix[column].clone();
        sum += row[column].abs().ln();
        for other in &mut matrix[column + 1..] {
            let factor = other[column] / row[column];
            other.iter_mut().zip(&row).for_each(|(to, from)| *to -= factor * from);
        }
    }
    sum
}

fn check(posterior: &dyn Posterior, limit: f64) {
    let mut numbers = rng();
    let mut draw = |shape: (usize, usize)| {
        let values: Vec<f64> = (0..shape.0 * shape.1)
            .map(|_| rand::Rng::random_range(&mut numbers, -1.5..1.5))
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    let (z, features) = (Var::from_tensor(&draw((3, LATENT))).unwrap(), draw((3, FEATURES)));
    let image = || {
        let mut rng = rng();
        posterior
            .transform(&z, &features, &mut Pass::training(&mut rng))
            .unwrap()
    };
    let log_det = image().log_det().unwrap().to_vec1::<f64>().unwrap();
    let gradients: Vec<Vec<Vec<f64>>> = (0..LATENT)
        .map(|output| {
            let sum = image().value.narrow(1, output, 1).unwrap().sum_all().unwrap();
            let store = sum.backward().unwrap();
            store.get(&z).unwrap().to_vec2::<f64>().unwrap()
        })
        .collect();
    for (row, log_det) in log_det.into_iter().enumerate() {
        let jacobian = gradients.iter().map(|of_output| of_output[row].clone()).collect();
        let dense = log_abs_det(jacobian);
        assert!((dense - log_det).abs() < limit, "{posterior:?}: {dense} but {log_det}");
    }
}

fn settings() -> CnfSettings {
    let solve = SolveSettings::adaptive(1e-10).unwrap();
    CnfSettings {
        training: solve.clone(),
        evaluation: solve,
        ..CnfSettings::default()
    }
}

#[test]
fn without_a_flow() {
    check(&NoFlow, 1e-14);
}

#[test]
fn of_planar_flows() -> Result<()> {
    check(
        &Planar::new(LATENT, FEATURES, 3, &mut rng(), DType::F64, &Device::Cpu)?,
        1e-12,
    );
    Ok(())
}

#[test]
fn of_sylvester_flows() -> Result<()> {
    let kinds = [
        (Orthogonal::Iterated { columns: 2 }, 1e-5),
        (Orthogonal::Iterated { columns: LATENT }, 1e-4),
        (Orthogonal::Householder { reflections: 3 }, 1e-12),
        (Orthogonal::Triangular, 1e-12),
    ];
    for (orthogonal, limit) in kinds {
        let at = (DType::F64, &Device::Cpu);
        check(&Sylvester::new(LATENT, FEATURES, 2, orthogonal, &mut rng(), at)?, limit);
    }
    Ok(())
}

#[test]
fn of_inverse_autoregressive_flows() -> Result<()> {
    for hidden in [2, 4, 12] {
        let at = (DType::F64, &Device::Cpu);
        check(&Iaf::new(LATENT, FEATURES, 3, hidden, &mut rng(), at)?, 1e-12);
    }
    Ok(())
}

#[test]
fn of_amortised_flows() -> Result<()> {
    let amortisations = [
        Amortisation::Bias,
        Amortisation::LowRank { rank: 2 },
        Amortisation::LastLayer,
        Amortisation::AllLayers {
            activation_at_the_end: false,
        },
        Amortisation::AllLayers {
            activation_at_the_end: true,
        },
    ];
    for amortisation in amortisations {
        let network = AmortisedMlpConfig {
            dimension: LATENT,
            hidden: vec![5, 6],
            layer: LayerKind::Concat,
            activation: ActivationKind::Softplus,
            amortisation,
        };
        for residual in [false, true] {
            let at = (DType::F64, &Device::Cpu);
            let blocks = [settings(), settings()];
            let flow = AmortisedCnf::new(&network, residual, FEATURES, &blocks, &mut rng(), at)?;
            check(&flow, 1e-7);
        }
    }
    Ok(())
}

#[test]
fn of_a_flow_that_is_given_the_features() -> Result<()> {
    let flow = Cnf::builder(LATENT)
        .given(FEATURES)
        .hidden([8])
        .dtype(DType::F64)
        .tolerance(1e-10)
        .build()?;
    assert_eq!(flow.given_len(), FEATURES);
    check(&FlowPosterior::new(flow, FEATURES)?, 1e-7);
    Ok(())
}

#[test]
fn flows_that_do_not_fit_are_refused() -> Result<()> {
    let flow = Cnf::builder(LATENT).given(3).build()?;
    let error = FlowPosterior::new(flow, FEATURES).unwrap_err().to_string();
    assert!(
        error.contains("given 3 columns, but the encoder has 6 features"),
        "{error}"
    );
    let at = (DType::F64, &Device::Cpu);
    let columns = LATENT + 1;
    let refused = Sylvester::new(LATENT, FEATURES, 1, Orthogonal::Iterated { columns }, &mut rng(), at);
    assert!(refused.unwrap_err().to_string().contains("orthogonal columns is 5"));
    assert!(Iaf::new(LATENT, FEATURES, 1, 6, &mut rng(), at).is_err());
    Ok(())
}
