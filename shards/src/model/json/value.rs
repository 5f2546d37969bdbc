//! A tree of values, and how a parser asks it for what it needs.

use crate::model::forest::NativeError;

/// How deep lists and objects may lie in each other.
const DEPTH_MAX: usize = 512;
/// The most values of a file, numbers of packed lists apart.
const VALUES_MAX: usize = 1 << 24;

/// A value of a JSON or UBJSON file.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::model) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    /// A text, or a whole number that 64-bit floats don't hold.
    Text(String),
    /// A list of numbers; every empty list is one.
    Numbers(Vec<f64>),
    List(Vec<Value>),
    /// An object's keys and values, in their order.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// A member of an object.
    pub(in crate::model) fn member(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// What it is, for errors.
    fn describe(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => format!("\"{text}\""),
            Self::Numbers(numbers) => format!("a list of {} numbers", numbers.len()),
            Self::List(values) => format!("a list of {} values", values.len()),
            Self::Object(members) => format!("an object of {} members", members.len()),
        }
    }
}

/// A value and where it is: what a parser walks with.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct At<'v> {
    value: &'v Value,
    parent: Option<&'v At<'v>>,
    step: Step<'v>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'v> {
    Root,
    Key(&'v str),
    Place(usize),
}

impl<'v> At<'v> {
    pub(in crate::model) fn root(value: &'v Value) -> Self {
        Self { value, parent: None, step: Step::Root }
    }

    /// The path from the file's root.
    pub(in crate::model) fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(here) = at {
            match here.step {
                Step::Root => {}
                Step::Key(key) => steps.push(format!(".{key}")),
                Step::Place(place) => steps.push(format!("[{place}]")),
            }
            at = here.parent;
        }
        steps.reverse();
        let path = steps.concat();
        path.strip_prefix('.').unwrap_or(&path).to_owned()
    }

    /// An error about this value.
    pub(in crate::model) fn wrong(&self, expected: impl Into<String>) -> NativeError {
        NativeError::value(self.path(), self.value.describe(), expected)
    }

    pub(in crate::model) fn value(&self) -> &'v Value {
        self.value
    }

    /// A member of an object, if it is there and not null.
    pub(in crate::model) fn find(&'v self, key: &'v str) -> Option<At<'v>> {
        let value = self.value.member(key)?;
        let found = At { value, parent: Some(self), step: Step::Key(key) };
        (*value != Value::Null).then_some(found)
    }

    /// A member of an object that must be there.
    pub(in crate::model) fn get(&'v self, key: &'v str) -> Result<At<'v>, NativeError> {
        self.find(key).ok_or_else(|| {
            let path = self.path();
            let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            NativeError::value(path, "nothing", "a value: the file lacks this key")
        })
    }

    /// The members of a list of values that are not all numbers, or none of an empty list.
    pub(in crate::model) fn list(&'v self) -> Result<impl Iterator<Item = At<'v>>, NativeError> {
        let values = match self.value {
            Value::List(values) => values.as_slice(),
            Value::Numbers(numbers) if numbers.is_empty() => &[],
            _ => return Err(self.wrong("a list of values")),
        };
        let member = |(place, value)| At { value, parent: Some(self), step: Step::Place(place) };
        Ok(values.iter().enumerate().map(member))
    }

    pub(in crate::model) fn text(&self) -> Result<&'v str, NativeError> {
        match self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong("a text")),
        }
    }

    /// A number, which may be spelled as a text.
    pub(in crate::model) fn number(&self) -> Result<f64, NativeError> {
        let number = match self.value {
            Value::Number(number) => Some(*number),
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.wrong("a number"))
    }

    /// A whole number from 0 to `limit`, which may be spelled as a text.
    pub(in crate::model) fn count(&self, limit: usize) -> Result<usize, NativeError> {
        let number = self.number()?;
        if number.fract() == 0.0 && number >= 0.0 && number <= limit as f64 {
            Ok(number as usize)
        } else {
            Err(self.wrong(format!("a whole number from 0 to {limit}")))
        }
    }

    /// A list of numbers; `true` is 1.
    pub(in crate::model) fn numbers(&self) -> Result<Vec<f64>, NativeError> {
        let number = |value: &Value| match value {
            Value::Number(number) => Some(*number),
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            _ => None,
        };
        let numbers = match self.value {
            Value::Numbers(numbers) => Some(numbers.clone()),
            Value::List(values) => values.iter().map(number).collect(),
            _ => None,
        };
        numbers.ok_or_else(|| self.wrong("a list of numbers"))
    }

    /// A list of `length` numbers.
    pub(in crate::model) fn numbers_of(&self, length: usize) -> Result<Vec<f64>, NativeError> {
        let numbers = self.numbers()?;
        if numbers.len() == length {
            Ok(numbers)
        } else {
            Err(self.wrong(format!("{length} numbers")))
        }
    }

    /// A list of whole numbers from `low` to `high`.
    pub(in crate::model) fn integers(&self, low: i64, high: i64) -> Result<Vec<i64>, NativeError> {
        let whole =
            |number: &f64| number.fract() == 0.0 && *number >= low as f64 && *number <= high as f64;
        let numbers = self.numbers()?;
        match numbers.iter().find(|number| !whole(number)) {
            None => Ok(numbers.into_iter().map(|number| number as i64).collect()),
            Some(found) => Err(NativeError::value(
                self.path(),
                format!("{found} among {} numbers", numbers.len()),
                format!("whole numbers from {low} to {high}"),
            )),
        }
    }
}

