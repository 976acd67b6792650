//! What the pictures show, read back from their pixels.

use ffjord_files::FileError;
use ffjord_plot::{
    Content, CurvePanel, Figure, Grid, PairPlotOptions, Panel, PanelOptions, PlotError, Scale, Series, Trajectories,
    Window, density_map, pair_plot, samples, scatter, side_by_side, training_curves, trajectories,
};

fn brightness(pixel: [u8; 3]) -> u32 {
    pixel.into_iter().map(u32::from).sum()
}

/// The pixels of the plot of a panel without texts and colour bar: everything between the two longest dark lines.
fn frame(figure: &Figure) -> (u32, u32, u32, u32) {
    let spine = |x, y| {
        figure
            .pixel(x, y)
            .is_some_and(|p| p.iter().all(|&c| c < 140) && p[0] == p[1] && p[1] == p[2])
    };
    let columns: Vec<u32> = (0..figure.width())
        .filter(|&x| (0..figure.height()).filter(|&y| spine(x, y)).count() as u32 * 2 > figure.height())
        .collect();
    let rows: Vec<u32> = (0..figure.height())
        .filter(|&y| (0..figure.width()).filter(|&x| spine(x, y)).count() as u32 * 2 > figure.width())
        .collect();
    (columns[0], rows[0], *columns.last().unwrap(), *rows.last().unwrap())
}

fn at(figure: &Figure, u: f64, v: f64) -> [u8; 3] {
    let (left, top, right, bottom) = frame(figure);
    let x = f64::from(left) + u * f64::from(right - left);
    let y = f64::from(bottom) - v * f64::from(bottom - top);
    figure.pixel(x as u32, y as u32).unwrap()
}

fn bump(cx: f64, cy: f64) -> Grid {
    let f = |x: f64, y: f64| (-4.0 * ((x - cx).powi(2) + (y - cy).powi(2))).exp() as f32;
    // A floor keeps the background from being as dark as the frame that the test looks for.
    Grid::from_fn(Window::square(2.0).unwrap(), 80, 80, |x, y| f(x, y) + 0.3).unwrap()
}

fn plain() -> PanelOptions {
    PanelOptions::default().without_color_bar()
}

#[test]
fn a_density_is_brightest_at_its_peak_and_y_points_upwards() {
    let figure = density_map(&bump(1.0, 1.0), &plain()).unwrap();
    let peak = brightness(at(&figure, 0.75, 0.75));
    for (u, v) in [(0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.5, 0.5)] {
        assert!(peak > brightness(at(&figure, u, v)) + 100, "({u}, {v})");
    }
}

#[test]
fn both_axes_have_the_same_scale() {
    let window = Window::new(-4.0..4.0, -2.0..2.0).unwrap();
    let grid = Grid::from_fn(window, 40, 20, |x, _| x as f32 + 8.0).unwrap();
    let (left, top, right, bottom) = frame(&density_map(&grid, &plain()).unwrap());
    let (width, height) = (f64::from(right - left), f64::from(bottom - top));
    assert!((width / height - 2.0).abs() < 0.02, "{width} x {height}");
}

#[test]
fn a_histogram_is_bright_where_the_points_are() {
    let points: Vec<[f32; 2]> = (0..500).map(|i| [1.0 + 0.0001 * i as f32, -1.0]).collect();
    let window = Window::square(2.0).unwrap();
    let figure = samples(&points, &plain().window(window.clone())).unwrap();
    let image = figure.to_png().unwrap();
    let brightest = |figure: &Figure| {
        let all = (0..figure.height()).flat_map(|y| (0..figure.width()).map(move |x| (x, y)));
        all.filter(|&(x, y)| figure.pixel(x, y).is_some_and(|p| p[0] > 200 && p[2] < 180))
            .collect::<Vec<_>>()
    };
    let spots = brightest(&figure);
    assert!(!spots.is_empty());
    let (mean_x, mean_y) = spots
        .iter()
        .fold((0.0, 0.0), |(a, b), &(x, y)| (a + f64::from(x), b + f64::from(y)));
    assert!(
        mean_x / spots.len() as f64 > 0.6 * f64::from(figure.width()),
        "right of the middle"
    );
    assert!(
        mean_y / spots.len() as f64 > 0.6 * f64::from(figure.height()),
        "below the middle"
    );
    assert_eq!(
        image,
        samples(&points, &plain().window(window)).unwrap().to_png().unwrap(),
        "same bytes every time"
    );
}

#[test]
fn dots_are_drawn_at_their_place() {
    let figure = scatter(&[[1.0, 1.0]], &plain().window(Window::square(2.0).unwrap())).unwrap();
    assert!(brightness(at(&figure, 0.75, 0.75)) < 500);
    assert_eq!(at(&figure, 0.75, 0.25), [255, 255, 255]);
}

