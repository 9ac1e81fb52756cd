//! One GET over HTTP, redirects followed by hand, on a thread of its own so that the caller can turn away at any time.
//!
//! The hub's conventions (its address, the token, the headers `X-Linked-ETag` and `X-Linked-Size` that tell a large
//! file's sha256 and length) are those of Hugging Face's client, huggingface_hub `file_download.py` and `constants.py`.

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use ureq::http::{HeaderMap, Uri, header};

use super::ModelsError;

/// Where the hub is, for those who use a mirror.
pub const ENDPOINT_VARIABLE: &str = "HF_ENDPOINT";

/// Longest chain of redirects; the hub's own has two.
const MOST_HOPS: usize = 8;
const CHUNK: usize = 256 << 10;

/// A login of the hub. It is shown nowhere.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        let is_plain = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        is_plain.then(|| Self(token.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The server that models come from.
#[derive(Debug, Clone)]
pub struct Hub {
    endpoint: String,
    token: Option<Token>,
}

impl Hub {
    /// `endpoint` is an address without a path behind it, such as `https://huggingface.co`.
    ///
    /// # Errors
    /// What is no http address.
    pub fn new(endpoint: &str, token: Option<Token>) -> Result<Self, ModelsError> {
        let trimmed = endpoint.trim().trim_end_matches('/');
        let bad = || ModelsError::BadEndpoint { variable: ENDPOINT_VARIABLE, value: endpoint.to_owned() };
        let uri: Uri = trimmed.parse().map_err(|_| bad())?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        if !is_http || uri.host().is_none() || uri.query().is_some() || trimmed.contains('@') {
            return Err(bad());
        }
        Ok(Self { endpoint: trimmed.to_owned(), token })
    }

