//! Sylvester flows.

use super::Posterior;
use crate::error::{Result, VaeError, check_positive};
use crate::layers::Linear;
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Pass, Transformed};
use ffjord_nn::{Parameter, ParameterBuilder, ops};
use rand::RngCore;

/// How the orthogonal columns Q `[D, M]` of a [`Sylvester`] flow come about.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_vae::{Orthogonal, Sylvester};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let features = Tensor::new(&[[0.1, 0.2, 0.3]], &Device::Cpu)?;
/// let kinds =
///     [Orthogonal::Iterated { columns: 2 }, Orthogonal::Householder { reflections: 2 }, Orthogonal::Triangular];
/// for (orthogonal, columns) in kinds.into_iter().zip([2, 4, 4]) {
///     let flows = Sylvester::new(4, 3, 1, orthogonal, &mut rng, (DType::F64, &Device::Cpu))?;
///     let q = flows.orthogonal(&flows.numbers(&features)?)?[0].squeeze(0)?;
///     assert_eq!(q.dims(), &[4, columns]);
///     let off = (q.t()?.matmul(&q)? - Tensor::eye(columns, DType::F64, &Device::Cpu)?)?;
///     assert!(off.abs()?.max_all()?.to_scalar::<f64>()? < 1e-2);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Orthogonal {
    /// M columns by an iteration that makes a matrix of the features' orthogonal.
    Iterated {
        /// M, from 1 to D.
        columns: usize,
    },
    /// A product of this many reflections of the features', M = D.
    Householder {
        /// The number of reflections, at least 1.
        reflections: usize,
    },
    /// The identity and the reversal of the coordinates by turns, M = D.
    Triangular,
}

/// The most steps of the iteration towards orthogonal columns.
const MOST_STEPS: usize = 100;

/// K Sylvester flows `z ← z + Q R₁ tanh(R₂ Qᵀz + b)` with triangular R₁ and R₂ `[M, M]` and orthogonal columns Q `[D, M]`,
/// all linear in the features but for tanh on the diagonals (van den Berg et al. 2018, eq. 13).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::Pass;
/// use ffjord_vae::{Orthogonal, Posterior, Sylvester};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let flows = Sylvester::new(4, 3, 2, Orthogonal::Triangular, &mut rng, (DType::F64, &Device::Cpu))?;
/// let features = Tensor::new(&[[0.1, 0.2, 0.3]], &Device::Cpu)?;
/// let z = Tensor::new(&[[0.5, -1.0, 0.0, 2.0]], &Device::Cpu)?;
/// let end = flows.transform(&z, &features, &mut Pass::evaluation(&mut rng))?;
/// // In steps: the numbers of these features, their orthogonal columns, and what they make of a state.
/// let numbers = flows.numbers(&features)?;
/// let same = Sylvester::apply(&z, &numbers, &flows.orthogonal(&numbers)?)?;
/// assert_eq!(same.value.to_vec2::<f64>()?, end.value.to_vec2::<f64>()?);
/// // More columns than dimensions cannot be orthogonal.
/// let five = Orthogonal::Iterated { columns: 5 };
/// assert!(Sylvester::new(4, 3, 2, five, &mut rng, (DType::F64, &Device::Cpu)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sylvester {
    flows: usize,
    latent: usize,
    orthogonal: Orthogonal,
    full: Linear,
    diagonals: [Linear; 2],
    columns: Option<Linear>,
    bias: Linear,
    parameters: Vec<Parameter>,
}

/// The numbers of K Sylvester flows for each row.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_vae::{Orthogonal, Sylvester};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let flows = Sylvester::new(4, 3, 2, Orthogonal::Iterated { columns: 3 }, &mut rng, (DType::F64, &Device::Cpu))?;
/// let numbers = flows.numbers(&Tensor::zeros((5, 3), DType::F64, &Device::Cpu)?)?;
/// assert_eq!((numbers.r1.dims(), numbers.b.dims()), (&[5, 3, 3, 2][..], &[5, 3, 2][..]));
/// assert!(numbers.q.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SylvesterNumbers {
    /// R₁ with its diagonal, `[B, M, M, K]`.
    pub r1: Tensor,
    /// R₂ with its diagonal, `[B, M, M, K]`.
    pub r2: Tensor,
    /// What Q is made of; none for triangular flows.
    pub q: Option<Tensor>,
    /// b, `[B, M, K]`.
    pub b: Tensor,
}

