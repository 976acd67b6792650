//! Pixels that become channels.

use candle_core::{Result, Tensor};

/// Every cell of r × r pixels as r² channels, `[B, C, rH, rW] → [B, C r², H, W]`: pixel (i, j) of a cell of channel c goes
/// to channel `(c r + i) r + j`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops::{squeeze, unsqueeze};
///
/// let x = Tensor::arange(0f64, 8.0, &Device::Cpu)?.reshape((1, 1, 2, 4))?;
/// let y = squeeze(&x, 2)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f64>()?, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
/// assert_eq!((unsqueeze(&y, 2)? - x)?.abs()?.sum_all()?.to_scalar::<f64>()?, 0.0);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// Unless these are images whose height and width are multiples of r.
pub fn squeeze(x: &Tensor, r: usize) -> Result<Tensor> {
    let (rows, channels, height, width) = x.dims4()?;
    if r == 0 || !height.is_multiple_of(r) || !width.is_multiple_of(r) {
        candle_core::bail!("images of {height}×{width} have no cells of {r}×{r} pixels: their sides must be multiples")
    }
    let (height, width) = (height / r, width / r);
    let cells = x.reshape(vec![rows, channels, height, r, width, r])?;
    let cells = cells.permute([0, 1, 3, 5, 2, 4].as_slice())?.contiguous()?;
    cells.reshape((rows, channels * r * r, height, width))
}

/// The images whose [`squeeze`] is `y`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops::unsqueeze;
/// // Four channels become the cell [[0, 1], [2, 3]].
/// let y = Tensor::arange(0f32, 4.0, &Device::Cpu)?.reshape((1, 4, 1, 1))?;
/// let x = unsqueeze(&y, 2)?;
/// assert_eq!((x.dims(), x.flatten_all()?.to_vec1::<f32>()?), (&[1, 1, 2, 2][..], vec![0.0, 1.0, 2.0, 3.0]));
/// assert!(unsqueeze(&x, 2).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Unless these are images with a multiple of r² channels.
pub fn unsqueeze(y: &Tensor, r: usize) -> Result<Tensor> {
    let (rows, channels, height, width) = y.dims4()?;
    if r == 0 || !channels.is_multiple_of(r * r) {
        candle_core::bail!(
            "{channels} channels are no cells of {r}×{r} pixels: a multiple of {} is needed",
            r * r
        )
    }
    let channels = channels / (r * r);
    let cells = y.reshape(vec![rows, channels, r, r, height, width])?;
    let cells = cells.permute([0, 1, 4, 2, 5, 3].as_slice())?.contiguous()?;
    cells.reshape((rows, channels, r * height, r * width))
}
