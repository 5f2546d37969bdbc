//! What expressions and rules read of a row, as a line of the log has it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use shards::expression::{Type, Value};

/// A value: its type is known by its name alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected null, true, false, a number or a text")]
pub(crate) enum LoggedValue<'a> {
    /// Not known.
    Null(()),
    /// True or false.
    Bool(bool),
    /// An integer, or µs since 1970.
    Int(i64),
    /// A number, exactly.
    Double(f64),
    /// A text.
    Text(#[serde(borrow)] Cow<'a, str>),
}

impl<'a> LoggedValue<'a> {
    fn of(value: Value<'a>) -> Self {
        match value {
            Value::Null => Self::Null(()),
            Value::Bool(truth) => Self::Bool(truth),
            Value::Int(number) | Value::Timestamp(number) => Self::Int(number),
            Value::Double(number) => Self::Double(number),
            Value::Text(text) => Self::Text(text.into()),
        }
    }

    /// The value as one of a type; `None` where it is of another.
    pub(crate) fn typed(&self, value_type: Type) -> Option<Value<'_>> {
        Some(match (self, value_type) {
            (Self::Null(()), _) => Value::Null,
            (Self::Bool(truth), Type::Bool) => Value::Bool(*truth),
            (Self::Int(number), Type::Int) => Value::Int(*number),
            (Self::Int(us), Type::Timestamp) => Value::Timestamp(*us),
            (Self::Double(number), Type::Double) => Value::Double(*number),
            (Self::Text(text), Type::Text) => Value::Text(text),
            _ => return None,
        })
    }

    /// The same, with texts of its own.
    pub(crate) fn into_owned(self) -> LoggedValue<'static> {
        match self {
            Self::Null(()) => LoggedValue::Null(()),
            Self::Bool(truth) => LoggedValue::Bool(truth),
            Self::Int(number) => LoggedValue::Int(number),
            Self::Double(number) => LoggedValue::Double(number),
            Self::Text(text) => LoggedValue::Text(text.into_owned().into()),
        }
    }
}

/// Values by name, in the order in which the gateway has them: a JSON object.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LoggedValues<'a>(pub(crate) Vec<(Cow<'a, str>, LoggedValue<'a>)>);

impl<'a> LoggedValues<'a> {
    /// Those of a row.
    pub(super) fn of(values: &[(&'a str, Value<'a>)]) -> Self {
        Self(values.iter().map(|(name, value)| ((*name).into(), LoggedValue::of(*value))).collect())
    }
}

impl Serialize for LoggedValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            members.serialize_entry(name, value)?;
        }
        members.end()
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = LoggedValues<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::with_capacity(members.size_hint().unwrap_or(0));
        while let Some(member) = members.next_entry()? {
            values.push(member);
        }
        Ok(LoggedValues(values))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for LoggedValues<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ValuesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_it_was_to_the_last_bit() {
        let values = [
            ("a", Value::Null, Type::Text),
            ("b", Value::Bool(true), Type::Bool),
            ("c", Value::Int(i64::MIN), Type::Int),
            ("d", Value::Double(5.0), Type::Double),
            ("e", Value::Double(-0.0), Type::Double),
            ("f", Value::Double(0.1 + 0.2), Type::Double),
            ("g", Value::Timestamp(1_769_862_600_000_001), Type::Timestamp),
            ("h", Value::Text("Zürich \"A\"\n"), Type::Text),
            ("i", Value::Double(5e-324), Type::Double),
            ("j", Value::Double(1.797e308), Type::Double),
        ];
        let logged = LoggedValues::of(&values.map(|(name, value, _)| (name, value)));
        let text = serde_json::to_string(&logged).expect("a document");
        let read: LoggedValues<'_> = serde_json::from_str(&text).expect("values");
        for ((name, value, value_type), (read_name, read)) in values.iter().zip(&read.0) {
            assert_eq!(name, read_name);
            match (value, read.typed(*value_type)) {
                (Value::Double(one), Some(Value::Double(other))) => {
                    assert_eq!(one.to_bits(), other.to_bits(), "{name}");
                }
                (one, other) => assert_eq!(Some(*one), other, "{name}"),
            }
        }
    }
}