/// Puts values together as a reader finds them, without recursion.
#[derive(Debug, Default)]
pub(in crate::model) struct Builder {
    open: Vec<Open>,
    root: Option<Value>,
    values: usize,
}

#[derive(Debug)]
enum Open {
    List(Value),
    /// An object's members so far, and the key of the next one.
    Object(Vec<(String, Value)>, Option<String>),
}

impl Builder {
    /// Adds a whole value where the next one goes.
    pub(in crate::model) fn add(&mut self, value: Value) -> Result<(), &'static str> {
        match self.open.last_mut() {
            None if self.root.is_none() => {
                self.root = Some(value);
                return Ok(());
            }
            None => return Err("expected the end of the file"),
            Some(Open::List(list)) => match (list, value) {
                // A number in a packed list is counted by the file's size.
                (Value::Numbers(numbers), Value::Number(number)) => {
                    numbers.push(number);
                    return Ok(());
                }
                (list @ Value::Numbers(_), value) => {
                    let numbers = std::mem::replace(list, Value::Null);
                    let Value::Numbers(numbers) = numbers else { return Err("expected a list") };
                    self.values += numbers.len();
                    let mut values: Vec<_> = numbers.into_iter().map(Value::Number).collect();
                    values.push(value);
                    *list = Value::List(values);
                }
                (Value::List(values), value) => values.push(value),
                _ => return Err("expected a list"),
            },
            Some(Open::Object(members, key)) => match key.take() {
                Some(key) => members.push((key, value)),
                None => return Err("expected a key"),
            },
        }
        self.values += 1;
        if self.values > VALUES_MAX { Err("too many values") } else { Ok(()) }
    }

    /// Opens a list.
    pub(in crate::model) fn open_list(&mut self) -> Result<(), &'static str> {
        self.push(Open::List(Value::Numbers(Vec::new())))
    }

    /// Opens an object.
    pub(in crate::model) fn open_object(&mut self) -> Result<(), &'static str> {
        self.push(Open::Object(Vec::new(), None))
    }

    fn push(&mut self, open: Open) -> Result<(), &'static str> {
        if self.open.len() >= DEPTH_MAX {
            return Err("lists and objects lie too deep in each other");
        }
        self.open.push(open);
        Ok(())
    }

    /// Sets the key of the next member of the open object.
    pub(in crate::model) fn key(&mut self, name: String) -> Result<(), &'static str> {
        match self.open.last_mut() {
            Some(Open::Object(_, key @ None)) => {
                *key = Some(name);
                Ok(())
            }
            _ => Err("expected a value"),
        }
    }

    /// Whether what is open is an object that waits for a key.
    pub(in crate::model) fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Object(_, None)))
    }

    /// Whether what is open is a list.
    pub(in crate::model) fn in_list(&self) -> bool {
        matches!(self.open.last(), Some(Open::List(_)))
    }

    /// Whether what is open has no member yet.
    pub(in crate::model) fn is_empty(&self) -> bool {
        match self.open.last() {
            Some(Open::List(Value::Numbers(numbers))) => numbers.is_empty(),
            Some(Open::Object(members, None)) => members.is_empty(),
            _ => false,
        }
    }

    /// How many lists and objects are open.
    pub(in crate::model) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Closes the open list or object.
    pub(in crate::model) fn close(&mut self) -> Result<(), &'static str> {
        match self.open.pop() {
            Some(Open::List(mut list)) => {
                if let Value::Numbers(numbers) = &mut list {
                    numbers.shrink_to_fit();
                }
                self.add(list)
            }
            Some(Open::Object(members, None)) => self.add(Value::Object(members)),
            Some(Open::Object(_, Some(_))) => Err("expected a value for the last key"),
            None => Err("nothing is open"),
        }
    }

    /// The whole value, once the file has ended.
    pub(in crate::model) fn finish(self) -> Option<Value> {
        if self.open.is_empty() { self.root } else { None }
    }
}
