//! A server on this machine that answers as it is told, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Where the range begins that is asked for.
    pub fn from(&self) -> usize {
        let range = self.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        range.map_or(0, |from| from.parse().unwrap())
    }
}

/// What it answers.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// No length is told before.
    pub chunked: bool,
    /// The connection is dropped after so many bytes of the body.
    pub drop_after: Option<usize>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), chunked: false, drop_after: None }
    }

    /// A file, or the part of it that is asked for.
    pub fn file(request: &Request, bytes: &[u8], etag: &str) -> Self {
        let from = request.from();
        let mut reply = Self::status(if from > 0 { 206 } else { 200 }).with("ETag", etag);
        if from >= bytes.len() && from > 0 {
            return Self::status(416);
        }
        if from > 0 {
            reply = reply.with("Content-Range", &format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()));
        }
        reply.body = bytes[from..].to_vec();
        reply
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    #[allow(dead_code, clippy::allow_attributes, reason = "not every test file drops connections")]
    pub fn dropped(mut self, after: usize) -> Self {
        self.drop_after = Some(after);
        self
    }

    fn send(&self, mut to: &TcpStream) -> std::io::Result<()> {
        write!(to, "HTTP/1.1 {} X\r\nConnection: close\r\n", self.status)?;
        for (name, value) in &self.headers {
            write!(to, "{name}: {value}\r\n")?;
        }
        let body = &self.body[..self.drop_after.unwrap_or(self.body.len()).min(self.body.len())];
        if self.chunked {
            write!(to, "Transfer-Encoding: chunked\r\n\r\n")?;
            for chunk in body.chunks(1000) {
                write!(to, "{:x}\r\n", chunk.len())?;
                to.write_all(chunk)?;
                to.write_all(b"\r\n")?;
            }
            to.write_all(b"0\r\n\r\n")
        } else {
            write!(to, "Content-Length: {}\r\n\r\n", self.body.len())?;
            to.write_all(body)
        }
    }
}

/// It serves until the test ends.
pub struct Server {
    pub url: String,
    pub asked: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                heard.lock().unwrap().push(request.clone());
                // A client that has heard enough goes away.
                let _ = answer(&request).send(&stream);
            }
        });
        Self { url, asked }
    }

    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_string();
    let header = |line: String| {
        line.split_once(": ").map(|(key, value)| (key.to_ascii_lowercase(), value.to_string()))
    };
    Some(Request { path, headers: lines.take_while(|line| !line.is_empty()).filter_map(header).collect() })
}
