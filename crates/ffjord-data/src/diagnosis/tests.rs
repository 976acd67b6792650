//! What is found in tables, and what is not.

use super::*;

/// Numbers without a pattern, in (−0.5, 0.5).
fn noise(row: usize, column: usize) -> f64 {
    let x = ((row * 7 + column * 131 + 1) as f64 * 12.9898).sin() * 43758.5453;
    x - x.round()
}

fn table(columns: usize, value: impl Fn(usize, usize) -> f64) -> Matrix<f64> {
    let values = (0..400).flat_map(|row| (0..columns).map(move |column| (row, column)));
    Matrix::new(400, columns, values.map(|(row, column)| value(row, column)).collect()).unwrap()
}

fn found(table: &Matrix<f64>) -> Vec<Finding> {
    diagnose(table, 324, None)
}

#[test]
fn ordinary_tables_are_silent() {
    assert_eq!(found(&table(3, noise)), []);
    // Six decimals are a lattice, but none that a density could use.
    assert_eq!(
        found(&table(3, |row, column| (noise(row, column) * 1e6).round() / 1e6)),
        []
    );
    // Large offsets cost nothing, since scaling is done in double precision.
    assert_eq!(found(&table(2, |row, column| 1e9 + noise(row, column))), []);
}

#[test]
fn lattices_spikes_and_indices_are_found() {
    let stars = |row: usize| (noise(row, 0) * 4.9).round() + 3.0;
    let cents = |row: usize| (noise(row, 1) * 100.0).round() / 100.0;
    let rained = |row: usize| if row.is_multiple_of(3) { 0.0 } else { noise(row, 2) };
    let columns = [&stars as &dyn Fn(usize) -> f64, &cents, &rained, &|row| row as f64];
    let found = found(&table(4, |row, column| columns[column](row)));
    let [
        Finding::OnLattice {
            column: 0,
            lattice: stars,
            ..
        },
        Finding::OnLattice {
            column: 1,
            lattice: cents,
            ..
        },
        Finding::Spike {
            column: 2,
            value: 0.0,
            share,
        },
        Finding::CountsRows { column: 3 },
    ] = found.as_slice()
    else {
        panic!("{found:?}");
    };
    assert_eq!(stars.step, 1.0);
    assert!((cents.step - 0.01).abs() < 1e-12 && (share - 1.0 / 3.0).abs() < 0.01);
    let names = ["stars", "cents", "rain", "index"].map(String::from);
    let words = ["`stars`", "step 0.01 (", "34 %", "data.drop=[\"index\"]"];
    for (finding, word) in found.iter().zip(words) {
        let said = finding.describe(&names);
        assert!(said.contains(word) && !finding.is_fatal(), "{said}");
    }
}

#[test]
fn few_values_are_found_on_no_lattice_either() {
    let level = |row: usize| noise(row % 40, 5);
    let counts = |row: usize| (1.0 + (row * row % 13) as f64).ln();
    let found = found(&table(
        2,
        |row, column| if column == 0 { level(row) } else { counts(row) },
    ));
    let [
        Finding::FewValues {
            column: 0,
            distinct: 40,
        },
        Finding::FewValues { column: 1, .. },
    ] = found[..]
    else {
        panic!("{found:?}");
    };
    assert!(
        found[0]
            .describe(&["level".to_string()])
            .contains("`level` takes few values (40 different ones)")
    );
    // A spike of half the rows leaves the others as they are, and has no sign.
    let rained = table(1, |row, column| {
        if row.is_multiple_of(2) {
            -0.0
        } else {
            noise(row, column)
        }
    });
    let found = diagnose(&rained, 324, None);
    assert!(found[0].describe(&[]).contains("`0` is 0 in 50 %"), "{found:?}");
}

