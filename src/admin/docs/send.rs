//! Passes a request of the page on to the serving port.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::admin::reply::Reply;

/// How long the serving port may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that is read of its answer.
const ANSWER_BYTES_MAX: u64 = 1_048_576;
/// The paths that may be asked for; none changes anything.
const PATHS: [&str; 5] = ["/predict", "/v1/models", "/v2/models", "/v2/health", "/openapi.json"];

/// Where requests are served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServedAt {
    /// The address that is listened on.
    pub(crate) address: SocketAddr,
    /// Whether connections are encrypted.
    pub(crate) is_encrypted: bool,
}

/// A request as the page has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    method: String,
    path: String,
    #[serde(default)]
    body: String,
    /// The API key, where one is needed.
    #[serde(default)]
    key: String,
}

/// Sends the request that `body` describes; the reply has the answer's status, header lines and
/// body.
pub(in crate::admin) fn send(body: &[u8], served_at: Option<&ServedAt>) -> Reply {
    let wanted: Wanted = match serde_json::from_slice(body) {
        Ok(wanted) => wanted,
        Err(error) => return Reply::error(400, &format!("expected a request to send: {error}")),
    };
    if let Err(message) = wanted.check() {
        return Reply::error(400, message);
    }
    match served_at {
        None => Reply::error(503, "the gateway does not serve yet"),
        Some(at) if at.is_encrypted => Reply::error(
            501,
            "the serving port is encrypted: send the request from a shell, as the page says",
        ),
        Some(at) => match wanted.exchange(at.address) {
            Ok(answer) => answer,
            Err(error) => Reply::error(502, &format!("the serving port did not answer: {error}")),
        },
    }
}

impl Wanted {
    fn check(&self) -> Result<(), &'static str> {
        let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !matches!(self.method.as_str(), "GET" | "POST") {
            return Err("only GET and POST are sent");
        }
        if !PATHS.iter().any(|known| self.path.starts_with(known)) || !is_visible(&self.path) {
            return Err("this path is not one that is sent from here");
        }
        if !is_visible(&self.key) {
            return Err("the key has characters that none has");
        }
        Ok(())
    }

    fn exchange(&self, address: SocketAddr) -> io::Result<Reply> {
        let mut stream = TcpStream::connect_timeout(&reachable(address), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Self { method, path, body, key } = self;
        let key = if key.is_empty() { String::new() } else { format!("x-api-key: {key}\r\n") };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{key}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = line.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        Ok(Reply::json(200, &json!({"status": status, "fields": fields, "body": body})))
    }
}

/// An address that a client can connect to: a listener on all addresses is reached by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    #[test]
    fn nothing_that_changes_the_gateway_is_sent() {
        let wanted = |method: &str, path: &str, key: &str| {
            let (method, path, key) = (method.to_owned(), path.to_owned(), key.to_owned());
            Wanted { method, path, body: String::new(), key }.check().is_ok()
        };
        assert!(wanted("POST", "/predict/a", "sk-1"));
        assert!(wanted("GET", "/v2/models/a/stats", ""));
        for (method, path, key) in [
            ("POST", "/v2/repository/models/a/unload", ""),
            ("DELETE", "/predict", ""),
            ("POST", "/predict HTTP/1.1\r\nx: y", ""),
            ("POST", "/predict", "a\r\nhost: b"),
            ("GET", "http://elsewhere/predict", ""),
        ] {
            assert!(!wanted(method, path, key), "{method} {path}");
        }
    }
}
