//! An inference request: its JSON, and the binary tensors behind it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::error::InferError;
use super::tensor::{self, Datatype};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct InferRequest<'a> {
    /// What the answer is to echo.
    pub id: Option<Cow<'a, str>>,
    /// The tensors.
    pub inputs: Vec<InferInput<'a>>,
    /// The outputs, where the client chose.
    pub outputs: Option<Vec<InferOutput<'a>>>,
    /// Whether outputs that do not say are to be binary.
    pub is_binary: bool,
    /// Triton's `timeout`: how long the answer is worth having, in µs.
    pub timeout_us: Option<u64>,
}

/// A tensor of a request; it has as many elements as its shape says.
#[derive(Debug, Clone, PartialEq)]
pub struct InferInput<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type of its elements.
    pub datatype: Datatype,
    /// Its elements, row-major.
    pub data: TensorData<'a>,
}

/// The elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorData<'a> {
    /// Of every type but BYTES.
    Numbers(Vec<f64>),
    /// Of BYTES.
    Strings(Vec<Cow<'a, [u8]>>),
}

impl TensorData<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Strings(strings) => strings.len(),
        }
    }
}

/// An output that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferOutput<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Whether it is to be binary, where the client says.
    pub is_binary: Option<bool>,
}

/// Reads a body, whose JSON ends after `json_bytes` if binary tensors follow it.
///
/// # Errors
/// Whatever is wrong with it by itself; that it fits a model is another question.
pub fn parse(body: &[u8], json_bytes: Option<usize>) -> Result<InferRequest<'_>, InferError> {
    let length = json_bytes.unwrap_or(body.len());
    let Some((json, mut binary)) = body.split_at_checked(length) else {
        return Err(InferError::HeaderLength { length, body: body.len() });
    };
    let wire: WireRequest<'_> = serde_json::from_slice(json)?;
    let mut inputs = Vec::with_capacity(wire.inputs.len());
    for input in wire.inputs {
        inputs.push(finish_input(input, &mut binary)?);
    }
    if !binary.is_empty() {
        return Err(InferError::BinaryLeft(binary.len()));
    }
    let outputs = wire.outputs.map(|outputs| outputs.into_iter().map(finish_output).collect());
    Ok(InferRequest {
        id: wire.id,
        inputs,
        outputs: outputs.transpose()?,
        is_binary: wire.parameters.binary_data_output.unwrap_or(false),
        timeout_us: wire.parameters.timeout,
    })
}

fn finish_input<'a>(
    wire: WireInput<'a>,
    binary: &mut &'a [u8],
) -> Result<InferInput<'a>, InferError> {
    let name = || wire.name.clone().into_owned();
    let Some(datatype) = Datatype::named(&wire.datatype) else {
        return Err(InferError::Datatype { input: name(), found: wire.datatype.into_owned() });
    };
    let data = match (wire.data, wire.parameters.binary_data_size) {
        (Some(Flat(data)), None) => of_datatype(data, datatype),
        (None, Some(size)) => {
            let Some((bytes, rest)) = binary.split_at_checked(size) else {
                return Err(InferError::BinaryCut { input: name(), size, left: binary.len() });
            };
            *binary = rest;
            if datatype == Datatype::Bytes {
                tensor::byte_strings(bytes).map(|strings| {
                    TensorData::Strings(strings.into_iter().map(Cow::Borrowed).collect())
                })
            } else {
                tensor::numbers(datatype, bytes).map(TensorData::Numbers)
            }
        }
        _ => return Err(InferError::OneData(name())),
    };
    let Some(data) = data else {
        return Err(InferError::NotOfDatatype { input: name(), datatype: datatype.as_str() });
    };
    let elements = wire.shape.iter().try_fold(1_usize, |all, length| all.checked_mul(*length));
    if elements != Some(data.len()) {
        return Err(InferError::Elements { input: name(), found: data.len(), shape: wire.shape });
    }
    Ok(InferInput { name: wire.name, shape: wire.shape, datatype, data })
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

fn finish_output(wire: WireOutput<'_>) -> Result<InferOutput<'_>, InferError> {
    if wire.parameters.classification.unwrap_or(0) > 0 {
        return Err(InferError::Classification(wire.name.into_owned()));
    }
    Ok(InferOutput { name: wire.name, is_binary: wire.parameters.binary_data })
}

// ---- as it is in JSON; what is not named here is ignored ----------------------------------

#[derive(Deserialize)]
struct WireRequest<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    inputs: Vec<WireInput<'a>>,
    #[serde(borrow, default)]
    outputs: Option<Vec<WireOutput<'a>>>,
    #[serde(default)]
    parameters: RequestParameters,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestParameters {
    binary_data_output: Option<bool>,
    timeout: Option<u64>,
}

#[derive(Deserialize)]
struct WireInput<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    shape: Vec<usize>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    #[serde(default)]
    parameters: InputParameters,
    #[serde(borrow, default)]
    data: Option<Flat<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputParameters {
    binary_data_size: Option<usize>,
}

#[derive(Deserialize)]
struct WireOutput<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    parameters: OutputParameters,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputParameters {
    binary_data: Option<bool>,
    classification: Option<u64>,
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
