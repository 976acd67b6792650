//! Downloads from a server of this machine that behaves badly in every way that servers do.
#![cfg(feature = "fetch")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ffjord_data::{
    fetch::{FetchError, Fetcher},
    manifest::{FileRecord, RemoteFile},
};
use tempfile::TempDir;

/// What a server does with a request, given the first byte asked for and how many requests came before.
type Behaviour = dyn Fn(&mut TcpStream, Option<usize>, usize) + Send + Sync;

/// A server on a free port; it ends with the test's process.
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start(behaviour: impl Fn(&mut TcpStream, Option<usize>, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/data.bin", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let counter = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                answer(stream, number, &*behaviour);
            }
        });
        Self { url, requests }
    }

    fn count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream, number: usize, behaviour: &Behaviour) {
    let mut start = None;
    for line in BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok)
    {
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().ok();
        }
    }
    behaviour(&mut stream, start, number);
}

/// Sends a response that claims `length` bytes, and then the body; the connection closes after it.
fn send(stream: &mut TcpStream, status: &str, more: &str, length: usize, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n");
    // Clients may hang up: that is their part of the test.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

const TAG: &str = "ETag: \"one\"\r\n";

fn content() -> Vec<u8> {
    (0..300_000_u32)
        .map(|index| (index.wrapping_mul(index) >> 7) as u8)
        .collect()
}

/// Serves ranges, but no more than `most` bytes a connection.
fn cutting(most: usize) -> impl Fn(&mut TcpStream, Option<usize>, usize) {
    move |stream, start, _| {
        let all = content();
        let start = start.unwrap_or(0);
        let rest = &all[start..];
        let range = format!("{TAG}Content-Range: bytes {start}-{}/{}\r\n", all.len() - 1, all.len());
        let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
        send(
            stream,
            status,
            if start > 0 { &range } else { TAG },
            rest.len(),
            &rest[..most.min(rest.len())],
        );
    }
}

fn file(urls: &[&str], sha256: Option<String>) -> RemoteFile {
    RemoteFile {
        name: "data.bin".to_owned(),
        urls: urls.iter().map(ToString::to_string).collect(),
        bytes: None,
        sha256,
        md5: None,
    }
}

fn fetch(file: &RemoteFile, folder: &Path) -> Result<Vec<u8>, FetchError> {
    let fetcher = Fetcher::new(3, Duration::from_millis(1));
    let path = fetcher.fetch(file, "https://example.org/page", folder, &mut |progress| {
        assert!(progress.total.is_none_or(|total| progress.received <= total));
    })?;
    Ok(fs::read(path).unwrap())
}

fn known() -> Option<String> {
    Some(FileRecord::of("data.bin", &content()).sha256)
}

#[test]
fn cut_connections_are_continued() {
    let server = Server::start(cutting(100_000));
    let folder = TempDir::new().unwrap();
    assert_eq!(fetch(&file(&[&server.url], known()), folder.path()).unwrap(), content());
    assert_eq!(server.count(), 3);
    // The second call asks nobody.
    assert_eq!(fetch(&file(&[&server.url], known()), folder.path()).unwrap(), content());
    assert_eq!(server.count(), 3);
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["data.bin", "data.bin.json"]);
}

#[test]
fn an_interrupted_download_is_continued_by_the_next_call() {
    let cut = Server::start(|stream, start, number| match number {
        0 => cutting(120_000)(stream, start, 0),
        1..=3 => send(stream, "503 Service Unavailable", "", 0, b""),
        _ => {
            assert_eq!(start, Some(120_000));
            cutting(usize::MAX)(stream, start, 0);
        }
    });
    let folder = TempDir::new().unwrap();
    let error = fetch(&file(&[&cut.url], known()), folder.path()).unwrap_err();
    assert!(error.to_string().contains("status 503"), "{error}");
    assert_eq!(
        fs::metadata(folder.path().join("data.bin.partial")).unwrap().len(),
        120_000
    );
    assert!(!folder.path().join("data.bin").exists());
    assert_eq!(fetch(&file(&[&cut.url], known()), folder.path()).unwrap(), content());
}

