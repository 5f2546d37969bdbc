//! A request's target, and the host that it is for (RFC 9112 section 3.2, RFC 3986 section 3.2).
//!
//! A proxy in front and this server must agree on the end of an authority, and on its validity. A
//! target that is not valid by the grammar is refused, never repaired.

use std::net::Ipv6Addr;

use memchr::memchr;

use super::head::HeadError;

/// The parts of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The path, without the query.
    pub(super) path: &'a str,
    /// The authority of an absolute-form target: it counts, whatever the Host field says.
    pub(super) authority: Option<&'a str>,
}

/// Reads the target of a request with this method, in origin-form, absolute-form or asterisk-form.
pub(super) fn read<'a>(method: &str, target: &'a str) -> Result<Target<'a>, HeadError> {
    if memchr(b'#', target.as_bytes()).is_some() {
        return Err(HeadError::Malformed("the target has a fragment"));
    }
    if target == "*" && method != "OPTIONS" {
        return Err(HeadError::Malformed("only OPTIONS asks the server as a whole"));
    }
    if target.starts_with('/') || target == "*" {
        return Ok(Target { path: without_query(target), authority: None });
    }
    let Some(rest) = after_scheme(target) else {
        return Err(HeadError::Malformed("the target is neither a path nor an http address"));
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    // Userinfo is refused with the rest: `@` is in no host (RFC 9110 section 4.2.4).
    if !is_authority(authority.as_bytes()) {
        return Err(HeadError::Malformed("the target's authority is not a host and a port"));
    }
    // An empty path is that of the root.
    let path = if rest.starts_with('/') { without_query(rest) } else { "/" };
    Ok(Target { path, authority: Some(authority) })
}

fn after_scheme(target: &str) -> Option<&str> {
    ["http://", "https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

fn without_query(target: &str) -> &str {
    memchr(b'?', target.as_bytes()).map_or(target, |end| &target[..end])
}

/// Whether it is `host [ ":" port ]`. An empty host is not one: no http address has it (RFC 9110
/// section 4.2.1).
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    let (is_host, rest) = if let Some(literal) = bytes.strip_prefix(b"[") {
        let Some(end) = memchr(b']', literal) else { return false };
        (is_ip_literal(&literal[..end]), &literal[end + 1..])
    } else {
        let end = name_end(bytes);
        (end > 0 && matches!(bytes.get(end), None | Some(b':')), &bytes[end..])
    };
    let is_port = match rest.split_first() {
        None => true,
        Some((colon, digits)) => *colon == b':' && digits.iter().all(u8::is_ascii_digit),
    };
    is_host && is_port
}

/// Whether it is an address in brackets: of IPv6, or of a future version.
fn is_ip_literal(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    if let Some(future) = text.strip_prefix(['v', 'V']) {
        let Some((version, address)) = future.split_once('.') else { return false };
        let is_part = |byte: u8| is_unreserved_or_delimiter(byte) || byte == b':';
        return !version.is_empty()
            && version.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !address.is_empty()
            && address.bytes().all(is_part);
    }
    text.parse::<Ipv6Addr>().is_ok()
}

/// Where a name, or an IPv4 address, which looks like one, ends at the start of these bytes.
fn name_end(bytes: &[u8]) -> usize {
    let mut end = 0;
    loop {
        end += bytes[end..].iter().take_while(|byte| is_unreserved_or_delimiter(**byte)).count();
        match &bytes[end..] {
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                end += 3;
            }
            _ => return end,
        }
    }
}

/// `unreserved` and `sub-delims` of RFC 3986, by byte: each request's Host is held to them.
static UNRESERVED_OR_DELIMITER: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let is_delimiter = matches!(
            byte as u8,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        );
        table[byte] = is_delimiter || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

fn is_unreserved_or_delimiter(byte: u8) -> bool {
    UNRESERVED_OR_DELIMITER[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::{HeadError, Target, is_authority, read};

    #[test]
    fn an_authority_ends_where_path_or_query_begins() {
        for (target, path, authority) in [
            ("/predict?a=b", "/predict", None),
            ("/http://a/b", "/http://a/b", None),
            ("*", "*", None),
            ("http://h", "/", Some("h")),
            ("http://h/", "/", Some("h")),
            ("HTTP://h:80/predict?x", "/predict", Some("h:80")),
            ("https://h?x=/predict", "/", Some("h")),
            ("http://h/a?x=http://i/predict", "/a", Some("h")),
            ("http://[::1]:8080/predict", "/predict", Some("[::1]:8080")),
        ] {
            assert_eq!(read("OPTIONS", target), Ok(Target { path, authority }), "{target}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for target in [
            "",
            "predict",
            "h:443",
            "*",
            "*?x",
            "ftp://h/predict",
            "http:/predict",
            "http:///predict",
            "http://?/predict",
            "http://:80/predict",
            "http://user@h/predict",
            "http://user:password@h/predict",
            "http://[::zz]:x/predict",
            "http://h:8x/predict",
            "http://h\\i/predict",
            "http://h#/predict",
            "/predict#x",
            "/predict?x#y",
        ] {
            assert_eq!(read("GET", target).map_err(HeadError::status), Err(400), "{target}");
        }
    }

    #[test]
    fn hosts_are_read_by_the_grammar() {
        for valid in [
            "a",
            "a:",
            "a:80",
            "a-b.c_d~",
            "127.0.0.1:8080",
            "[::1]",
            "[::ffff:1.2.3.4]:1",
            "[v1.a:b]",
            "xn--bcher-kva.example",
            "caf%C3%A9",
            "a!$&'()*+,;=",
        ] {
            assert!(is_authority(valid.as_bytes()), "{valid}");
        }
        for invalid in [
            "",
            ":80",
            "a b",
            "a, b",
            "a/../b@c?d",
            "a:99999x",
            "a:-1",
            "a:1:2",
            "::1",
            "[::1",
            "[]",
            "[::1]a",
            "[::1%25eth0]",
            "[v.a]",
            "[v1.]",
            "[1.2.3.4]",
            "a]",
            "caf%C3%A",
            "caf%zz",
            "caf\u{e9}",
            "a\"",
            "a\\b",
            "a<b>",
            "user@a",
            "a#b",
            "\u{7f}",
        ] {
            assert!(!is_authority(invalid.as_bytes()), "{invalid}");
        }
        assert!(!is_authority(b"\xff\xfe"));
    }
}
