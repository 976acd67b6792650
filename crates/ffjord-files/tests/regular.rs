//! Regular files: whole or unchanged, and never an input.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ffjord_files::{FileError, name_of_unfinished, refuse_same_file, write_atomic, write_atomic_with};

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_file_is_made_and_replaced_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_atomic(&path, "old, and longer").unwrap();
    write_atomic(&path, "new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(entries(folder.path()), 1);
}

#[test]
fn a_reader_that_has_the_file_open_keeps_the_old_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_atomic(&path, "old").unwrap();
    let reader = fs::File::open(&path).unwrap();
    write_atomic(&path, "new").unwrap();
    assert_eq!(io::read_to_string(reader).unwrap(), "old");
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_atomic(&path, "old").unwrap();
    let error = write_atomic_with(&path, |file| {
        file.write_all(&[0; 100_000])?;
        Err(io::Error::other("the content ends here"))
    })
    .unwrap_err();
    assert!(matches!(&error, FileError::Write { path: of, .. } if *of == path));
    assert!(error.to_string().contains("the content ends here"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(entries(folder.path()), 1);
}

#[test]
fn an_unfinished_file_names_what_was_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let long = "n".repeat(250);
    for (name, expected) in [("result.json", "result.json"), (long.as_str(), "")] {
        write_atomic_with(folder.path().join(name), |file| {
            file.write_all(b"a part")?;
            let there = fs::read_dir(folder.path())?.next().expect("a temporary file")?;
            let there = there.file_name().into_string().expect("letters");
            assert_eq!(name_of_unfinished(&there), Some(expected), "{there}");
            Ok(())
        })
        .unwrap();
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    for other in [
        "result.json",
        ".hidden.tmp",
        ".result.json.tmp",
        ".result.json.x7Qa2.tmp",
        "a.x7Qa2b.tmp",
    ] {
        assert_eq!(name_of_unfinished(other), None, "{other}");
    }
}

#[test]
fn errors_name_what_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").join("file");
    let error = write_atomic(&missing, "").unwrap_err();
    assert!(
        matches!(&error, FileError::Write { path, .. } if *path == missing),
        "{error}"
    );

    let occupied = folder.path().join("occupied");
    fs::create_dir(&occupied).unwrap();
    for given in [occupied.as_path(), Path::new("/"), Path::new(".")] {
        let error = write_atomic(given, "new").unwrap_err();
        assert!(matches!(&error, FileError::Folder { path } if path == given), "{error}");
    }
    assert!(matches!(write_atomic("", "new"), Err(FileError::EmptyPath)));
    assert_eq!(entries(folder.path()), 1);
}

#[test]
fn an_output_that_is_an_input_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (table, other) = (folder.path().join("table"), folder.path().join("other"));
    fs::write(&table, "rows").unwrap();
    fs::write(&other, "rows").unwrap();
    let around = folder.path().join("missing").join("..").join("table");
    let beside = folder.path().join(".").join("table");

    let error = refuse_same_file(&beside, [&other, &table]).unwrap_err();
    assert!(
        matches!(&error, FileError::SameFile { output, input } if *output == beside && *input == table),
        "{error}"
    );
    refuse_same_file(&table, [&other]).unwrap();
    refuse_same_file(folder.path().join("new"), [&table, &other]).unwrap();
    // The system does not find this one, so nothing can be lost through it.
    refuse_same_file(&around, [&table]).unwrap();
    refuse_same_file(&table, Vec::<PathBuf>::new()).unwrap();
}

#[test]
fn errors_cross_threads() {
    fn crosses<T: Send + Sync + std::error::Error + 'static>() {}
    crosses::<FileError>();
}