#[test]
fn servers_without_ranges_send_all_again() {
    let server = Server::start(|stream, _, number| {
        let all = content();
        let most = if number == 0 { 50_000 } else { all.len() };
        send(stream, "200 OK", TAG, all.len(), &all[..most]);
    });
    let folder = TempDir::new().unwrap();
    assert_eq!(fetch(&file(&[&server.url], known()), folder.path()).unwrap(), content());
    assert_eq!(server.count(), 2);
}

#[test]
fn wrong_parts_are_not_put_together() {
    // Without a validator a beginning is worth nothing; a wrong range is not believed.
    let server = Server::start(|stream, start, number| {
        let all = content();
        match number {
            0 => send(stream, "200 OK", TAG, all.len(), &all[..70_000]),
            1 => {
                assert_eq!(start, Some(70_000));
                let range = format!("{TAG}Content-Range: bytes 0-{}/{}\r\n", all.len() - 1, all.len());
                send(stream, "206 Partial Content", &range, all.len(), &all);
            }
            2 => {
                assert_eq!(start, None);
                send(stream, "200 OK", "", all.len(), &all[..9_000]);
            }
            _ => {
                assert_eq!(start, None);
                send(stream, "200 OK", "", all.len(), &all);
            }
        }
    });
    let folder = TempDir::new().unwrap();
    assert_eq!(fetch(&file(&[&server.url], known()), folder.path()).unwrap(), content());
    assert_eq!(server.count(), 4);
}

#[test]
fn corrupt_bytes_and_wrong_lengths_lead_to_the_next_address() {
    let corrupt = Server::start(|stream, _, _| {
        let mut all = content();
        all[1000] ^= 1;
        send(stream, "200 OK", TAG, all.len(), &all);
    });
    let short = Server::start(|stream, _, _| send(stream, "200 OK", TAG, 10, b"0123456789"));
    let absent = Server::start(|stream, _, _| send(stream, "404 Not Found", "", 0, b""));
    let good = Server::start(cutting(usize::MAX));
    let folder = TempDir::new().unwrap();
    let mut wanted = file(&[&corrupt.url, &short.url, &absent.url], known());
    wanted.bytes = Some(content().len() as u64);
    let error = fetch(&wanted, folder.path()).unwrap_err().to_string();
    for words in [
        "SHA-256",
        "it has 10 bytes where 300000 are expected",
        "status 404",
        "by hand from https://example.org/page",
    ] {
        assert!(error.contains(words), "{words} is not in: {error}");
    }
    assert_eq!([corrupt.count(), short.count(), absent.count()], [1, 1, 1]);
    assert!(!folder.path().join("data.bin").exists());
    wanted.urls.push(good.url.clone());
    assert_eq!(fetch(&wanted, folder.path()).unwrap(), content());
}

#[test]
fn servers_that_never_finish_are_given_up() {
    let silent = Server::start(|_, _, _| ());
    let refuser = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/data.bin", listener.local_addr().unwrap())
    };
    let folder = TempDir::new().unwrap();
    let error = fetch(&file(&[&silent.url, &refuser], None), folder.path()).unwrap_err();
    assert!(error.to_string().contains("put it at"), "{error}");
    assert_eq!(silent.count(), 3);
    let by_hand = fetch(&file(&[], None), folder.path()).unwrap_err();
    assert!(by_hand.to_string().contains("no address serves it"), "{by_hand}");
}

#[test]
fn the_first_fetch_decides_which_bytes_are_right() {
    let server = Server::start(|stream, _, number| {
        let mut all = content();
        all[5] ^= u8::from(number == 1);
        send(stream, "200 OK", TAG, all.len(), &all);
    });
    let folder = TempDir::new().unwrap();
    let wanted = file(&[&server.url], None);
    fetch(&wanted, folder.path()).unwrap();
    fs::remove_file(folder.path().join("data.bin")).unwrap();
    let error = fetch(&wanted, folder.path()).unwrap_err();
    assert!(error.to_string().contains("another version"), "{error}");
    assert_eq!(fetch(&wanted, folder.path()).unwrap(), content());
    // A damaged file in the cache is fetched again.
    fs::write(folder.path().join("data.bin"), "damaged").unwrap();
    assert_eq!(fetch(&wanted, folder.path()).unwrap(), content());
    assert_eq!(server.count(), 4);
}
