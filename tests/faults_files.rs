//! Writing files: whatever happens, the old content or the new is there, and nothing else is left in the folder.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use instantstyle::library::{LibraryError, check_target, write_atomically};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_is_written_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    check_target(&path).unwrap();
    assert!(names(folder.path()).is_empty(), "the check leaves nothing behind");
    write_atomically(&path, b"one").unwrap();
    check_target(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one", "the check changes nothing");
    // As any other program's new file here, not for the owner alone.
    let plain = folder.path().join("plain");
    fs::write(&plain, b"").unwrap();
    assert_eq!(mode(&path), mode(&plain));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    write_atomically(&path, b"two").unwrap();
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"two".to_vec(), 0o640));
    assert_eq!(names(folder.path()), ["a.png", "plain"]);
}

#[test]
fn links_and_devices_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, b"old").unwrap();
    symlink("file", &link).unwrap();
    write_atomically(&link, b"new").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    // What a link leads to need not be there yet.
    let (first, missing) = (folder.path().join("first"), folder.path().join("below/missing"));
    fs::create_dir(folder.path().join("below")).unwrap();
    symlink("below/second", &first).unwrap();
    symlink("missing", folder.path().join("below/second")).unwrap();
    check_target(&first).unwrap();
    assert!(!missing.exists());
    write_atomically(&first, b"made").unwrap();
    assert_eq!(fs::read(&missing).unwrap(), b"made");
    assert!(fs::symlink_metadata(&first).unwrap().is_symlink());
    write_atomically(Path::new("/dev/null"), b"gone").unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn impossible_targets_are_named_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let file = here.join("file");
    fs::write(&file, b"kept").unwrap();
    let locked = here.join("locked");
    fs::write(&locked, b"kept").unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o444)).unwrap();
    let long = here.join("n".repeat(300));
    type Is = fn(&LibraryError) -> bool;
    let cases: [(&Path, Is); 8] = [
        (&here.join("none/a.png"), |e| matches!(e, LibraryError::FolderMissing { .. })),
        (&file.join("a.png"), |e| matches!(e, LibraryError::NotAFolder { .. })),
        (here, |e| matches!(e, LibraryError::IsFolder { .. })),
        (&here.join("new/"), |e| matches!(e, LibraryError::IsFolder { .. })),
        (&here.join(".."), |e| matches!(e, LibraryError::IsFolder { .. })),
        (Path::new(""), |e| matches!(e, LibraryError::IsFolder { .. } | LibraryError::BadName { .. })),
        (&locked, |e| matches!(e, LibraryError::FileReadOnly { .. })),
        (&long, |e| matches!(e, LibraryError::BadName { .. })),
    ];
    for (path, is) in cases {
        for error in [check_target(path).unwrap_err(), write_atomically(path, b"new").unwrap_err()] {
            assert!(is(&error), "{path:?}: {error:?}");
            assert!(!error.to_string().contains('\n'));
        }
    }
    assert_eq!(fs::read(&locked).unwrap(), b"kept");
    assert_eq!(names(here), ["file", "locked"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let error = write_atomically(Path::new("/dev/full"), b"some").unwrap_err();
    assert!(matches!(error, LibraryError::DiskFull { .. }), "{error:?}");
}

/// Not a test of its own: the child of the tests below, which says where to write through the environment.
#[test]
#[ignore]
fn child_writes() {
    let path = std::env::var_os("INSTANTSTYLE_TEST_TARGET").unwrap();
    let path = Path::new(&path);
    let once = std::env::var_os("INSTANTSTYLE_TEST_ONCE").is_some();
    for byte in (b'a'..=b'z').cycle() {
        write_atomically(path, &[byte; 300_000]).unwrap();
        if once {
            break;
        }
    }
}

fn child(path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_writes", "--ignored"]).env("INSTANTSTYLE_TEST_TARGET", path);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_kill_while_saving_leaves_one_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    write_atomically(&path, &[b'-'; 300_000]).unwrap();
    let written = || fs::metadata(&path).unwrap().modified().unwrap();
    for round in 0..40u64 {
        let before = written();
        let mut child = child(&path).spawn().unwrap();
        let began = std::time::Instant::now();
        while written() == before {
            assert!(began.elapsed() < Duration::from_secs(120), "the child writes nothing");
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(round * 37 % 61));
        child.kill().unwrap();
        child.wait().unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 300_000);
        assert!(bytes.iter().all(|b| *b == bytes[0]), "round {round}: a mixture");
    }
}

/// The shell ignores the signal and bounds the size of files, so that writing fails half-way.
#[cfg(target_os = "linux")]
#[test]
fn a_write_that_fails_half_way_leaves_the_old_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    fs::write(&path, b"old").unwrap();
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" --exact child_writes --ignored"])
        .arg(std::env::current_exe().unwrap())
        .envs([("INSTANTSTYLE_TEST_TARGET", path.as_os_str()), ("INSTANTSTYLE_TEST_ONCE", "1".as_ref())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "the write was refused");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["a.bin"]);
}
