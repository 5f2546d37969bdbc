//! What an aggregate is: `[[aggregates]]` of the configuration.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::MARK;
use super::sketch::WORDS;
use crate::features::column::ColumnType;
use crate::features::schema::{COLUMNS_MAX, Schema, StoreColumn};

/// How many tiles a window has where nothing is said.
const TILES: u64 = 12;
/// The most that it may have: a row holds all of them.
const TILES_MAX: u64 = 288;

/// What is computed of the events in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AggregateFunction {
    /// How many there are.
    Count,
    /// The sum of a number of each.
    Sum,
    /// The largest of a number of each.
    Max,
    /// How many different values of one field there are, about.
    Distinct,
}

impl AggregateFunction {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Count, Self::Sum, Self::Max, Self::Distinct];

    /// Its word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Max => "max",
            Self::Distinct => "distinct",
        }
    }

    /// The type of the column that shows it.
    pub const fn column_type(self) -> ColumnType {
        match self {
            Self::Count | Self::Distinct => ColumnType::Bigint,
            Self::Sum | Self::Max => ColumnType::Double,
        }
    }

    /// How many 64-bit words a tile takes.
    pub(super) const fn words(self) -> usize {
        if matches!(self, Self::Distinct) { WORDS } else { 1 }
    }
}

/// A counter over time of each key of an entity's table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// The column that shows it.
    pub name: String,
    /// The entity whose events it counts.
    pub entity: String,
    /// What it computes.
    pub function: AggregateFunction,
    /// The field of an event that is summed, compared or told apart; none for a count.
    #[serde(default)]
    pub value: Option<String>,
    /// How far back it looks, as `90s`, `15m`, `1h`, `30d`.
    pub window: String,
    /// How long a tile is; a twelfth of the window where it is not given.
    #[serde(default)]
    pub tile: Option<String>,
    /// Whether a request that was scored is an event of each entity that it named.
    #[serde(default)]
    pub on_predict: bool,
}

/// Why an aggregate cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// A name that no column can have.
    #[error("aggregate `{name}`: a name of letters, digits and _ is expected")]
    Name {
        /// The name.
        name: String,
    },
    /// No duration.
    #[error(
        "aggregate `{name}`: `{key}`: found {found}, expected a duration as 90s, 15m, 1h or 30d"
    )]
    Duration {
        /// The aggregate.
        name: String,
        /// Which of its keys.
        key: &'static str,
        /// What it says.
        found: String,
    },
    /// The window is not a number of tiles that a row can hold.
    #[error(
        "aggregate `{name}`: a window of {window_s} s in tiles of {tile_s} s: expected 1 to {TILES_MAX} \
         whole tiles"
    )]
    Tiles {
        /// The aggregate.
        name: String,
        /// The window.
        window_s: u64,
        /// The tile.
        tile_s: u64,
    },
    /// A count of something, or a sum of nothing.
    #[error("aggregate `{name}`: `value`: {expected}")]
    Value {
        /// The aggregate.
        name: String,
        /// What is expected.
        expected: &'static str,
    },
    /// Two have one name in one table.
    #[error("aggregate `{name}`: there are two of this name for the entity `{entity}`")]
    Twice {
        /// The name.
        name: String,
        /// The entity.
        entity: String,
    },
    /// The table has a column of this name that is another thing.
    #[error(
        "aggregate `{name}`: the table of `{entity}` has a column of this name that is {found}, expected \
         {expected}: choose another name, or import the table again with --replace"
    )]
    OtherColumn {
        /// The name.
        name: String,
        /// The entity.
        entity: String,
        /// What the column is.
        found: String,
        /// What the aggregate would be.
        expected: String,
    },
    /// The table would have too many columns.
    #[error(
        "aggregate `{name}`: the table of `{entity}` would have {found} columns, at most {COLUMNS_MAX} \
         are kept: choose larger tiles"
    )]
    TooManyColumns {
        /// The aggregate that is too much.
        name: String,
        /// The entity.
        entity: String,
        /// How many there would be.
        found: usize,
    },
}