    /// From `HF_ENDPOINT`, `HF_TOKEN` and the token file of Hugging Face's own tools.
    ///
    /// # Errors
    /// A bad endpoint, and `HF_HUB_OFFLINE`.
    pub fn from_environment(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self, ModelsError> {
        let text = |name: &str| variable(name)?.into_string().ok().filter(|value| !value.is_empty());
        let is_on =
            |name: &str| text(name).is_some_and(|v| matches!(v.to_lowercase().as_str(), "1" | "on" | "yes" | "true"));
        if is_on("HF_HUB_OFFLINE") {
            return Err(ModelsError::Offline);
        }
        let file = || -> Option<String> {
            let path = match text("HF_TOKEN_PATH") {
                Some(path) => PathBuf::from(path),
                None => super::folders::hub_home(&variable)?.join("token"),
            };
            std::fs::read_to_string(path).ok()
        };
        let own = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN"));
        let token = match own {
            Some(token) => Token::new(&token),
            None if is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN") => None,
            None => file().and_then(|token| Token::new(&token)),
        };
        Self::new(&text(ENDPOINT_VARIABLE).unwrap_or_else(|| "https://huggingface.co".to_owned()), token)
    }

    /// The address of a file.
    pub fn address(&self, repo: &str, revision: &str, path: &str) -> String {
        format!("{}/{repo}/resolve/{revision}/{path}", self.endpoint)
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The token for `address`: on the hub's own host and port only, and never in the clear but to this very machine.
    fn token_for(&self, address: &Uri) -> Option<&Token> {
        let hub: Uri = self.endpoint.parse().ok()?;
        let same = address.authority() == hub.authority() && address.scheme() == hub.scheme();
        let private = address.scheme_str() == Some("https") || address.host().is_some_and(is_this_machine);
        self.token.as_ref().filter(|_| same && private)
    }
}

fn is_this_machine(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// What to ask for.
#[derive(Debug, Clone)]
pub(super) struct Get {
    pub address: String,
    /// Ask for the bytes from here on.
    pub from: u64,
    /// The strong ETag that the first bytes came with.
    pub if_range: Option<String>,
}

/// The head of the last answer, with what the redirects before it told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub host: String,
    pub status: u16,
    /// Strong ones only: a weak tag says nothing about bytes.
    pub etag: Option<String>,
    /// `X-Linked-ETag`, where it is a sha256.
    pub sha256: Option<String>,
    /// `X-Linked-Size`.
    pub linked_size: Option<u64>,
    pub content_length: Option<u64>,
    /// First byte and total of `Content-Range`.
    pub content_range: Option<(Option<u64>, Option<u64>)>,
    pub retry_after: Option<Duration>,
}

/// What went wrong on the way.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Worth another try.
    Passing { host: String, why: String },
    /// Not worth one.
    Final(ModelsError),
}

/// What the thread says, in this order.
#[derive(Debug)]
pub(super) enum Message {
    Head(Head),
    Data(Vec<u8>),
    /// The body is over, as the server counts.
    End,
    Trouble(Trouble),
}

/// Starts a GET. `silence` bounds every wait for the network; when the receiver is dropped, the thread ends within it.
pub(super) fn start(hub: &Hub, get: &Get, file: &str, silence: Duration) -> Receiver<Message> {
    let (sender, receiver) = bounded(4);
    let (hub, get, file) = (hub.clone(), get.clone(), file.to_owned());
    let run = move || {
        let mut send = |message| sender.send(message).is_ok();
        if let Err(trouble) = run(&hub, &get, &file, silence, &mut send) {
            send(Message::Trouble(trouble));
        }
    };
    // Without a thread the channel closes, which the caller takes for a broken connection.
    let _ = std::thread::Builder::new().name("download".to_owned()).spawn(run);
    receiver
}

/// Who is asked under `address`, for sentences.
pub(super) fn host_of(address: &str) -> String {
    let uri: Option<Uri> = address.parse().ok();
    uri.as_ref().and_then(Uri::authority).map_or_else(|| "the server".to_owned(), |a| a.as_str().to_owned())
}

fn run(
    hub: &Hub,
    get: &Get,
    file: &str,
    silence: Duration,
    send: &mut dyn FnMut(Message) -> bool,
) -> Result<(), Trouble> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // Followed here: the headers of each hop are wanted, and the token must not travel.
        .max_redirects(0)
        .timeout_connect(Some(silence))
        .timeout_resolve(Some(silence))
        .timeout_recv_response(Some(silence))
        .timeout_per_read(Some(silence))
        .timeout_per_write(Some(silence))
        // A packed body would have another length than the file.
        .accept_encoding("identity")
        .user_agent(concat!("instantstyle/", env!("CARGO_PKG_VERSION")))
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let bad = |host: &str, why: &str| {
        Trouble::Final(ModelsError::BadRedirect { host: host.to_owned(), file: file.to_owned(), why: why.to_owned() })
    };
    let mut address: Uri = get.address.parse().map_err(|_| bad("the list", "it is no address"))?;
    let mut seen = Vec::new();
    let (mut sha256, mut linked_size) = (None, None);
    loop {
        let host = host_of(&address.to_string());
        let passing = |error: &ureq::Error| Trouble::Passing { host: host.clone(), why: plain(error) };
        let mut request = agent.get(&address);
        if get.from > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", get.from));
            if let Some(tag) = &get.if_range {
                request = request.header(header::IF_RANGE, tag);
            }
        }
        if let Some(token) = hub.token_for(&address) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.0));
        }
        let mut response = request.call().map_err(|error| passing(&error))?;
        let headers = response.headers();
        sha256 = sha256.or_else(|| text(headers, "x-linked-etag").and_then(|tag| sha256_of(&tag)));
        linked_size = linked_size.or_else(|| text(headers, "x-linked-size")?.parse().ok());
        let status = response.status().as_u16();
        if matches!(status, 301 | 302 | 303 | 307 | 308) {
            let Some(location) = text(headers, "location") else { return Err(bad(&host, "it names none")) };
            seen.push(address.clone());
            let next = join(&address, &location).ok_or_else(|| bad(&host, "it is not readable"))?;
            if address.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                return Err(bad(&host, "it is not encrypted"));
            }
            // The same address twice may be meant (a cookie, a freshly signed link); a long chain is not.
            if seen.len() > MOST_HOPS || seen.iter().filter(|past| **past == next).count() > 1 {
                let file = file.to_owned();
                return Err(Trouble::Final(ModelsError::RedirectLoop { host, file, hops: seen.len() }));
            }
            address = next;
            continue;
        }
        let head = Head {
            host: host.clone(),
            status,
            etag: text(headers, "etag").filter(|tag| tag.starts_with('"')),
            // Small files have no link headers; their ETag may still be a sha256 where a mirror serves them itself.
            sha256: sha256.clone(),
            linked_size,
            content_length: text(headers, "content-length").and_then(|length| length.parse().ok()),
            content_range: text(headers, "content-range").and_then(|range| content_range(&range)),
            retry_after: text(headers, "retry-after").and_then(|s| s.parse().ok()).map(Duration::from_secs),
        };
        let has_body = matches!(status, 200 | 206);
        if !send(Message::Head(head)) || !has_body {
            return Ok(());
        }
        let mut reader = response.body_mut().with_config().limit(u64::MAX).reader();
        loop {
            let mut chunk = vec![0; CHUNK];
            match reader.read(&mut chunk) {
                Ok(0) => {
                    send(Message::End);
                    return Ok(());
                }
                Ok(n) => {
                    chunk.truncate(n);
                    if !send(Message::Data(chunk)) {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let why = ureq::Error::from(error);
                    return Err(Trouble::Passing { host: host.clone(), why: plain(&why) });
                }
            }
        }
    }
}