#[test]
fn a_row_of_panels_is_as_wide_as_its_panels() {
    let grid = bump(0.0, 0.0);
    let one = density_map(&grid, &plain()).unwrap();
    let panels = vec![Panel::new(Content::Density(&grid), plain()); 3];
    let three = side_by_side(&panels, "").unwrap();
    assert_eq!(three.height(), one.height());
    assert!(three.width() > 2 * one.width() && three.width() < 4 * one.width());
}

#[test]
fn trajectories_are_dark_at_the_start_and_light_at_the_end() {
    let times = [0.0, 0.5, 1.0];
    let paths = [vec![[-1.5, 0.0], [0.0, 0.0], [1.5, 0.0]]];
    let options = plain()
        .color_map(ffjord_plot::ColorMap::Viridis)
        .window(Window::square(2.0).unwrap());
    let figure = trajectories(Trajectories::new(&times, &paths), &options).unwrap();
    // The line is thinner than the rounding of the test's frame: take the strongest ink near it.
    let ink = |u: f64| {
        (-4..=4)
            .map(|d| at(&figure, u, 0.5 + f64::from(d) / 600.0))
            .min_by_key(|&p| brightness(p))
            .unwrap()
    };
    let (early, late) = (ink(0.3), ink(0.7));
    assert!(
        late[1] > early[1] && brightness(early) < 700 && brightness(late) < 700,
        "{early:?} {late:?}"
    );
}

#[test]
fn a_falling_curve_runs_from_upper_left_to_lower_right_on_both_scales() {
    let points: Vec<(f64, f64)> = (0..100)
        .map(|i| (f64::from(i), 10_f64.powf(2.0 - f64::from(i) / 25.0)))
        .collect();
    for scale in [Scale::Linear, Scale::Log] {
        let figure = training_curves(&[CurvePanel::new(vec![Series::new("", &points)]).scale(scale)], "").unwrap();
        let blue = |x: u32, y: u32| figure.pixel(x, y).is_some_and(|p| p[2] > 150 && p[0] < 60);
        let height_at = |x: u32| (0..figure.height()).find(|&y| blue(x, y));
        let drawn: Vec<u32> = (0..figure.width()).filter_map(height_at).collect();
        assert!(drawn.len() > 500);
        assert!(
            drawn.windows(2).all(|pair| pair[0] <= pair[1] + 1),
            "{scale:?}: y grows downwards"
        );
        assert!(drawn[0] + 300 < *drawn.last().unwrap(), "{scale:?}");
    }
}

#[test]
fn a_pair_plot_notes_columns_that_it_leaves_out() {
    let table = |d: usize| (0..40 * d).map(|i| ((i * 37) % 101) as f32).collect::<Vec<_>>();
    let names: Vec<String> = (0..12).map(|i| format!("c{i}")).collect();
    let options = PairPlotOptions::default();
    let eight = pair_plot(&names[..8], &table(8), &table(8), &options).unwrap();
    let twelve = pair_plot(&names, &table(12), &table(12), &options).unwrap();
    assert_eq!(eight.width(), twelve.width());
    assert!(twelve.height() > eight.height(), "the note takes a line");
}

#[test]
fn the_two_triangles_of_a_pair_plot_have_their_own_colors() {
    let held_out: Vec<f32> = (0..4000).flat_map(|i| [(i % 61) as f32, (i % 67) as f32]).collect();
    let figure = pair_plot(&["a", "b"], &held_out, &held_out, &PairPlotOptions::default()).unwrap();
    let mean = |fx: f64, fy: f64| {
        let (x, y) = (
            (fx * f64::from(figure.width())) as u32,
            (fy * f64::from(figure.height())) as u32,
        );
        figure.pixel(x, y).unwrap()
    };
    let (below, above) = (mean(0.32, 0.7), mean(0.78, 0.3));
    assert!(below[2] > below[0], "blue below the diagonal: {below:?}");
    assert!(above[0] > above[2], "orange above the diagonal: {above:?}");
}

#[test]
fn saving_replaces_the_file_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("density.png");
    std::fs::write(&path, b"old").unwrap();
    let figure = density_map(&bump(0.0, 0.0), &plain()).unwrap();
    figure.save(&path).unwrap();
    let read = image::load_from_memory(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((read.width(), read.height()), (figure.width(), figure.height()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let missing = folder.path().join("no such folder").join("a.png");
    let error = figure.save(&missing).unwrap_err();
    assert!(matches!(&error, PlotError::File(FileError::Write { path, .. }) if *path == missing));
    assert!(error.to_string().contains("no such folder"), "{error}");
}
