//! Which cores the shards get: only ones that this process may use, whatever is online.

use std::fmt;
use std::str::FromStr;

use core_affinity::CoreId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The cores that an operator asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum CoreList {
    /// Every core that the process may use.
    #[default]
    All,
    /// These.
    These(Vec<usize>),
}

/// Why the cores that were asked for cannot be had.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum PlacementError {
    /// Not a list of cores.
    #[error("cores: found `{found}`, expected `all` or a list like `0,2-5`")]
    NotAList {
        /// What was given.
        found: String,
    },
    /// A core is named twice.
    #[error("cores: core {core} is named twice")]
    Twice {
        /// The core.
        core: usize,
    },
    /// A core is not there, or not allowed to this process.
    #[error("cores: core {core} is not one that this process may use ({allowed:?})")]
    NotAllowed {
        /// The core.
        core: usize,
        /// Those it may use.
        allowed: Vec<usize>,
    },
    /// The system did not say which cores there are.
    #[error("cores: the system does not say which cores this process may use")]
    Unknown,
}

impl fmt::Display for CoreList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all"),
            Self::These(cores) => {
                let cores: Vec<_> = cores.iter().map(ToString::to_string).collect();
                formatter.write_str(&cores.join(","))
            }
        }
    }
}

impl FromStr for CoreList {
    type Err = PlacementError;

    fn from_str(text: &str) -> Result<Self, PlacementError> {
        if text == "all" {
            return Ok(Self::All);
        }
        let not_a_list = || PlacementError::NotAList { found: text.to_owned() };
        let number = |digits: &str| digits.trim().parse::<u16>().map_err(|_| not_a_list());
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if first > last {
                return Err(not_a_list());
            }
            for core in usize::from(first)..=usize::from(last) {
                if cores.contains(&core) {
                    return Err(PlacementError::Twice { core });
                }
                cores.push(core);
            }
        }
        Ok(Self::These(cores))
    }
}

impl From<CoreList> for String {
    fn from(cores: CoreList) -> Self {
        cores.to_string()
    }
}

impl TryFrom<String> for CoreList {
    type Error = PlacementError;

    fn try_from(text: String) -> Result<Self, PlacementError> {
        text.parse()
    }
}

impl CoreList {
    /// The cores to use, in the order that was asked for.
    pub(crate) fn resolve(&self) -> Result<Vec<CoreId>, PlacementError> {
        let allowed = core_affinity::get_core_ids().filter(|cores| !cores.is_empty());
        let allowed = allowed.ok_or(PlacementError::Unknown)?;
        match self {
            Self::All => Ok(allowed),
            Self::These(wanted) => wanted
                .iter()
                .map(|core| {
                    allowed.iter().find(|id| id.id == *core).copied().ok_or_else(|| {
                        let allowed = allowed.iter().map(|id| id.id).collect();
                        PlacementError::NotAllowed { core: *core, allowed }
                    })
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CoreList, PlacementError};

    #[test]
    fn a_list_of_cores_is_read_or_refused_with_what_was_found() {
        assert_eq!("all".parse(), Ok(CoreList::All));
        assert_eq!("0,2-4".parse(), Ok(CoreList::These(vec![0, 2, 3, 4])));
        assert_eq!("1-2,2".parse::<CoreList>(), Err(PlacementError::Twice { core: 2 }));
        for text in ["", "a", "3-1", "1,", "-1", "1-2-3"] {
            let error = text.parse::<CoreList>().expect_err(text);
            assert_eq!(error, PlacementError::NotAList { found: text.to_owned() });
        }
    }

    #[test]
    fn a_core_that_is_not_there_is_named_with_those_that_are() {
        let error = CoreList::These(vec![9_999]).resolve().expect_err("no such core");
        assert!(error.to_string().starts_with("cores: core 9999 is not one"), "{error}");
    }
}
