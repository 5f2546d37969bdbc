//! The events of the live page, as a page hears them.

use std::io::{BufRead, BufReader, Write};

use serde_json::Value;

use super::{Client, Gateway};

/// The events, each with its name.
pub(crate) fn events(gateway: &Gateway) -> impl Iterator<Item = (String, Value)> {
    let client = Client::connect(gateway.admin);
    let mut stream = client.stream().try_clone().unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    std::iter::from_fn(move || {
        let name = lines.find_map(|line| line.strip_prefix("event: ").map(str::to_owned))?;
        let data = lines.next()?;
        Some((name, serde_json::from_str(data.strip_prefix("data: ")?).unwrap()))
    })
}

/// The first event of this name of which `find` makes something.
pub(crate) fn heard<T>(
    gateway: &Gateway,
    name: &str,
    mut find: impl FnMut(&Value) -> Option<T>,
) -> T {
    let mut heard = events(gateway).filter(|(found, _)| found == name);
    heard.find_map(|(_, data)| find(&data)).expect("it goes on as long as the gateway")
}