/// The seconds of a duration as `90s`, `15m`, `1h` or `30d`; `None` where it is none, or 0.
pub fn duration_s(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| digits.parse().ok()).flatten()?;
    number.checked_mul(factor).filter(|seconds| (1..=10 * 366 * 86_400).contains(seconds))
}

/// An aggregate's window, in tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) function: AggregateFunction,
    pub(crate) tile_s: u64,
    /// One more than the window has: the newest is not full yet.
    pub(crate) tiles: u64,
}

/// As the name of the column that holds the newest tile's number.
impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.function.as_str(), self.tile_s, self.tiles)
    }
}

impl Window {
    /// What the name of a column says behind its mark.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let word = parts.next()?;
        let function = AggregateFunction::ALL.into_iter().find(|it| it.as_str() == word)?;
        let mut number =
            || parts.next()?.parse::<u64>().ok().filter(|it| (1..1 << 40).contains(it));
        let (tile_s, tiles) = (number()?, number()?);
        let is_whole = parts.next().is_none() && (2..=TILES_MAX + 1).contains(&tiles);
        is_whole.then_some(Self { function, tile_s, tiles })
    }

    /// The columns of an aggregate with this window.
    pub(crate) fn columns(self, name: &str) -> Vec<StoreColumn> {
        let column = |name: String, column_type| StoreColumn { name, column_type };
        let mut columns = vec![
            column(name.to_owned(), self.function.column_type()),
            column(format!("{name}{MARK}{self}"), ColumnType::Bigint),
        ];
        let words = self.tiles as usize * self.function.words();
        let word = |at| column(format!("{name}{MARK}{at}"), ColumnType::Bigint);
        columns.extend((0..words).map(word));
        columns
    }
}

impl Aggregate {
    /// Checks that aggregates make sense, each and together.
    ///
    /// # Errors
    /// What is wrong with the first that does not.
    pub fn check_all(all: &[Self]) -> Result<(), AggregateError> {
        for (at, one) in all.iter().enumerate() {
            one.window()?;
            let is_same = |other: &Self| other.name == one.name && other.entity == one.entity;
            if all[..at].iter().any(is_same) {
                let (name, entity) = (one.name.clone(), one.entity.clone());
                return Err(AggregateError::Twice { name, entity });
            }
        }
        Ok(())
    }

    /// Its window, in tiles.
    pub(crate) fn window(&self) -> Result<Window, AggregateError> {
        let name = || self.name.clone();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if self.name.is_empty() || !self.name.bytes().all(is_name) {
            return Err(AggregateError::Name { name: name() });
        }
        match (self.function, &self.value) {
            (AggregateFunction::Count, Some(_)) => {
                let expected = "a count has none";
                return Err(AggregateError::Value { name: name(), expected });
            }
            (AggregateFunction::Count, None) | (_, Some(_)) => {}
            (_, None) => {
                let expected = "the field of an event that is meant";
                return Err(AggregateError::Value { name: name(), expected });
            }
        }
        let seconds = |key, text: &str| {
            let wrong = || AggregateError::Duration { name: name(), key, found: text.to_owned() };
            duration_s(text).ok_or_else(wrong)
        };
        let window_s = seconds("window", &self.window)?;
        let tile_s = match &self.tile {
            Some(tile) => seconds("tile", tile)?,
            None => window_s.div_ceil(TILES),
        };
        // Where nothing is said a window of odd seconds is a little longer than it says.
        let tiles = if self.tile.is_some() && window_s % tile_s != 0 {
            0
        } else {
            window_s.div_ceil(tile_s)
        };
        if !(1..=TILES_MAX).contains(&tiles) {
            return Err(AggregateError::Tiles { name: name(), window_s, tile_s });
        }
        Ok(Window { function: self.function, tile_s, tiles: tiles + 1 })
    }

