//! One tensor of a request or an answer, in JSON or behind it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::{Datatype, Tensor, TensorData, TensorError, elements};

/// A tensor as it is in JSON; what is not named here is ignored.
#[derive(Deserialize)]
pub struct WireTensor<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    shape: Vec<usize>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    #[serde(default, deserialize_with = "null_is_none_given")]
    parameters: Parameters,
    #[serde(borrow, default)]
    data: Option<Elements<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    binary_data_size: Option<usize>,
}

/// Reads `null` as if the field were not there: clients and servers that write out all of the
/// protocol's optional fields say so of those that they do not set.
///
/// # Errors
/// Anything else that is no `T`.
pub fn null_is_none_given<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl<'a> WireTensor<'a> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tensor, its elements taken from `binary` where they are not in the JSON.
    ///
    /// # Errors
    /// Whatever is wrong with it by itself.
    pub fn finish(self, binary: &mut &'a [u8]) -> Result<Tensor<'a>, TensorError> {
        self.finish_as(binary, |elements, datatype| match elements {
            Found::Json(elements) => elements.of_datatype(datatype),
            Found::Binary(bytes) if datatype == Datatype::Bytes => elements::byte_strings(bytes)
                .map(|strings| {
                    TensorData::Strings(strings.into_iter().map(Cow::Borrowed).collect())
                })
                .map(without_nulls),
            Found::Binary(bytes) => {
                elements::numbers(datatype, bytes).map(TensorData::Numbers).map(without_nulls)
            }
        })
    }

    /// [`WireTensor::finish`] for keys, which are text: integers are spelled out, exactly.
    ///
    /// # Errors
    /// Whatever is wrong with it by itself.
    pub fn finish_keys(self, binary: &mut &'a [u8]) -> Result<Tensor<'a>, TensorError> {
        if Datatype::named(&self.datatype).is_none_or(|datatype| datatype.integers().is_none()) {
            return self.finish(binary);
        }
        self.finish_as(binary, |elements, datatype| {
            let integers = match elements {
                Found::Json(elements) => elements.integers(datatype),
                Found::Binary(bytes) => elements::integers(datatype, bytes),
            };
            let spelled = |integer: i128| Cow::Owned(integer.to_string().into_bytes());
            integers
                .map(|all| TensorData::Strings(all.into_iter().map(spelled).collect()))
                .map(without_nulls)
        })
    }

    /// The tensor with the elements that `read` makes of what was found, and the places of null byte
    /// strings; `None` where these are not of the datatype.
    fn finish_as(
        self,
        binary: &mut &'a [u8],
        read: impl FnOnce(Found<'a>, Datatype) -> Option<(TensorData<'a>, Vec<usize>)>,
    ) -> Result<Tensor<'a>, TensorError> {
        let Self { name, shape, datatype, parameters, data } = self;
        let Some(known) = Datatype::named(&datatype) else {
            let (tensor, found) = (name.into_owned(), datatype.into_owned());
            return Err(TensorError::Datatype { tensor, found });
        };
        let found = match (data, parameters.binary_data_size) {
            (Some(elements), None) => Found::Json(elements),
            (None, Some(size)) => {
                let Some((bytes, rest)) = binary.split_at_checked(size) else {
                    let (tensor, left) = (name.into_owned(), binary.len());
                    return Err(TensorError::BinaryCut { tensor, size, left });
                };
                *binary = rest;
                Found::Binary(bytes)
            }
            _ => return Err(TensorError::OneData(name.into_owned())),
        };
        let Some((data, nulls)) = read(found, known) else {
            let (tensor, datatype) = (name.into_owned(), known.as_str());
            return Err(TensorError::NotOfDatatype { tensor, datatype });
        };
        let elements = shape.iter().try_fold(1_usize, |all, length| all.checked_mul(*length));
        if elements != Some(data.len()) {
            let (tensor, found) = (name.into_owned(), data.len());
            return Err(TensorError::Elements { tensor, found, shape });
        }
        Ok(Tensor { name, shape, datatype: known, data, nulls })
    }
}

