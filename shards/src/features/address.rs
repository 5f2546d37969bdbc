//! Where a feature store is: `embedded:DIR` or `scylla://HOST:PORT[,HOST…]/KEYSPACE`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The port of CQL.
const CQL_PORT: u16 = 9042;

/// Where a feature store is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum StoreAddress {
    /// A folder of this machine.
    Embedded(PathBuf),
    /// A cluster that speaks CQL.
    Scylla {
        /// The nodes to ask first, each `HOST:PORT`.
        contact_points: Vec<String>,
        /// The keyspace.
        keyspace: String,
    },
}

/// A text that names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{address}` names no feature store: {reason} \
     (embedded:DIR or scylla://HOST:PORT[,HOST:PORT...]/KEYSPACE)"
)]
pub struct AddressError {
    /// The text.
    pub address: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for StoreAddress {
    type Err = AddressError;

    fn from_str(address: &str) -> Result<Self, AddressError> {
        parse(address).map_err(|reason| AddressError { address: address.to_owned(), reason })
    }
}

impl From<StoreAddress> for String {
    fn from(address: StoreAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for StoreAddress {
    type Error = AddressError;

    fn try_from(address: String) -> Result<Self, AddressError> {
        address.parse()
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(folder) => write!(formatter, "embedded:{}", folder.display()),
            Self::Scylla { contact_points, keyspace } => {
                write!(formatter, "scylla://{}/{keyspace}", contact_points.join(","))
            }
        }
    }
}

fn parse(address: &str) -> Result<StoreAddress, &'static str> {
    if let Some(folder) = address.strip_prefix("embedded:") {
        return match folder {
            "" => Err("the folder is missing"),
            folder => Ok(StoreAddress::Embedded(PathBuf::from(folder))),
        };
    }
    let rest = address.strip_prefix("scylla://").ok_or("it starts with neither scheme")?;
    let (hosts, keyspace) = rest.split_once('/').ok_or("the keyspace is missing")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if keyspace.is_empty() || !keyspace.bytes().all(allowed) {
        return Err("a keyspace is made of letters, digits and underscores");
    }
    let contact_points = hosts.split(',').map(contact_point).collect::<Result<_, _>>()?;
    Ok(StoreAddress::Scylla { contact_points, keyspace: keyspace.to_owned() })
}

/// `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`, with the port made explicit.
fn contact_point(text: &str) -> Result<String, &'static str> {
    let after_bracket = text.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match text[after_bracket..].rfind(':') {
        Some(at) => (&text[..after_bracket + at], &text[after_bracket + at + 1..]),
        None => (text, ""),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || (host.contains(':') && !bracketed) {
        return Err("a host is missing, or is an IPv6 address without brackets");
    }
    let port = if text.len() == host.len() {
        CQL_PORT
    } else {
        port.parse().map_err(|_| "a port is not a number from 1 to 65535")?
    };
    if port == 0 {
        return Err("a port is not a number from 1 to 65535");
    }
    Ok(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::StoreAddress;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for (text, expected) in [
            ("embedded:data/store", "embedded:data/store"),
            ("scylla://db/model_features", "scylla://db:9042/model_features"),
            ("scylla://a:1,b,[::1]:9/k", "scylla://a:1,b:9042,[::1]:9/k"),
        ] {
            assert_eq!(text.parse::<StoreAddress>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn wrong_addresses_are_refused() {
        for text in [
            "",
            "embedded:",
            "redis://a/k",
            "scylla://a",
            "scylla:///k",
            "scylla://a/",
            "scylla://a/k-k",
            "scylla://a,/k",
            "scylla://a:0/k",
            "scylla://a:x/k",
            "scylla://::1/k",
            "scylla://a:/k",
            "scylla://a:65536/k",
        ] {
            assert!(text.parse::<StoreAddress>().is_err(), "{text}");
        }
    }
}
