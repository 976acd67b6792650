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
        let numbers: Vec<f32> = (0..SIZE * SIZE)
            .map(|i| ((i * 7919) % 1000) as f32 * 2e-3 - 1.0)
            .collect();
        Ok(Self {
            kernels_gflops: by_kernels(&numbers),
            candle_gflops: by_candle(&numbers)?,
        })
    }

    /// The larger of the two.
    pub fn gflops(&self) -> f64 {
        self.kernels_gflops.max(self.candle_gflops)
    }
}

fn speed(fastest_seconds: f64) -> f64 {
    2.0 * (SIZE * SIZE * SIZE) as f64 / fastest_seconds * 1e-9
}

fn by_kernels(numbers: &[f32]) -> f64 {
    let level = SimdLevel::detect();
    let mut right = PackedMatrix::zeros(level, SIZE, SIZE);
    right.fill_with(|k, n| numbers[n * SIZE + k]);
    let mut product = vec![0.0; SIZE * SIZE];
    let share = SIZE.div_ceil(rayon::current_num_threads()) * SIZE;
    let seconds = (0..REPETITIONS).map(|_| {
        let clock = Instant::now();
        let halves = product.par_chunks_mut(share).zip(numbers.par_chunks(share));
        halves.for_each(|(to, from)| {
            let (from, to) = (
                Rows {
                    data: from,
                    stride: SIZE,
                },
                RowsMut { data: to, stride: SIZE },
            );
            multiply(level, from, &right, &[], to);
        });
        clock.elapsed().as_secs_f64()
    });
    speed(seconds.fold(f64::INFINITY, f64::min))
}

/// A square product on this thread, in 10⁹ operations a second: the fastest of a few.
pub(super) fn one_thread_gflops() -> f64 {
    const SIZE: usize = 512;
    let level = SimdLevel::detect();
    let numbers: Vec<f32> = (0..SIZE * SIZE)
        .map(|i| ((i * 7919) % 1000) as f32 * 2e-3 - 1.0)
        .collect();
    let mut right = PackedMatrix::zeros(level, SIZE, SIZE);
    right.fill_with(|k, n| numbers[n * SIZE + k]);
    let mut product = vec![0.0; SIZE * SIZE];
    let seconds = (0..REPETITIONS).map(|_| {
        let clock = Instant::now();
        let left = Rows {
            data: &numbers,
            stride: SIZE,
        };
        let to = RowsMut {
            data: &mut product,
            stride: SIZE,
        };
        multiply(level, left, &right, &[], to);
        clock.elapsed().as_secs_f64()
    });
    2.0 * (SIZE * SIZE * SIZE) as f64 / seconds.fold(f64::INFINITY, f64::min) * 1e-9
}

fn by_candle(numbers: &[f32]) -> Result<f64> {
    let matrix = Tensor::from_slice(numbers, (SIZE, SIZE), &Device::Cpu)?;
    let mut fastest = f64::INFINITY;
    for _ in 0..REPETITIONS {
        let clock = Instant::now();
        matrix.matmul(&matrix)?;
        fastest = fastest.min(clock.elapsed().as_secs_f64());
    }
    Ok(speed(fastest))
}
