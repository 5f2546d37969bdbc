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
    data: Option<Flat<'a>>,
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
    /// The tensor, its elements taken from `binary` where they are not in the JSON.
    ///
    /// # Errors
    /// Whatever is wrong with it by itself.
    pub fn finish(self, binary: &mut &'a [u8]) -> Result<Tensor<'a>, TensorError> {
        let name = || self.name.clone().into_owned();
        let Some(datatype) = Datatype::named(&self.datatype) else {
            return Err(TensorError::Datatype {
                tensor: name(),
                found: self.datatype.into_owned(),
            });
        };
        let data = match (self.data, self.parameters.binary_data_size) {
            (Some(Flat(data)), None) => of_datatype(data, datatype),
            (None, Some(size)) => {
                let Some((bytes, rest)) = binary.split_at_checked(size) else {
                    return Err(TensorError::BinaryCut {
                        tensor: name(),
                        size,
                        left: binary.len(),
                    });
                };
                *binary = rest;
                if datatype == Datatype::Bytes {
                    elements::byte_strings(bytes).map(|strings| {
                        TensorData::Strings(strings.into_iter().map(Cow::Borrowed).collect())
                    })
                } else {
                    elements::numbers(datatype, bytes).map(TensorData::Numbers)
                }
            }
            _ => return Err(TensorError::OneData(name())),
        };
        let Some(data) = data else {
            return Err(TensorError::NotOfDatatype { tensor: name(), datatype: datatype.as_str() });
        };
        let elements = self.shape.iter().try_fold(1_usize, |all, length| all.checked_mul(*length));
        if elements != Some(data.len()) {
            return Err(TensorError::Elements {
                tensor: name(),
                found: data.len(),
                shape: self.shape,
            });
        }
        Ok(Tensor { name: self.name, shape: self.shape, datatype, data })
    }
}

/// JSON's elements as those of a datatype; an empty list is one of any.
fn of_datatype(data: TensorData<'_>, datatype: Datatype) -> Option<TensorData<'_>> {
    match (&data, datatype) {
        (TensorData::Numbers(numbers), Datatype::Bytes) => {
            numbers.is_empty().then(|| TensorData::Strings(Vec::new()))
        }
        (TensorData::Strings(_), Datatype::Bytes) => Some(data),
        (TensorData::Strings(_), _) => None,
        (TensorData::Numbers(numbers), _) => {
            let whole = |number: &f64| number.is_nan() || number.fract() == 0.0;
            let fits = match datatype {
                Datatype::Fp32 | Datatype::Fp64 => true,
                _ => numbers.iter().all(whole),
            };
            fits.then_some(data)
        }
    }
}

/// A tensor's elements, nested in any way or flat.
struct Flat<'a>(TensorData<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Flat<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Elements::default();
        deserializer.deserialize_seq(ElementSeed { found: &mut found })?;
        match (found.numbers.is_empty(), found.strings.is_empty()) {
            (false, false) => Err(de::Error::custom("`data` holds both numbers and strings")),
            (true, false) => Ok(Self(TensorData::Strings(found.strings))),
            (_, true) => Ok(Self(TensorData::Numbers(found.numbers))),
        }
    }
}

#[derive(Default)]
struct Elements<'a> {
    numbers: Vec<f64>,
    strings: Vec<Cow<'a, [u8]>>,
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
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.visit_f64(f64::from(u8::from(value)))
    }

    /// JSON has no NaN: null stands for it.
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.visit_f64(f64::NAN)
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