/// An error without addresses: a signed link is a secret, too.
fn plain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "it is silent for too long".to_owned(),
        ureq::Error::HostNotFound => "its name is not known".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Protocol(_) => "its answer is not proper HTTP".to_owned(),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
            "the encryption failed; check the clock and the certificates".to_owned()
        }
        _ => "the connection failed".to_owned(),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

fn sha256_of(tag: &str) -> Option<String> {
    let hex = tag.trim_start_matches("W/").trim_matches('"');
    let is_sha256 = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    is_sha256.then(|| hex.to_ascii_lowercase())
}

/// `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`.
fn content_range(value: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) = value.strip_prefix("bytes")?.trim_start().split_once('/')?;
    let start = range.split_once('-').and_then(|(start, _)| start.trim().parse().ok());
    Some((start, total.trim().parse().ok()))
}

/// A redirect's `Location`, which may be relative (RFC 9110, 10.2.2).
fn join(base: &Uri, location: &str) -> Option<Uri> {
    let scheme = base.scheme_str()?;
    let authority = base.authority()?.as_str();
    let absolute = if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.contains("://") {
        return None;
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    // A fragment is for the reader, not for the server.
    let uri: Uri = absolute.split('#').next()?.parse().ok()?;
    uri.host().is_some_and(|host| !host.is_empty()).then_some(uri)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn the_token_goes_to_the_hub_only_and_is_never_shown() {
        let hub = Hub::new("https://hub.test/", Token::new(" hf_secret\n")).unwrap();
        assert!(hub.token_for(&uri("https://hub.test/a")).is_some());
        for other in ["http://hub.test/a", "https://hub.test:444/a", "https://cdn.hub.test/a", "https://else.test/a"] {
            assert!(hub.token_for(&uri(other)).is_none(), "{other}");
        }
        let clear = Hub::new("http://hub.test", Token::new("hf_secret")).unwrap();
        assert!(clear.token_for(&uri("http://hub.test/a")).is_none());
        assert!(!format!("{hub:?}").contains("secret"));
        assert!(Token::new("two\nlines").is_none() && Token::new("  ").is_none());
    }

    #[test]
    fn endpoints() {
        let hub = Hub::new("https://mirror.test/hf/", None).unwrap();
        assert_eq!(hub.address("a/b", "main", "c/d.txt"), "https://mirror.test/hf/a/b/resolve/main/c/d.txt");
        for bad in ["", "mirror", "ftp://mirror", "https://", "https://user:word@mirror.test"] {
            assert!(Hub::new(bad, None).is_err(), "{bad}");
        }
        let offline = Hub::from_environment(|name| (name == "HF_HUB_OFFLINE").then(|| "1".into()));
        assert!(matches!(offline, Err(ModelsError::Offline)));
        let mirror = Hub::from_environment(|name| (name == "HF_ENDPOINT").then(|| "http://m.test".into())).unwrap();
        assert_eq!((mirror.endpoint.as_str(), mirror.has_token()), ("http://m.test", false));
        let token = Hub::from_environment(|name| (name == "HF_TOKEN").then(|| "t".into())).unwrap();
        assert!(token.has_token());
    }

    #[test]
    fn locations_are_joined() {
        let base = uri("https://hub.test/a/b?q");
        let joined = |location: &str| join(&base, location).map(|uri| uri.to_string());
        assert_eq!(joined("/c?d#e").unwrap(), "https://hub.test/c?d");
        assert_eq!(joined("c").unwrap(), "https://hub.test/a/c");
        assert_eq!(joined("//cdn.test/c").unwrap(), "https://cdn.test/c");
        assert_eq!(joined("http://cdn.test/c").unwrap(), "http://cdn.test/c");
        assert_eq!(joined("ftp://cdn.test/c"), None);
        assert_eq!(joined("http://"), None);
    }

    #[test]
    fn headers_are_read_with_care() {
        assert_eq!(content_range("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(content_range("bytes */10"), Some((None, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(content_range("lines 5-9/10"), None);
        assert_eq!(sha256_of(&format!("\"{}\"", "aB".repeat(32))), Some("ab".repeat(32)));
        assert_eq!(sha256_of("\"abc\""), None);
    }
}