    /// The columns that a table of `schema` needs besides for these aggregates, all of its entity.
    ///
    /// # Errors
    /// A column has the name of one, or there are too many.
    pub fn missing_columns(
        all: &[&Self],
        schema: Option<&Schema>,
    ) -> Result<Vec<StoreColumn>, AggregateError> {
        let has = schema.map_or(&[][..], Schema::columns);
        let mut missing = Vec::new();
        for one in all {
            let columns = one.window()?.columns(&one.name);
            let known = has.iter().position(|column| column.name == one.name);
            let is_there = known.is_some_and(|at| has[at..].starts_with(&columns));
            if is_there {
                continue;
            }
            if let Some(at) = known {
                let found = has.get(at + 1).map(|next| next.name.as_str());
                let found =
                    found.and_then(|next| next.strip_prefix(&format!("{}{MARK}", one.name)));
                let found = found.unwrap_or("no aggregate").to_owned();
                let expected = one.window()?.to_string();
                let (name, entity) = (one.name.clone(), one.entity.clone());
                return Err(AggregateError::OtherColumn { name, entity, found, expected });
            }
            missing.extend(columns);
            let found = has.len() + missing.len();
            if found > COLUMNS_MAX {
                let (name, entity) = (one.name.clone(), one.entity.clone());
                return Err(AggregateError::TooManyColumns { name, entity, found });
            }
        }
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::{Aggregate, AggregateFunction, Window, duration_s};
    use crate::features::schema::Schema;

    fn aggregate(window: &str, tile: Option<&str>) -> Aggregate {
        Aggregate {
            name: "tx_1h".to_owned(),
            entity: "card".to_owned(),
            function: AggregateFunction::Sum,
            value: Some("amount".to_owned()),
            window: window.to_owned(),
            tile: tile.map(str::to_owned),
            on_predict: false,
        }
    }

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        let found = ["90s", "15m", "1h", "30d"].map(duration_s);
        assert_eq!(found, [Some(90), Some(900), Some(3_600), Some(2_592_000)]);
        for bad in ["", "s", "1", "1w", "-1s", "+1s", "0s", "1.5h", "99999999999999999999d", "1é"]
        {
            assert_eq!(duration_s(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_window_is_a_whole_number_of_tiles() {
        let window = |window, tile| aggregate(window, tile).window().map_err(|it| it.to_string());
        let function = AggregateFunction::Sum;
        assert_eq!(window("1h", None), Ok(Window { function, tile_s: 300, tiles: 13 }));
        assert_eq!(window("1d", Some("1h")), Ok(Window { function, tile_s: 3_600, tiles: 25 }));
        assert_eq!(window("5s", None), Ok(Window { function, tile_s: 1, tiles: 6 }));
        for (long, tile, expected) in [
            ("1h", Some("7m"), "3600 s in tiles of 420 s"),
            ("1d", Some("1m"), "expected 1 to 288"),
            ("1m", Some("1h"), "expected 1 to 288"),
            ("soon", None, "`window`: found soon"),
        ] {
            assert!(window(long, tile).unwrap_err().contains(expected), "{long} {tile:?}");
        }
        let mut none = aggregate("1h", None);
        none.value = None;
        assert!(none.window().unwrap_err().to_string().contains("the field of an event"));
    }

    #[test]
    fn columns_are_added_once_and_never_changed() {
        let one = aggregate("1h", None);
        let columns = Aggregate::missing_columns(&[&one], None).unwrap();
        assert_eq!(columns.len(), 15);
        assert_eq!(columns[1].name, "tx_1h#sum/300/13");
        assert_eq!(Window::parse("sum/300/13"), one.window().ok());
        let schema = Schema::new(columns).unwrap();
        assert!(Aggregate::missing_columns(&[&one], Some(&schema)).unwrap().is_empty());
        let other = aggregate("2h", None);
        let error = Aggregate::missing_columns(&[&other], Some(&schema)).unwrap_err().to_string();
        assert!(error.contains("that is sum/300/13, expected sum/600/13"), "{error}");
        assert!(Aggregate::check_all(&[one.clone(), other]).is_err());
        for name in ["tx_1h#sum/300/13", "tx_1h#0"] {
            assert!(super::super::is_hidden(name));
        }
        assert!(!super::super::is_hidden("tx_1h") && !super::super::is_hidden("a#b"));
    }
}