impl Sylvester {
    /// So many flows on states of `latent` numbers, with PyTorch's default initialisation, drawn from `rng`.
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`] for a size of 0, or more orthogonal columns than latent dimensions.
    pub fn new(
        latent: usize,
        features: usize,
        flows: usize,
        orthogonal: Orthogonal,
        rng: &mut dyn RngCore,
        (dtype, device): (DType, &Device),
    ) -> Result<Self> {
        check_positive("the number of flows", flows)?;
        check_positive("the latent dimension", latent)?;
        let (m, of_columns) = match orthogonal {
            Orthogonal::Iterated { columns } => (columns, flows * latent * columns),
            Orthogonal::Householder { reflections } => {
                check_positive("the number of reflections", reflections)?;
                (latent, flows * reflections * latent)
            }
            Orthogonal::Triangular => (latent, 0),
        };
        if m == 0 || m > latent {
            return Err(VaeError::InvalidSetting {
                setting: "the number of orthogonal columns",
                given: m.to_string(),
                accepted: "a whole number from 1 to the latent dimension",
            });
        }
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let mut linear = |name: &str, outputs: usize| Linear::new(name, features, outputs, &mut builder);
        let full = linear("amor_d", flows * m * m)?;
        let diagonals = [linear("amor_diag1.0", flows * m)?, linear("amor_diag2.0", flows * m)?];
        let columns = (of_columns > 0).then(|| linear("amor_q", of_columns)).transpose()?;
        let bias = linear("amor_b", flows * m)?;
        Ok(Self {
            flows,
            latent,
            orthogonal,
            full,
            diagonals,
            columns,
            bias,
            parameters: builder.finish(),
        })
    }

    /// M.
    fn columns(&self) -> usize {
        match self.orthogonal {
            Orthogonal::Iterated { columns } => columns,
            Orthogonal::Householder { .. } | Orthogonal::Triangular => self.latent,
        }
    }

    /// The numbers that features `[B, F]` give.
    ///
    /// # Errors
    /// When the features do not fit.
    pub fn numbers(&self, features: &Tensor) -> Result<SylvesterNumbers> {
        let (rows, m, k) = (features.dim(0)?, self.columns(), self.flows);
        let full = self.full.apply(features)?.reshape((rows, m, m, k))?;
        let diagonal = |linear: &Linear| -> Result<Tensor> {
            let numbers = ops::tanh(&linear.apply(features)?)?.reshape((rows, m, 1, k))?;
            let unit = Tensor::eye(m, full.dtype(), full.device())?.reshape((1, m, m, 1))?;
            Ok(numbers.broadcast_mul(&unit)?)
        };
        // 1 above the diagonal.
        let mask = (Tensor::triu2(m, full.dtype(), full.device())? - Tensor::eye(m, full.dtype(), full.device())?)?;
        let mask = mask.reshape((1, m, m, 1))?;
        let [first, second] = &self.diagonals;
        Ok(SylvesterNumbers {
            r1: (full.broadcast_mul(&mask)? + diagonal(first)?)?,
            r2: (full.transpose(1, 2)?.contiguous()?.broadcast_mul(&mask)? + diagonal(second)?)?,
            q: self.columns.as_ref().map(|linear| linear.apply(features)).transpose()?,
            b: self.bias.apply(features)?.reshape((rows, m, k))?,
        })
    }

    /// Q of every flow, `[B, D, M]` each.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn orthogonal(&self, numbers: &SylvesterNumbers) -> Result<Vec<Tensor>> {
        let rows = numbers.b.dim(0)?;
        let (d, m, flows) = (self.latent, self.columns(), 0..self.flows);
        match (self.orthogonal, &numbers.q) {
            (Orthogonal::Iterated { .. }, Some(q)) => {
                let q = q.reshape((rows * self.flows, d, m))?;
                let q = iterate(&q)?.reshape((rows, self.flows, d, m))?;
                flows
                    .map(|flow| Ok(q.narrow(1, flow, 1)?.squeeze(1)?.contiguous()?))
                    .collect()
            }
            (Orthogonal::Householder { reflections }, Some(q)) => {
                let q = q.reshape((rows, self.flows, reflections, d))?;
                let norms = q.sqr()?.sum_keepdim(3)?.sqrt()?;
                let q = q.broadcast_div(&norms)?;
                flows.map(|flow| reflect(&q.narrow(1, flow, 1)?.squeeze(1)?)).collect()
            }
            _ => flows.map(|flow| turned(rows, d, flow % 2 == 1, &numbers.b)).collect(),
        }
    }

    /// z_k and the log-determinants with these numbers and orthogonal columns.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn apply(z: &Tensor, numbers: &SylvesterNumbers, orthogonal: &[Tensor]) -> Result<Transformed> {
        let mut z = z.clone();
        let mut log_det = Tensor::zeros(z.dim(0)?, z.dtype(), z.device())?;
        for (flow, q) in orthogonal.iter().enumerate() {
            let of_flow = |numbers: &Tensor| -> Result<Tensor> {
                let last = numbers.rank() - 1;
                Ok(numbers.narrow(last, flow, 1)?.squeeze(last)?.contiguous()?)
            };
            let (r1, r2, b) = (of_flow(&numbers.r1)?, of_flow(&numbers.r2)?, of_flow(&numbers.b)?);
            let column = z.unsqueeze(2)?;
            let projected = r2.matmul(&q.transpose(1, 2)?.contiguous()?.matmul(&column)?)?;
            let h = ops::tanh(&(projected.squeeze(2)? + b)?)?;
            let moved = q.matmul(&r1.matmul(&h.unsqueeze(2)?)?)?.squeeze(2)?;
            z = (z + moved)?;
            let slope = (h.sqr()?.neg()? + 1.0)?;
            let product = (diagonal(&r1)? * diagonal(&r2)?)?;
            let factors = ((slope * product)? + 1.0)?;
            log_det = (log_det + factors.abs()?.log()?.sum(1)?)?;
        }
        Ok(Transformed::new(z, log_det))
    }
}

/// The diagonals `[B, M]` of matrices `[B, M, M]`.
fn diagonal(matrices: &Tensor) -> Result<Tensor> {
    let unit = Tensor::eye(matrices.dim(1)?, matrices.dtype(), matrices.device())?;
    Ok(matrices.broadcast_mul(&unit.unsqueeze(0)?)?.sum(2)?)
}

/// `A ← A (I + ½ (I − AᵀA))` from matrices `[N, D, M]` of Frobenius norm 1, until the columns of all are orthogonal.
fn iterate(matrices: &Tensor) -> Result<Tensor> {
    let (_, d, m) = matrices.dims3()?;
    let limit = if d == m { 1e-5 } else { 1e-6 };
    let norms = matrices.sqr()?.sum_keepdim(2)?.sum_keepdim(1)?.sqrt()?;
    let mut a = matrices.broadcast_div(&norms)?;
    let unit = Tensor::eye(m, a.dtype(), a.device())?.unsqueeze(0)?;
    for _ in 0..MOST_STEPS {
        let gap = unit.broadcast_sub(&a.transpose(1, 2)?.contiguous()?.matmul(&a)?)?;
        let largest = gap.detach().sqr()?.flatten_from(1)?.sum(1)?.max(0)?;
        if largest.to_dtype(DType::F64)?.to_scalar::<f64>()?.sqrt() <= limit {
            break;
        }
        a = a.matmul(&unit.broadcast_add(&(gap * 0.5)?)?)?;
    }
    Ok(a)
}

/// `P_H … P₁` with `P = I − 2 v vᵀ` for unit vectors v `[B, H, D]`.
fn reflect(vectors: &Tensor) -> Result<Tensor> {
    let (rows, count, d) = vectors.dims3()?;
    let unit = Tensor::eye(d, vectors.dtype(), vectors.device())?.unsqueeze(0)?;
    let mut product = unit.broadcast_as((rows, d, d))?.contiguous()?;
    for index in 0..count {
        let v = vectors.narrow(1, index, 1)?.contiguous()?;
        let outer = (v.transpose(1, 2)?.contiguous()?.matmul(&v.matmul(&product)?)? * 2.0)?;
        product = (product - outer)?;
    }
    Ok(product)
}

/// The identity, or the reversal of the coordinates, for each row.
fn turned(rows: usize, d: usize, reversed: bool, like: &Tensor) -> Result<Tensor> {
    let unit = Tensor::eye(d, like.dtype(), like.device())?;
    let unit = if reversed { unit.flip(&[1])? } else { unit };
    Ok(unit.unsqueeze(0)?.broadcast_as((rows, d, d))?.contiguous()?)
}

impl Posterior for Sylvester {
    fn transform(&self, z: &Tensor, features: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        let numbers = self.numbers(features)?;
        Self::apply(z, &numbers, &self.orthogonal(&numbers)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }
}
