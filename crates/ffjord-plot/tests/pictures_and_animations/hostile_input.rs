//! Empty, non-finite and degenerate input gives a typed error or a picture, never a panic.

use ffjord_plot::{
    Content, CurvePanel, Grid, PairPlotOptions, Panel, PanelOptions, PlotError, Scale, Series, Trajectories, Window,
    density_map, pair_plot, samples, scatter, side_by_side, training_curves, trajectories,
};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

fn options() -> PanelOptions {
    PanelOptions::default()
}

#[test]
fn windows_must_be_finite_and_of_positive_size() {
    for x in [
        0.0..0.0,
        1.0..-1.0,
        f64::NAN..1.0,
        0.0..f64::INFINITY,
        1.0..1.0 + 1e-15,
        -1e300..1e300,
    ] {
        let result = Window::new(x.clone(), 0.0..1.0);
        assert!(matches!(result, Err(PlotError::Range { axis: "x", .. })), "{x:?}");
    }
    assert!(matches!(Window::square(-1.0), Err(PlotError::Range { .. })));
}

#[test]
fn a_grid_must_be_filled() {
    let window = Window::square(1.0).unwrap();
    for (nx, ny, n) in [(0, 0, 0), (2, 3, 5), (0, 4, 0), (usize::MAX, 2, 4)] {
        assert!(matches!(
            Grid::new(window.clone(), nx, ny, vec![0.0; n]),
            Err(PlotError::GridSize { .. })
        ));
    }
}

#[test]
fn densities_with_missing_constant_or_no_values() {
    let window = Window::square(1.0).unwrap();
    let grid = |values: Vec<f32>| Grid::new(window.clone(), 2, 2, values).unwrap();
    assert_eq!(
        density_map(&grid(vec![1.0, NAN, INF, 2.0]), &options())
            .unwrap()
            .skipped(),
        2
    );
    assert_eq!(density_map(&grid(vec![3.0; 4]), &options()).unwrap().skipped(), 0);
    assert_eq!(density_map(&grid(vec![0.0; 4]), &options()).unwrap().skipped(), 0);
    assert_eq!(
        density_map(&grid(vec![f32::MAX, f32::MIN, 0.0, 1e-45]), &options())
            .unwrap()
            .skipped(),
        0
    );
    let none = density_map(&grid(vec![NAN; 4]), &options());
    assert!(matches!(none, Err(PlotError::NothingFinite { total: 4, .. })));
    assert!(density_map(&Grid::new(window, 1, 1, vec![1.0]).unwrap(), &options()).is_ok());
}

#[test]
fn points_that_are_not_finite_are_counted() {
    let points = [[0.0, 1.0], [NAN, 0.0], [1.0, INF], [2.0, 2.0]];
    for draw in [samples, scatter] {
        assert_eq!(draw(&points, &options()).unwrap().skipped(), 2);
        assert!(matches!(draw(&[], &options()), Err(PlotError::Empty { .. })));
        assert!(matches!(
            draw(&[[NAN, 0.0]], &options()),
            Err(PlotError::NothingFinite { .. })
        ));
        assert!(draw(&[[0.0, 0.0]; 5], &options()).is_ok(), "all at the origin");
        assert!(draw(&[[-7.5, 3.25]; 5], &options()).is_ok(), "all equal");
        assert!(
            draw(&[[f32::MAX, f32::MIN], [f32::MIN, f32::MAX]], &options()).is_ok(),
            "the largest numbers"
        );
        assert!(
            draw(&[[1e-45, 0.0], [0.0, 1e-45]], &options()).is_ok(),
            "the smallest numbers"
        );
        assert!(
            draw(&[[1e9, 0.0], [1e9, 1e-9]], &options()).is_ok(),
            "no span beside the size"
        );
    }
    assert!(matches!(side_by_side(&[], "none"), Err(PlotError::Empty { .. })));
    let bad = [Panel::new(Content::Scatter(&[]), options())];
    assert!(matches!(side_by_side(&bad, ""), Err(PlotError::Empty { .. })));
}

