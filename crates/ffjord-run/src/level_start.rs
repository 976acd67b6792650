//! The maps that a flow of images starts with, fitted to the levels of the training images.

use ffjord_data::Images;

/// Images that the neighbours' distribution of levels counts for, and those that the channel's counts for.
const OF_NEIGHBOURS: f64 = 20.0;
const OF_CHANNEL: f64 = 5.0;
/// What every level has beside that, so that none is impossible.
const EXTRA: f64 = 0.02;

/// How likely each level is at each pixel, `[D, L]` and not normalised: counted over the images, and smoothed by the pixels
/// around and by the whole channel. With `flips` a pixel has the counts of its mirror image, too.
pub(crate) fn level_probabilities(images: &Images, flips: bool) -> Vec<f64> {
    let ([channels, height, width], levels) = (images.shape(), images.levels());
    let mut counts = vec![0.0; images.dimension() * levels];
    for image in (0..images.len()).filter_map(|index| images.get(index)) {
        for (pixel, level) in image.iter().enumerate() {
            counts[pixel * levels + usize::from(*level)] += 1.0;
            if flips {
                let (line, column) = (pixel / width, pixel % width);
                counts[(line * width + width - 1 - column) * levels + usize::from(*level)] += 1.0;
            }
        }
    }
    let mut probabilities = Vec::with_capacity(counts.len());
    for channel in 0..channels {
        let of_channel = &counts[channel * height * width * levels..][..height * width * levels];
        let everywhere = normalised(levels, of_channel.chunks_exact(levels));
        for (line, column) in (0..height).flat_map(|line| (0..width).map(move |column| (line, column))) {
            let around = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
            let pixels = around(line, height).flat_map(|y| around(column, width).map(move |x| y * width + x));
            let near = normalised(levels, pixels.map(|pixel| &of_channel[pixel * levels..][..levels]));
            let own = &of_channel[(line * width + column) * levels..][..levels];
            let all = own.iter().zip(&near).zip(&everywhere);
            probabilities.extend(
                all.map(|((own, near), everywhere)| own + OF_NEIGHBOURS * near + OF_CHANNEL * everywhere + EXTRA),
            );
        }
    }
    probabilities
}

/// The sum of counts over pixels, divided by its own sum.
fn normalised<'a>(levels: usize, pixels: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
    let mut sums = vec![0.0; levels];
    for counts in pixels {
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    let total = sums.iter().sum::<f64>().max(1.0);
    sums.iter().map(|sum| sum / total).collect()
}

#[cfg(test)]
mod tests {
    use super::level_probabilities;
    use ffjord_data::Images;

    #[test]
    fn counts_are_smoothed_by_the_pixels_around_and_by_the_channel() -> Result<(), ffjord_data::DataError> {
        // Two images of 1 × 4 pixels with two levels.
        let images = Images::new([1, 1, 4], 2, vec![1, 0, 0, 0, 1, 0, 0, 1])?;
        let bright: Vec<f64> = level_probabilities(&images, false)
            .chunks(2)
            .map(|pair| pair[1])
            .collect();
        for (index, (own, near)) in [(2.0, 0.5), (0.0, 2.0 / 6.0), (0.0, 1.0 / 6.0), (1.0, 0.25)]
            .into_iter()
            .enumerate()
        {
            let expected = own + 20.0 * near + 5.0 * 3.0 / 8.0 + 0.02;
            assert!((bright[index] - expected).abs() < 1e-12, "{bright:?}");
        }
        // Turned images are images as well.
        let both = level_probabilities(&images, true);
        assert_eq!(both[..2], both[6..]);
        Ok(())
    }
}
