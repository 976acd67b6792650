//! Animations, decoded again.

use std::time::Duration;

use ffjord_plot::{Animation, AnimationFrame, AnimationOptions, Grid, PlotError, Window, animation};

fn grid(sigma: f64) -> Grid {
    let f = |x: f64, y: f64| (-0.5 * (x * x + y * y) / (sigma * sigma)).exp() as f32;
    Grid::from_fn(Window::square(3.0).unwrap(), 60, 60, f).unwrap()
}

fn film(sigmas: &[f64], options: &AnimationOptions) -> Result<Animation, PlotError> {
    let grids: Vec<Grid> = sigmas.iter().map(|&sigma| grid(sigma)).collect();
    let points: Vec<Vec<[f32; 2]>> = sigmas
        .iter()
        .map(|&s| {
            (0..200)
                .map(|i| [(f64::from(i) * 0.7).sin() as f32 * s as f32, 0.0])
                .collect()
        })
        .collect();
    let frames: Vec<_> = grids
        .iter()
        .zip(&points)
        .enumerate()
        .map(|(i, (density, points))| AnimationFrame {
            t: i as f64 * 0.1,
            density,
            points,
        })
        .collect();
    animation(&frames, options)
}

/// All frames with the parts that did not change filled in, as palette entries; and their delays.
fn decode(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<u16>, Vec<u8>) {
    let mut decoder = gif::DecodeOptions::new().read_info(bytes).unwrap();
    let stride = usize::from(decoder.width());
    let mut screen = vec![255; stride * usize::from(decoder.height())];
    let (mut frames, mut delays) = (Vec::new(), Vec::new());
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        assert!(frame.palette.is_none(), "all frames share the palette of the file");
        for (i, &entry) in frame.buffer.iter().enumerate() {
            let (x, y) = (i % usize::from(frame.width), i / usize::from(frame.width));
            if frame.transparent != Some(entry) {
                screen[(y + usize::from(frame.top)) * stride + x + usize::from(frame.left)] = entry;
            }
        }
        frames.push(screen.clone());
        delays.push(frame.delay);
    }
    (frames, delays, decoder.global_palette().unwrap().to_vec())
}

#[test]
fn every_frame_is_there_with_its_delay_and_nothing_is_left_open() {
    let options = AnimationOptions {
        height: 120,
        hold: Duration::from_secs(2),
        ..AnimationOptions::default()
    };
    let gif = film(&[1.0, 0.8, 0.6, 0.5], &options).unwrap();
    let (frames, delays, palette) = decode(gif.bytes());
    assert_eq!(frames.len(), 4);
    assert_eq!(delays, [8, 8, 8, 200]);
    assert_eq!(palette.len(), 768);
    assert!(frames.iter().flatten().all(|&entry| entry != 255));
    assert!(frames.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(
        gif,
        film(&[1.0, 0.8, 0.6, 0.5], &options).unwrap(),
        "same bytes every time"
    );
}

#[test]
fn unchanged_frames_cost_little_and_do_not_flicker() {
    let options = AnimationOptions {
        height: 120,
        ..AnimationOptions::default()
    };
    let one = film(&[1.0], &options).unwrap();
    let many = film(&[1.0; 9], &options).unwrap();
    // Only the text "t = …" changes.
    assert!(
        many.bytes().len() < 2 * one.bytes().len(),
        "{} {}",
        many.bytes().len(),
        one.bytes().len()
    );
    let (frames, ..) = decode(many.bytes());
    let bottom = |frame: &[u8]| frame[frame.len() / 2..].to_vec();
    assert!(frames.iter().all(|frame| bottom(frame) == bottom(&frames[0])));
}

#[test]
fn wrong_input_is_refused() {
    let options = AnimationOptions::default();
    assert!(matches!(animation(&[], &options), Err(PlotError::Empty { .. })));
    let density = grid(1.0);
    let other = Grid::new(Window::square(1.0).unwrap(), 1, 1, vec![1.0]).unwrap();
    let frame = AnimationFrame {
        t: 0.0,
        density: &density,
        points: &[],
    };
    assert!(matches!(animation(&[frame], &options), Err(PlotError::Empty { .. })));
    let frame = AnimationFrame {
        points: &[[0.0, 0.0], [f32::NAN, 0.0]],
        ..frame
    };
    assert_eq!(animation(&[frame], &options).unwrap().skipped(), 1);
    let frames = [
        frame,
        AnimationFrame {
            density: &other,
            ..frame
        },
    ];
    assert!(matches!(
        animation(&frames, &options),
        Err(PlotError::FrameWindow { frame: 1 })
    ));
    for height in [0, u32::MAX] {
        let options = AnimationOptions {
            height,
            ..AnimationOptions::default()
        };
        assert!(
            matches!(animation(&[frame], &options), Err(PlotError::PlotHeight { .. })),
            "{height}"
        );
    }
}

#[test]
fn saving_leaves_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow.gif");
    let gif = film(
        &[1.0, 0.5],
        &AnimationOptions {
            height: 80,
            ..AnimationOptions::default()
        },
    )
    .unwrap();
    gif.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), gif.bytes());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
