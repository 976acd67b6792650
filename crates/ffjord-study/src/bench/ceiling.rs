//! The fastest matrix product of the machine, which workloads are compared with.

use crate::error::Result;
use candle_core::{Device, Tensor};
use ffjord_kernels::linalg::{PackedMatrix, Rows, RowsMut, multiply};
use ffjord_kernels::simd::SimdLevel;
use rayon::prelude::*;
use serde::Serialize;
use std::time::Instant;

/// Rows and columns of the product.
const SIZE: usize = 2_000;

/// Products of which the fastest counts.
const REPETITIONS: usize = 6;

/// Speeds of a square `f32` product over all threads of the pool, in 10⁹ operations a second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ceiling {
    /// By the packed product of the kernels, the rows cut evenly over the threads.
    pub kernels_gflops: f64,
    /// By candle's product.
    pub candle_gflops: f64,
}

impl Ceiling {
    /// Measures both.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn measure() -> Result<Self> {
        Ok(Self {
            kernels_gflops: by_kernels(SIZE, rayon::current_num_threads()),
            candle_gflops: by_candle()?,
        })
    }

    /// The larger of the two.
    pub fn gflops(&self) -> f64 {
        self.kernels_gflops.max(self.candle_gflops)
    }
}

fn numbers(size: usize) -> Vec<f32> {
    (0..size * size)
        .map(|i| ((i * 7919) % 1000) as f32 * 2e-3 - 1.0)
        .collect()
}

fn speed(size: usize, fastest_seconds: f64) -> f64 {
    2.0 * (size * size * size) as f64 / fastest_seconds * 1e-9
}

/// A square product of so many rows, cut evenly for so many threads, in 10⁹ operations a second: the fastest of a few.
pub(super) fn by_kernels(size: usize, threads: usize) -> f64 {
    let (level, numbers) = (SimdLevel::detect(), numbers(size));
    let mut right = PackedMatrix::zeros(level, size, size);
    right.fill_with(|k, n| numbers[n * size + k]);
    let mut product = vec![0.0; size * size];
    let share = size.div_ceil(threads) * size;
    let seconds = (0..REPETITIONS).map(|_| {
        let clock = Instant::now();
        let parts = product.par_chunks_mut(share).zip(numbers.par_chunks(share));
        parts.for_each(|(to, from)| {
            let (from, to) = (
                Rows {
                    data: from,
                    stride: size,
                },
                RowsMut { data: to, stride: size },
            );
            multiply(level, from, &right, &[], to);
        });
        clock.elapsed().as_secs_f64()
    });
    speed(size, seconds.fold(f64::INFINITY, f64::min))
}

fn by_candle() -> Result<f64> {
    let matrix = Tensor::from_vec(numbers(SIZE), (SIZE, SIZE), &Device::Cpu)?;
    let mut fastest = f64::INFINITY;
    for _ in 0..REPETITIONS {
        let clock = Instant::now();
        matrix.matmul(&matrix)?;
        fastest = fastest.min(clock.elapsed().as_secs_f64());
    }
    Ok(speed(SIZE, fastest))
}