#[test]
fn indices_are_found_in_any_order() {
    let index = |row: usize| (row * 7 % 400) as f64;
    let gaps = |row: usize| (1000 + row + row / 5) as f64;
    let times = |row: usize| 1.7e9 + 60.0 * row as f64;
    let columns = [&index as &dyn Fn(usize) -> f64, &gaps, &times];
    let found = found(&table(3, |row, column| columns[column](row)));
    assert_eq!(found, [0, 1, 2].map(|column| Finding::CountsRows { column }));
}

#[test]
fn copies_and_sums_are_found() {
    let found = found(&table(4, |row, column| match column {
        2 => noise(row, 0),
        3 => 2.0 * noise(row, 0) - noise(row, 1) + 5.0,
        _ => noise(row, column),
    }));
    assert_eq!(
        found,
        [
            Finding::Copy { column: 2, of: 0 },
            Finding::Dependent {
                column: 3,
                of: vec![0, 1]
            }
        ]
    );
}

#[test]
fn what_no_number_holds_is_fatal() {
    let large = table(2, |row, column| {
        noise(row, column) * if column == 1 { 1e200 } else { 1.0 }
    });
    let small = table(2, |row, column| {
        noise(row, column) * if column == 1 { 1e-200 } else { 1.0 }
    });
    for table in [large, small] {
        let found = found(&table);
        assert!(
            matches!(found[..], [Finding::OutOfRange { column: 1, .. }]),
            "{found:?}"
        );
        assert!(found[0].is_fatal());
    }
    let constant = found(&table(2, |row, column| if column == 0 { 0.1 } else { noise(row, 1) }));
    assert_eq!(constant, [Finding::Constant { column: 0, value: 0.1 }]);
}

#[test]
fn clocks_and_repeated_rows_are_found() {
    for step in [60.0, 0.1, -3.0] {
        let clock = table(2, |row, column| match column {
            0 => 1.7e9 + step * row as f64,
            _ => noise(row, 1),
        });
        assert_eq!(found(&clock), [Finding::CountsRows { column: 0 }], "{step}");
    }
    let twice = table(2, |row, column| noise(row % 200, column));
    assert!(
        found(&twice)
            .iter()
            .any(|finding| matches!(finding, Finding::RepeatedRows { share: 0.5 }))
    );
    // Two flags meet by chance.
    let flags = table(2, |row, column| f64::from(noise(row, column) > 0.0));
    assert!(
        !found(&flags)
            .iter()
            .any(|finding| matches!(finding, Finding::RepeatedRows { .. }))
    );
}

#[test]
fn an_outlier_that_takes_the_digits_is_named() {
    let table = table(2, |row, column| {
        if (row, column) == (17, 1) {
            1e9
        } else {
            noise(row, column)
        }
    });
    let scale = Standardizer::fit(&table, None, crate::ConstantColumns::Reject).unwrap();
    let found = diagnose(&table, 324, Some((&scale, true)));
    let [
        Finding::LostDigits {
            column: 1,
            distinct: 400,
            left,
            double_helps: true,
            row: 17,
            value: 1e9,
        },
    ] = found[..]
    else {
        panic!("{found:?}");
    };
    assert!(left < 100, "{left}");
    // Double precision has its limits, too, and is no remedy then.
    assert_eq!(diagnose(&table, 324, Some((&scale, false))), []);
    let mut farther = table.clone();
    farther.as_mut_slice()[2 * 17 + 1] = 1e30;
    let scale = Standardizer::fit(&farther, None, crate::ConstantColumns::Reject).unwrap();
    for single in [true, false] {
        let found = diagnose(&farther, 324, Some((&scale, single)));
        assert!(
            matches!(
                found[..],
                [Finding::LostDigits {
                    double_helps: false,
                    ..
                }]
            ),
            "{found:?}"
        );
        let said = found[0].describe(&[]);
        assert!(said.contains("data.scale=robust") && !said.contains("f64"), "{said}");
    }
    let robust = Standardizer::robust(&table, None).unwrap();
    assert_eq!(diagnose(&table, 324, Some((&robust, true))), []);
    assert!(matches!(
        diagnose(&table, 30, None)[..],
        [Finding::FewRows { rows: 30, columns: 2 }]
    ));
}
