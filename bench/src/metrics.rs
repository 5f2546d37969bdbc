//! What a running gateway's admin port says it has counted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::Result;

/// The text of `/metrics`.
pub(crate) fn read(admin: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(admin)?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The samples of a family: labels as they are written, and values.
pub(crate) fn samples<'a>(
    text: &'a str,
    family: &'a str,
) -> impl Iterator<Item = (&'a str, f64)> + 'a {
    text.lines().filter_map(move |line| {
        let (labels, value) = line.strip_prefix(family)?.rsplit_once(' ')?;
        let is_of_family = labels.is_empty() || labels.starts_with('{');
        is_of_family.then_some((labels, value.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::samples;

    #[test]
    fn a_family_has_its_own_samples_and_no_others() {
        let text = "# HELP taken_total {x} 1\ntaken_total{shard=\"0\"} 2\n\
                    taken_total{shard=\"1\"} 3.5\ntaken_total_more{shard=\"0\"} 7\nother 4\n";
        let found: Vec<_> = samples(text, "taken_total").collect();
        assert_eq!(found, [("{shard=\"0\"}", 2.0), ("{shard=\"1\"}", 3.5)]);
        assert_eq!(samples(text, "other").collect::<Vec<_>>(), [("", 4.0)]);
    }
}
