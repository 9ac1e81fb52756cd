//! A web server on the loopback that does what a test tells it to, one connection at a time.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a client asked for; header names in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// The server ends with the process: its thread waits for connections.
pub struct Server {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `answer` gets the number of the request, the request and the connection, which closes when it returns.
    pub fn start(answer: impl Fn(usize, &Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut connection = connection.unwrap();
                    let Some(request) = read(&connection) else { return };
                    let number = {
                        let mut noted = noted.lock().unwrap();
                        noted.push(request.clone());
                        noted.len() - 1
                    };
                    answer(number, &request, &mut connection);
                });
            }
        });
        Self { address, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(connection: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())))
        .collect();
    Some(Request { path, headers })
}

/// Writes a head; the client may be gone, which is its right.
pub fn head(connection: &mut TcpStream, status: &str, headers: &[(&str, &str)]) {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let _ = connection.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n{lines}\r\n").as_bytes());
}

pub fn body(connection: &mut TcpStream, bytes: &[u8]) {
    let _ = connection.write_all(bytes);
    let _ = connection.flush();
}

/// As a good server answers: ranges, `If-Range` and an ETag.
pub fn serve(connection: &mut TcpStream, request: &Request, bytes: &[u8], etag: &str) {
    let start: Option<usize> =
        request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let fresh = request.header("if-range").is_none_or(|tag| tag == etag);
    match start.filter(|_| fresh) {
        Some(start) if start >= bytes.len() => {
            let range = format!("bytes */{}", bytes.len());
            head(connection, "416 Range Not Satisfiable", &[("Content-Range", &range), ("Content-Length", "0")]);
        }
        Some(start) => {
            let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
            let length = (bytes.len() - start).to_string();
            head(
                connection,
                "206 Partial Content",
                &[("Content-Range", &range), ("Content-Length", &length), ("ETag", etag)],
            );
            body(connection, &bytes[start..]);
        }
        None => {
            head(connection, "200 OK", &[("Content-Length", &bytes.len().to_string()), ("ETag", etag)]);
            body(connection, bytes);
        }
    }
}

/// A good beginning, then the connection breaks after `count` bytes.
pub fn serve_half(connection: &mut TcpStream, bytes: &[u8], etag: &str, count: usize) {
    head(connection, "200 OK", &[("Content-Length", &bytes.len().to_string()), ("ETag", etag)]);
    body(connection, &bytes[..count]);
}

pub fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    <sha2::Sha256 as sha2::Digest>::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