#[test]
fn trajectories_need_a_point_for_each_time() {
    let path = vec![[0.0, 0.0], [1.0, NAN], [2.0, 2.0]];
    let draw = |times: &[f64], paths: &[Vec<[f32; 2]>]| trajectories(Trajectories::new(times, paths), &options());
    assert_eq!(
        draw(&[1.0, 0.5, 0.0], std::slice::from_ref(&path)).unwrap().skipped(),
        1
    );
    assert!(matches!(
        draw(&[0.0, 1.0], std::slice::from_ref(&path)),
        Err(PlotError::TrajectoryLength { path: 0, .. })
    ));
    assert!(matches!(
        draw(&[0.0], &[vec![[0.0, 0.0]]]),
        Err(PlotError::TrajectoryLength { times: 1, .. })
    ));
    assert!(matches!(
        draw(&[0.0, 0.0, 0.0], std::slice::from_ref(&path)),
        Err(PlotError::Range { axis: "time", .. })
    ));
    assert!(matches!(
        draw(&[0.0, f64::NAN, 1.0], &[path]),
        Err(PlotError::Range { .. })
    ));
    assert!(matches!(draw(&[0.0, 1.0], &[]), Err(PlotError::Empty { .. })));
    assert!(matches!(
        draw(&[0.0, 1.0], &[vec![[NAN; 2]; 2]]),
        Err(PlotError::NothingFinite { .. })
    ));
}

#[test]
fn curves_skip_what_their_axis_cannot_show() {
    let points = [
        (0.0, 1.0),
        (1.0, -1.0),
        (2.0, 0.0),
        (3.0, f64::NAN),
        (4.0, 1e308),
        (5.0, 10.0),
    ];
    let draw = |points: &[(f64, f64)], scale| {
        let panel = CurvePanel::new(vec![Series::new("a", points).smoothed(3)]).scale(scale);
        training_curves(&[panel], "")
    };
    assert_eq!(draw(&points, Scale::Linear).unwrap().skipped(), 2);
    assert_eq!(draw(&points, Scale::Log).unwrap().skipped(), 4);
    assert!(draw(&[(1.0, 5.0)], Scale::Log).is_ok(), "a single point");
    assert!(draw(&[(1.0, 5.0); 9], Scale::Linear).is_ok(), "all equal");
    assert!(matches!(
        draw(&[(0.0, -1.0)], Scale::Log),
        Err(PlotError::NothingFinite { .. })
    ));
    assert!(matches!(draw(&[], Scale::Linear), Err(PlotError::Empty { .. })));
    assert!(matches!(training_curves(&[], ""), Err(PlotError::Empty { .. })));
}

#[test]
fn pair_plots_check_both_tables() {
    let texts = PairPlotOptions::default();
    let draw = |held_out: &[f32], samples: &[f32]| pair_plot(&["a", "b"], held_out, samples, &texts);
    let table = [0.0, 1.0, 2.0, 3.0];
    assert_eq!(draw(&[0.0, NAN, 2.0, 3.0], &[INF, 1.0]).unwrap().skipped(), 2);
    assert!(draw(&[1.0; 8], &[1.0; 8]).is_ok(), "all equal");
    assert!(draw(&table, &[1e9; 4]).is_ok(), "no sample in the window");
    assert!(matches!(
        draw(&table, &[0.0; 3]),
        Err(PlotError::Columns {
            what: "samples",
            given: 3,
            columns: 2
        })
    ));
    assert!(matches!(draw(&table, &[]), Err(PlotError::Empty { what: "samples" })));
    assert!(matches!(
        draw(&[NAN, 1.0], &table),
        Err(PlotError::NothingFinite { .. })
    ));
    assert!(pair_plot(&["alone"], &table, &table, &texts).is_ok());
    let unnamed: [&str; 0] = [];
    assert!(matches!(
        pair_plot(&unnamed, &table, &table, &texts),
        Err(PlotError::Empty { .. })
    ));
}