/// A tensor's elements as they came.
enum Found<'a> {
    Json(Elements<'a>),
    Binary(&'a [u8]),
}

/// Elements of which none is a null byte string.
fn without_nulls(data: TensorData<'_>) -> (TensorData<'_>, Vec<usize>) {
    (data, Vec::new())
}

/// The largest integer up to which every one is a float.
const FLOAT_INTEGER_MAX: u64 = 1 << 53;

/// A tensor's elements, nested in any way or flat: all numbers, or all strings, and nulls.
#[derive(Default)]
struct Elements<'a> {
    numbers: Vec<f64>,
    /// Those of the numbers that a float may have rounded, by their places among all elements.
    wide: Vec<(usize, i128)>,
    strings: Vec<Cow<'a, [u8]>>,
    /// The places of nulls among all elements.
    nulls: Vec<usize>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Self::default();
        deserializer.deserialize_seq(ElementSeed { found: &mut found })?;
        if found.numbers.is_empty() || found.strings.is_empty() {
            Ok(found)
        } else {
            Err(de::Error::custom("`data` holds both numbers and strings"))
        }
    }
}

impl<'a> Elements<'a> {
    /// The place of the next element.
    fn next_place(&self) -> usize {
        self.numbers.len() + self.strings.len() + self.nulls.len()
    }

    /// The elements as those of a datatype, with the places of null byte strings; an empty list is one
    /// of any. Of numbers null is NaN, which JSON does not have.
    fn of_datatype(self, datatype: Datatype) -> Option<(TensorData<'a>, Vec<usize>)> {
        let Self { numbers, strings, nulls, .. } = self;
        if datatype == Datatype::Bytes {
            let data = TensorData::Strings(filled(strings, &nulls, || Cow::Borrowed(&[])));
            return numbers.is_empty().then_some((data, nulls));
        }
        let is_whole = matches!(datatype, Datatype::Fp32 | Datatype::Fp64)
            || numbers.iter().all(|number| number.fract() == 0.0);
        let data = TensorData::Numbers(filled(numbers, &nulls, || f64::NAN));
        (strings.is_empty() && is_whole).then_some((data, Vec::new()))
    }

    /// The integers of this type, exactly; `None` where they are others.
    fn integers(self, datatype: Datatype) -> Option<Vec<i128>> {
        let range = datatype.integers()?;
        let mut wide = self.wide.into_iter().peekable();
        let exact = |(place, number): (usize, &f64)| {
            let integer = match wide.next_if(|(known, _)| *known == place) {
                Some((_, integer)) => integer,
                None => Some(*number as i128).filter(|_| number.fract() == 0.0)?,
            };
            range.contains(&integer).then_some(integer)
        };
        let integers = self.numbers.iter().enumerate().map(exact).collect();
        if self.strings.is_empty() && self.nulls.is_empty() { integers } else { None }
    }
}

/// The elements with `null` at the places of nulls.
fn filled<T>(elements: Vec<T>, nulls: &[usize], null: impl Fn() -> T) -> Vec<T> {
    if nulls.is_empty() {
        return elements;
    }
    let all = elements.len() + nulls.len();
    let (mut elements, mut nulls) = (elements.into_iter(), nulls.iter().peekable());
    let next = |place| match nulls.next_if(|known| **known == place) {
        Some(_) => Some(null()),
        None => elements.next(),
    };
    (0..all).map_while(next).collect()
}

/// Reads an element, or a list of them; the depth is bounded by the JSON reader.
struct ElementSeed<'e, 'a> {
    found: &'e mut Elements<'a>,
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for ElementSeed<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for ElementSeed<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("numbers, booleans or strings in an array, or in arrays of arrays")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.found.numbers.push(value);
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        if value > FLOAT_INTEGER_MAX {
            self.found.wide.push((self.found.next_place(), value.into()));
        }
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        if value.unsigned_abs() > FLOAT_INTEGER_MAX {
            self.found.wide.push((self.found.next_place(), value.into()));
        }
        self.visit_f64(value as f64)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.visit_f64(f64::from(u8::from(value)))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        let place = self.found.next_place();
        self.found.nulls.push(place);
        Ok(())
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<(), E> {
        self.found.strings.push(Cow::Borrowed(text.as_bytes()));
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.found.strings.push(Cow::Owned(text.as_bytes().to_vec()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while members.next_element_seed(ElementSeed { found: self.found })?.is_some() {}
        Ok(())
    }
}
