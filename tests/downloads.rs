//! Downloads from a server that fails in every way that servers do: right bytes or one clear sentence, and never a bad
//! file under its final name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/server.rs"]
mod server;

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use instantstyle::models::{Event, Hub, ModelFile, ModelsError, Patience, Source, Token, download};
use server::{Request, Server, body, content, head, serve, serve_half, sha256};

const TAG: &str = "\"v1\"";

/// Waits of a test are short, and a try that brings nothing is the last but one.
fn patience() -> Patience {
    Patience {
        silence: Duration::from_secs(20),
        window: Duration::from_secs(20),
        tries: 2,
        pause: Duration::ZERO,
        ..Patience::default()
    }
}

struct Bench {
    folder: tempfile::TempDir,
    server: Server,
    file: ModelFile,
    patience: Patience,
    events: Vec<Event>,
}

impl Bench {
    /// A file whose length and checksum are known beforehand.
    fn new(bytes: &[u8], answer: impl Fn(usize, &Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let file = ModelFile { path: "a/m.bin".into(), bytes: Some(bytes.len() as u64), sha256: Some(sha256(bytes)) };
        let (folder, server) = (tempfile::tempdir().unwrap(), Server::start(answer));
        Self { folder, server, file, patience: patience(), events: Vec::new() }
    }

    /// A file of which nothing is known.
    fn unknown(answer: impl Fn(usize, &Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let mut bench = Self::new(b"", answer);
        bench.file = ModelFile { path: "a/m.bin".into(), bytes: None, sha256: None };
        bench
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("m.bin")
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("m.bin.part")
    }

    fn hub(&self, token: Option<&str>) -> Hub {
        Hub::new(&self.server.address, token.and_then(Token::new)).unwrap()
    }

    fn run_until(&mut self, cancelled: &dyn Fn() -> bool) -> Result<(), ModelsError> {
        let hub = self.hub(None);
        let source = Source { address: format!("{}/a/m.bin", self.server.address), file: &self.file };
        let events = &mut self.events;
        download(&hub, &source, &self.folder.path().join("m.bin"), &self.patience, &mut |e| events.push(e), cancelled)
    }

    fn run(&mut self) -> Result<(), ModelsError> {
        self.run_until(&|| false)
    }

    /// The download succeeds and leaves nothing but the file.
    #[track_caller]
    fn brings(&mut self, bytes: &[u8]) {
        self.run().unwrap();
        assert!(std::fs::read(self.target()).unwrap() == bytes, "other bytes");
        let names: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["m.bin"]);
    }

    /// The download fails with one line that holds all of `words`, and no file has the final name.
    #[track_caller]
    fn fails(&mut self, words: &[&str]) -> ModelsError {
        let error = self.run().unwrap_err();
        let said = error.to_string();
        assert_eq!(said.lines().count(), 1, "{said}");
        for word in words {
            assert!(said.contains(word), "'{word}' is not in: {said}");
        }
        assert!(!self.target().exists(), "{said}");
        println!("{said}");
        error
    }
}

#[test]
fn a_whole_file_arrives_with_progress() {
    let bytes = content(1_000_000);
    let sent = bytes.clone();
    let mut bench = Bench::new(&bytes, move |_, request, to| serve(to, request, &sent, TAG));
    bench.brings(&bytes);
    let Some(Event::Data { progress, .. }) = bench.events.last() else { panic!("{:?}", bench.events) };
    assert_eq!((progress.done, progress.total), (1_000_000, Some(1_000_000)));
    let asked = bench.server.requests();
    assert_eq!((asked.len(), asked[0].path.as_str()), (1, "/a/m.bin"));
    assert_eq!((asked[0].header("range"), asked[0].header("accept-encoding")), (None, Some("identity")));
}

#[test]
fn an_interruption_is_continued_at_once() {
    let bytes = content(500_000);
    let sent = bytes.clone();
    let mut bench = Bench::new(&bytes, move |number, request, to| match number {
        0 => serve_half(to, &sent, TAG, 200_000),
        _ => serve(to, request, &sent, TAG),
    });
    bench.brings(&bytes);
    assert!(bench.events.iter().any(|event| matches!(event, Event::Retrying { .. })));
    let asked = bench.server.requests();
    assert_eq!(asked.len(), 2);
    assert_eq!((asked[1].header("range"), asked[1].header("if-range")), (Some("bytes=200000-"), Some(TAG)));
}

#[test]
fn an_interruption_is_continued_by_the_next_run() {
    let bytes = content(500_000);
    let sent = bytes.clone();
    let mut bench = Bench::new(&bytes, move |number, request, to| match number {
        0 => serve_half(to, &sent, TAG, 200_000),
        _ => serve(to, request, &sent, TAG),
    });
    bench.patience.tries = 1;
    bench.fails(&["m.bin", "broke off", "go on where it stopped"]);
    assert_eq!(std::fs::metadata(bench.part()).unwrap().len(), 200_000);
    bench.brings(&bytes);
    assert_eq!(bench.server.requests()[1].header("range"), Some("bytes=200000-"));
}

#[test]
fn a_part_of_unknown_origin_or_of_another_version_is_not_continued() {
    let bytes = content(5_000);
    let sent = bytes.clone();
    let mut bench = Bench::new(&bytes, move |_, request, to| serve(to, request, &sent, TAG));
    std::fs::write(bench.part(), b"from elsewhere").unwrap();
    bench.brings(&bytes);
    assert_eq!(bench.server.requests()[0].header("range"), None);

    std::fs::remove_file(bench.target()).unwrap();
    std::fs::write(bench.part(), b"another version").unwrap();
    let note = format!(r#"{{"address":"x","etag":"\"v0\"","sha256":"{}","total":5000}}"#, "0".repeat(64));
    std::fs::write(bench.folder.path().join("m.bin.part.json"), note).unwrap();
    bench.brings(&bytes);
    assert_eq!(bench.server.requests()[1].header("range"), None);
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_anew() {
    let (old, new) = (content(5_000), content(7_001));
    let sent = new.clone();
    let mut bench = Bench::unknown(move |number, request, to| match number {
        0 => serve_half(to, &old, TAG, 3_000),
        _ => serve(to, request, &sent, "\"v2\""),
    });
    bench.brings(&new);
    assert_eq!(bench.server.requests()[1].header("if-range"), Some(TAG));
}

#[test]
fn a_server_that_ignores_the_range_starts_over() {
    let bytes = content(50_000);
    let sent = bytes.clone();
    let mut bench = Bench::new(&bytes, move |number, _, to| match number {
        0 => serve_half(to, &sent, TAG, 20_000),
        _ => serve_half(to, &sent, TAG, 50_000),
    });
    bench.brings(&bytes);
    assert!(bench.server.requests()[1].header("range").is_some());
}

#[test]
fn a_range_that_begins_elsewhere_is_not_joined() {
    let bytes = content(50_000);
    let sent = bytes.clone();
    let mut bench = Bench::new(&bytes, move |number, request, to| match number {
        0 => serve_half(to, &sent, TAG, 20_000),
        1 => {
            head(
                to,
                "206 Partial Content",
                &[("Content-Range", "bytes 10000-49999/50000"), ("Content-Length", "40000")],
            );
            body(to, &sent[10_000..]);
        }
        _ => serve(to, request, &sent, TAG),
    });
    bench.brings(&bytes);
    let asked = bench.server.requests();
    assert_eq!((asked.len(), asked[2].header("range")), (3, None));
}

#[test]
fn a_416_starts_over_once() {
    let bytes = content(50_000);
    let sent = bytes.clone();
    let mut bench = Bench::new(&bytes, move |number, request, to| match number {
        0 => serve_half(to, &sent, TAG, 20_000),
        1 => head(to, "416 Range Not Satisfiable", &[("Content-Range", "bytes */10"), ("Content-Length", "0")]),
        _ => serve(to, request, &sent, TAG),
    });
    bench.brings(&bytes);

    let mut bench = Bench::new(&bytes, |_, _, to| head(to, "416 Range Not Satisfiable", &[("Content-Length", "0")]));
    bench.fails(&["m.bin", "refuses"]);
    assert_eq!(bench.server.requests().len(), 2);
}

#[test]
fn what_comes_after_a_new_beginning_is_continued() {
    let bytes = content(50_000);
    let sent = bytes.clone();
    let mut bench = Bench::new(&bytes, move |number, request, to| match number {
        0 => serve_half(to, &sent, TAG, 20_000),
        1 => head(to, "416 Range Not Satisfiable", &[("Content-Range", "bytes */10"), ("Content-Length", "0")]),
        // Less than before, and progress all the same.
        2 => serve_half(to, &sent, TAG, 10_000),
        _ => serve(to, request, &sent, TAG),
    });
    bench.brings(&bytes);
    let asked = bench.server.requests();
    let ranges: Vec<_> = asked.iter().map(|request| request.header("range")).collect();
    assert_eq!(ranges, [None, Some("bytes=20000-"), None, Some("bytes=10000-")]);
}

#[test]
fn wrong_bytes_are_removed() {
    let bytes = content(50_000);
    let mut wrong = bytes.clone();
    wrong[40_000] ^= 1;
    let mut bench = Bench::new(&bytes, move |_, request, to| serve(to, request, &wrong, TAG));
    bench.fails(&["m.bin", "damaged", &sha256(&bytes), "removed"]);
    assert!(!bench.part().exists());

    // Nothing is known beforehand, but the hub tells the checksum on the way.
    let told = format!("\"{}\"", sha256(&bytes));
    let mut bench = Bench::unknown(move |_, request, to| match request.path.as_str() {
        "/cdn" => serve(to, request, b"not these", TAG),
        _ => head(to, "302 Found", &[("Location", "/cdn"), ("X-Linked-ETag", &told), ("Content-Length", "0")]),
    });
    bench.fails(&["damaged", &sha256(&bytes)]);
}

#[test]
fn a_wrong_length_is_told_before_the_bytes_come() {
    let bytes = content(50_000);
    let page = b"<!DOCTYPE html><html>please log in</html>";
    let mut bench = Bench::new(&bytes, move |_, request, to| serve(to, request, page, TAG));
    bench.fails(&["offers 41 bytes", "50000", "HF_ENDPOINT"]);

    // Without a length beforehand, more bytes than there can be.
    let sent = content(60_000);
    let mut bench = Bench::new(&bytes, move |_, _, to| {
        head(to, "200 OK", &[]);
        body(to, &sent);
    });
    let error = bench.fails(&["50000"]);
    assert!(matches!(error, ModelsError::WrongLength { .. }), "{error}");
}

#[test]
fn what_cannot_be_checked_is_not_taken() {
    let mut bench = Bench::unknown(|_, _, to| {
        head(to, "200 OK", &[]);
        body(to, b"anything");
    });
    bench.fails(&["neither how long", "m.bin"]);
}

#[test]
fn redirects_are_followed_but_not_for_ever_and_without_the_token() {
    let bytes = content(5_000);
    let sent = bytes.clone();
    let elsewhere = Server::start(move |_, request, to| serve(to, request, &sent, TAG));
    let place = format!("{}/signed?key=secret", elsewhere.address);
    let mut bench =
        Bench::new(&bytes, move |_, _, to| head(to, "302 Found", &[("Location", &place), ("Content-Length", "0")]));
    let hub = bench.hub(Some("hf_secret"));
    let source = Source { address: format!("{}/a/m.bin", bench.server.address), file: &bench.file };
    let target = bench.target();
    download(&hub, &source, &target, &bench.patience, &mut |event| bench.events.push(event), &|| false).unwrap();
    assert!(std::fs::read(target).unwrap() == bytes);
    assert_eq!(bench.server.requests()[0].header("authorization"), Some("Bearer hf_secret"));
    assert_eq!(elsewhere.requests()[0].header("authorization"), None);
    assert!(!format!("{:?}", bench.events).contains("secret"));

    let mut circle = Bench::new(&bytes, |_, request, to| {
        let next = if request.path == "/b" { "/a/m.bin" } else { "/b" };
        head(to, "307 Temporary Redirect", &[("Location", next), ("Content-Length", "0")]);
    });
    circle.fails(&["in a circle", "HF_ENDPOINT"]);
    let mut chain = Bench::new(&bytes, |number, _, to| {
        head(to, "302 Found", &[("Location", &format!("/{number}")), ("Content-Length", "0")]);
    });
    chain.fails(&["in a circle"]);
    assert!(chain.server.requests().len() < 12);
    let mut lost =
        Bench::new(&bytes, |_, _, to| head(to, "302 Found", &[("Location", "ftp://x/y"), ("Content-Length", "0")]));
    lost.fails(&["address that is not followed"]);
}

#[test]
fn a_trickle_and_a_silence_are_given_up() {
    let bytes = content(50_000);
    let sent = bytes.clone();
    let mut trickle = Bench::new(&bytes, move |_, request, to| {
        let start = request.header("range").map_or(0, |_| 1);
        if start == 0 {
            head(to, "200 OK", &[("Content-Length", "50000"), ("ETag", TAG)]);
        } else {
            serve(to, request, b"", TAG);
        }
        for byte in &sent {
            use std::io::Write as _;
            if to.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    trickle.patience = Patience { window: Duration::from_millis(100), least: 10_000, tries: 1, ..patience() };
    trickle.fails(&["broke off", "next to nothing"]);

    // The connection stays open and nothing comes.
    let mut silent = Bench::new(&bytes, |_, _, to| {
        use std::io::Read as _;
        let _ = to.read(&mut [0; 1]);
    });
    silent.patience = Patience { silence: Duration::from_millis(100), tries: 2, ..patience() };
    silent.fails(&["127.0.0.1", "cannot be reached", "silent"]);
}

#[test]
fn a_busy_server_is_asked_again_and_a_refusal_is_final() {
    let bytes = content(5_000);
    let sent = bytes.clone();
    let mut busy = Bench::new(&bytes, move |number, request, to| match number {
        0 => head(to, "503 Service Unavailable", &[("Retry-After", "0"), ("Content-Length", "0")]),
        _ => serve(to, request, &sent, TAG),
    });
    busy.brings(&bytes);
    let mut always = Bench::new(&bytes, |_, _, to| {
        head(to, "429 Too Many Requests", &[("Retry-After", "0"), ("Content-Length", "0")])
    });
    always.fails(&["cannot be reached", "429"]);
    assert_eq!(always.server.requests().len(), 2);

    let mut gone = Bench::new(&bytes, |_, _, to| head(to, "404 Not Found", &[("Content-Length", "0")]));
    gone.fails(&["does not have m.bin", "404"]);
    let mut gated = Bench::new(&bytes, |_, _, to| head(to, "401 Unauthorized", &[("Content-Length", "0")]));
    gated.fails(&["login", "HF_TOKEN"]);
    assert_eq!((gone.server.requests().len(), gated.server.requests().len()), (1, 1));
}

#[test]
fn a_server_that_is_not_there() {
    let bytes = content(10);
    let mut bench = Bench::new(&bytes, |_, _, _| {});
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    bench.server.address = format!("http://127.0.0.1:{port}");
    bench.fails(&["127.0.0.1", "cannot be reached", "connection"]);
}

#[test]
fn a_full_disk_is_told_before_and_during() {
    let bytes = content(50_000);
    let sent = bytes.clone();
    let mut bench = Bench::new(&bytes, move |_, request, to| serve(to, request, &sent, TAG));
    bench.patience.free_space = |_| Ok(49_999);
    bench.fails(&["m.bin", "50.0 kB more", "free some space"]);
    // A device that is always full in place of the part.
    #[cfg(target_os = "linux")]
    {
        bench.patience = patience();
        let _ = std::fs::remove_file(bench.part());
        std::os::unix::fs::symlink("/dev/full", bench.part()).unwrap();
        bench.fails(&["m.bin.part", "No space left", "free some space"]);
        std::fs::remove_file(bench.part()).unwrap();
        bench.brings(&bytes);
    }
}

#[test]
fn a_cancel_keeps_what_is_there() {
    let bytes = content(500_000);
    let sent = bytes.clone();
    let mut bench = Bench::new(&bytes, move |number, request, to| match number {
        0 => {
            serve_half(to, &sent, TAG, 100_000);
            // Nothing more until the client turns away.
            use std::io::Read as _;
            let _ = to.read(&mut [0; 1]);
        }
        _ => serve(to, request, &sent, TAG),
    });
    let part = bench.part();
    let begun = || std::fs::metadata(&part).is_ok_and(|about| about.len() == 100_000);
    let error = bench.run_until(&begun).unwrap_err();
    assert!(matches!(error, ModelsError::Cancelled), "{error}");
    assert!(!bench.target().exists());
    bench.brings(&bytes);
    assert_eq!(bench.server.requests()[1].header("range"), Some("bytes=100000-"));
}
