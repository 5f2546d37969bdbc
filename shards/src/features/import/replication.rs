//! How many copies of a keyspace's rows there are to be, and where.

use std::fmt;
use std::str::FromStr;

/// How a keyspace that an import makes is replicated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replication {
    /// So many copies in each of these datacenters.
    Datacenters(Vec<(String, u32)>),
    /// One copy anywhere: for trying things out on one node.
    Single,
}

/// A text that says no replication.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not like `dc1=3` or `dc1=3,dc2=2`")]
pub struct ReplicationError(pub String);

impl FromStr for Replication {
    type Err = ReplicationError;

    fn from_str(text: &str) -> Result<Self, ReplicationError> {
        let datacenter = |part: &str| {
            let (name, copies) = part.split_once('=')?;
            let copies = copies.parse().ok().filter(|&copies| copies > 0)?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            let named = !name.is_empty() && name.bytes().all(plain);
            named.then(|| (name.to_owned(), copies))
        };
        let datacenters: Option<Vec<_>> = text.split(',').map(datacenter).collect();
        datacenters.map(Self::Datacenters).ok_or_else(|| ReplicationError(text.to_owned()))
    }
}

/// As CQL writes it.
impl fmt::Display for Replication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Datacenters(datacenters) => {
                formatter.write_str("{'class': 'NetworkTopologyStrategy'")?;
                for (name, copies) in datacenters {
                    write!(formatter, ", '{name}': {copies}")?;
                }
                formatter.write_str("}")
            }
            Self::Single => {
                formatter.write_str("{'class': 'SimpleStrategy', 'replication_factor': 1}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Replication;

    #[test]
    fn datacenters_are_read_and_written_as_cql() {
        assert_eq!(
            "dc1=3,eu-west.2=1".parse::<Replication>().unwrap().to_string(),
            "{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'eu-west.2': 1}"
        );
        for wrong in ["", "dc1", "dc1=0", "dc1=x", "=3", "dc1=3,", "a'b=1"] {
            assert!(wrong.parse::<Replication>().is_err(), "{wrong}");
        }
    }
}
