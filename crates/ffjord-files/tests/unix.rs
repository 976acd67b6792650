//! Links, permissions, devices and pipes.
#![cfg(unix)]

use std::{
    fs::{self, File, Metadata},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use ffjord_files::{FileError, refuse_same_file, write_atomic};

fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The administrator may do what others may not.
fn is_administrator(folder: &Path) -> bool {
    folder.metadata().unwrap().uid() == 0
}

#[test]
fn a_link_stays_and_its_target_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("target"), "old").unwrap();
    // Relative to the link's own folder, and one link behind another.
    symlink("elsewhere/target", folder.path().join("first")).unwrap();
    symlink(folder.path().join("first"), folder.path().join("second")).unwrap();

    write_atomic(folder.path().join("second"), "new").unwrap();

    assert_eq!(fs::read(elsewhere.join("target")).unwrap(), b"new");
    for link in ["first", "second"] {
        assert!(folder.path().join(link).symlink_metadata().unwrap().is_symlink());
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_link_to_nothing_yet_makes_its_target() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink("target", &link).unwrap();
    write_atomic(&link, "new").unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read(folder.path().join("target")).unwrap(), b"new");
}

#[test]
fn links_in_a_circle_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink("link", &link).unwrap();
    assert!(matches!(write_atomic(&link, "new"), Err(FileError::Write { .. })));
    assert!(link.symlink_metadata().unwrap().is_symlink());
}

#[test]
fn permissions_are_kept_and_a_new_file_has_the_usual_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_atomic(&path, "old").unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    assert_eq!(mode(&path.metadata().unwrap()), mode(&plain.metadata().unwrap()));

    for kept in [0o600, 0o640, 0o755, 0o666] {
        set_mode(&path, kept);
        write_atomic(&path, "new").unwrap();
        assert_eq!(mode(&path.metadata().unwrap()), kept);
    }
}

#[test]
fn an_owner_is_kept_where_the_system_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();
    if !is_administrator(folder.path()) {
        return;
    }
    std::os::unix::fs::chown(&path, Some(12_345), Some(54_321)).unwrap();
    set_mode(&path, 0o640);
    write_atomic(&path, "new").unwrap();
    let metadata = path.metadata().unwrap();
    assert_eq!(
        (metadata.uid(), metadata.gid(), mode(&metadata)),
        (12_345, 54_321, 0o640)
    );
}

#[test]
fn a_read_only_file_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();
    set_mode(&path, 0o444);
    let written = write_atomic(&path, "new");
    if is_administrator(folder.path()) {
        written.unwrap();
        assert_eq!(mode(&path.metadata().unwrap()), 0o444);
    } else {
        assert!(matches!(written, Err(FileError::Write { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}

#[test]
fn a_pipe_is_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let link = folder.path().join("link");
    symlink("pipe", &link).unwrap();
    for path in [&pipe, &link] {
        let reader = thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_atomic(path, vec![7; 200_000]).unwrap();
        assert_eq!(reader.join().unwrap(), vec![7; 200_000]);
        assert!(pipe.symlink_metadata().unwrap().file_type().is_fifo());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn the_null_device_stays_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink("/dev/null", &link).unwrap();
    // A device of this test's own, where the system lets it be made, so that a fault costs nothing but the test.
    let own = folder.path().join("null");
    let made = Command::new("mknod")
        .arg(&own)
        .args(["c", "1", "3"])
        .stderr(Stdio::null())
        .status();
    let mut devices = vec![link.as_path(), Path::new("/dev/null")];
    if made.is_ok_and(|status| status.success()) && File::options().append(true).open(&own).is_ok() {
        devices.insert(0, &own);
    }
    for device in devices {
        write_atomic(device, "gone").unwrap();
        assert!(device.metadata().unwrap().file_type().is_char_device());
    }
    assert!(link.symlink_metadata().unwrap().is_symlink());
}

#[test]
fn a_device_that_takes_nothing_is_an_error() {
    if Path::new("/dev/full").exists() {
        let error = write_atomic("/dev/full", "too much").unwrap_err();
        assert!(matches!(error, FileError::WriteThrough { .. }), "{error}");
    }
}

#[test]
fn no_file_is_made_among_the_devices() {
    let path = Path::new("/dev/ffjord-files-no-such-device");
    assert!(matches!(write_atomic(path, ""), Err(FileError::WriteThrough { .. })));
    assert!(!path.exists());
}

/// Set for a copy of this program that is to write to where its output goes.
const CHILD: &str = "FFJORD_FILES_WRITES_TO";

/// Writes to the path in [`CHILD`]; without it there is nothing to do, and other tests look at what it wrote.
#[test]
fn child() {
    if let Some(path) = std::env::var_os(CHILD) {
        println!("printed before");
        write_atomic(path, "written\n").unwrap();
        println!("printed after");
    }
}

fn run_child(path: &str, stdout: Stdio) -> std::process::Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, path)
        .stdout(stdout)
        .output()
        .unwrap()
}

fn assert_in_order(output: &str) {
    let place = |text: &str| output.find(text).unwrap_or_else(|| panic!("no {text:?} in {output}"));
    assert!(place("printed before") < place("written"), "{output}");
    assert!(place("written") < place("printed after"), "{output}");
}

#[test]
fn standard_output_gets_the_content_in_its_place() {
    if !Path::new("/dev/stdout").exists() {
        return;
    }
    let piped = run_child("/dev/stdout", Stdio::piped());
    assert!(piped.status.success());
    assert_in_order(std::str::from_utf8(&piped.stdout).unwrap());

    // Sent to a regular file by a shell, which holds it open and must not lose it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    file.write_all(b"first line\n").unwrap();
    let redirected = run_child("/dev/stdout", file.try_clone().unwrap().into());
    assert!(redirected.status.success());
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("first line\n"), "{text}");
    assert_in_order(&text);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn an_output_behind_links_to_an_input_is_refused_but_a_device_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (table, link, hard) = (
        folder.path().join("table"),
        folder.path().join("link"),
        folder.path().join("hard"),
    );
    fs::write(&table, "rows").unwrap();
    symlink("table", &link).unwrap();
    fs::hard_link(&table, &hard).unwrap();
    for (output, input) in [(&link, &table), (&table, &link), (&hard, &table)] {
        assert!(matches!(
            refuse_same_file(output, [input]),
            Err(FileError::SameFile { .. })
        ));
    }
    refuse_same_file("/dev/null", ["/dev/null"]).unwrap();
}
