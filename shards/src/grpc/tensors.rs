//! `ModelInfer`: tensors of a message become an inference request, and its outputs a message.
//!
//! Elements are in `contents`, a list for each kind of type, or in `raw_input_contents` as the
//! binary-tensor extension lays them out. Outputs come back the way that the inputs went.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use super::messages::inference::infer_parameter::ParameterChoice;
use super::messages::inference::model_infer_request::InferInputTensor;
use super::messages::inference::model_infer_response::InferOutputTensor;
use super::messages::inference::{
    InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse,
    ModelStreamInferResponse,
};
use super::status::Status;
use crate::api::infer::InferError;
use crate::api::infer::form::{InferForm, visit, write_raw};
use crate::api::infer::outputs::{OutputElement, OutputKind};
use crate::api::infer::request::{InferOutput, InferRequest};
use crate::api::request_rows::RequestRows;
use crate::api::{CallContext, RowsSummary, TensorRequest};
use crate::failure::RowFailure;
use crate::tensors::{Datatype, Tensor, TensorData, TensorError, elements};

impl TensorRequest for ModelInferRequest {
    fn rows_at_a_glance(&self) -> Option<usize> {
        usize::try_from(*self.inputs.first()?.shape.first()?).ok()
    }

    fn read(
        &self,
        _: &CallContext<'_>,
        is_key: &dyn Fn(&str) -> bool,
    ) -> Result<InferRequest<'_>, InferError> {
        read(self, is_key)
    }
}

/// Reads the tensors of a message for a model whose keys are those that `is_key` holds for.
///
/// # Errors
/// A fault of the message by itself.
pub fn read<'m>(
    message: &'m ModelInferRequest,
    is_key: &dyn Fn(&str) -> bool,
) -> Result<InferRequest<'m>, InferError> {
    let (inputs, raw) = (&message.inputs, &message.raw_input_contents);
    let is_raw = !raw.is_empty();
    if is_raw && raw.len() != inputs.len() {
        return Err(InferError::RawContents { found: raw.len(), inputs: inputs.len() });
    }
    let places = inputs.iter().enumerate();
    let inputs =
        places.map(|(place, input)| read_tensor(input, raw.get(place), is_key(&input.name)));
    let inputs = inputs.collect::<Result<_, _>>()?;
    let mut outputs = Vec::with_capacity(message.outputs.len());
    for output in &message.outputs {
        if integer(&output.parameters, "classification").is_some_and(|count| count > 0) {
            return Err(InferError::Classification(output.name.clone()));
        }
        let is_binary = boolean(&output.parameters, "binary_data");
        outputs.push(InferOutput { name: Cow::Borrowed(&output.name), is_binary });
    }
    Ok(InferRequest {
        id: Some(Cow::Borrowed(&*message.id)).filter(|id| !id.is_empty()),
        inputs,
        outputs: Some(outputs),
        is_binary: boolean(&message.parameters, "binary_data_output").unwrap_or(is_raw),
        timeout_us: integer(&message.parameters, "timeout"),
    })
}

fn read_tensor<'m>(
    input: &'m InferInputTensor,
    raw: Option<&'m Bytes>,
    is_key: bool,
) -> Result<Tensor<'m>, TensorError> {
    let name = || input.name.clone();
    let Some(datatype) = Datatype::named(&input.datatype) else {
        return Err(TensorError::Datatype { tensor: name(), found: input.datatype.clone() });
    };
    // Keys are text: integers are spelled out, exactly.
    let is_key = is_key && datatype.integers().is_some();
    let data = match (&input.contents, raw) {
        (None, Some(raw)) => of_raw(datatype, is_key, raw),
        (Some(contents), None) => of_contents(datatype, is_key, contents),
        // A message leaves out what is empty.
        (None, None) => Some(empty(datatype)),
        (Some(_), Some(_)) => return Err(TensorError::OneData(name())),
    };
    let Some(data) = data else {
        return Err(TensorError::NotOfDatatype { tensor: name(), datatype: datatype.as_str() });
    };
    let length = |length: &i64| usize::try_from(*length).unwrap_or(usize::MAX);
    let shape: Vec<usize> = input.shape.iter().map(length).collect();
    let elements = shape.iter().try_fold(1_usize, |all, length| all.checked_mul(*length));
    if elements != Some(data.len()) {
        return Err(TensorError::Elements { tensor: name(), found: data.len(), shape });
    }
    Ok(Tensor { name: Cow::Borrowed(&input.name), shape, datatype, data, nulls: Vec::new() })
}

fn empty(datatype: Datatype) -> TensorData<'static> {
    match datatype {
        Datatype::Bytes => TensorData::Strings(Vec::new()),
        _ => TensorData::Numbers(Vec::new()),
    }
}

fn spelled(integers: Vec<i128>) -> TensorData<'static> {
    let spell = |integer: i128| Cow::Owned(integer.to_string().into_bytes());
    TensorData::Strings(integers.into_iter().map(spell).collect())
}

fn of_raw(datatype: Datatype, is_key: bool, raw: &[u8]) -> Option<TensorData<'_>> {
    if is_key {
        return elements::integers(datatype, raw).map(spelled);
    }
    if datatype == Datatype::Bytes {
        let strings = elements::byte_strings(raw)?;
        return Some(TensorData::Strings(strings.into_iter().map(Cow::Borrowed).collect()));
    }
    elements::numbers(datatype, raw).map(TensorData::Numbers)
}

/// The elements of a tensor whose other lists are empty; `None` where they are not of its type.
fn of_contents(
    datatype: Datatype,
    is_key: bool,
    contents: &InferTensorContents,
) -> Option<TensorData<'_>> {
    let InferTensorContents {
        bool_contents,
        int_contents,
        int64_contents,
        uint_contents,
        uint64_contents,
        fp32_contents,
        fp64_contents,
        bytes_contents,
    } = contents;
    let all = bool_contents.len()
        + int_contents.len()
        + int64_contents.len()
        + uint_contents.len()
        + uint64_contents.len()
        + fp32_contents.len()
        + fp64_contents.len()
        + bytes_contents.len();
    if let Some(range) = datatype.integers() {
        let integers: Vec<i128> = match datatype {
            Datatype::Int64 => int64_contents.iter().map(|it| (*it).into()).collect(),
            Datatype::Uint64 => uint64_contents.iter().map(|it| (*it).into()).collect(),
            Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => {
                int_contents.iter().map(|it| (*it).into()).collect()
            }
            _ => uint_contents.iter().map(|it| (*it).into()).collect(),
        };
        let is_whole =
            integers.len() == all && integers.iter().all(|integer| range.contains(integer));
        return is_whole.then(|| {
            if is_key {
                spelled(integers)
            } else {
                TensorData::Numbers(integers.into_iter().map(|it| it as f64).collect())
            }
        });
    }
    let data = match datatype {
        Datatype::Bytes => {
            let strings = bytes_contents.iter().map(|bytes| Cow::Borrowed(&**bytes));
            TensorData::Strings(strings.collect())
        }
        Datatype::Bool => {
            TensorData::Numbers(bool_contents.iter().map(|it| f64::from(u8::from(*it))).collect())
        }
        Datatype::Fp32 => {
            TensorData::Numbers(fp32_contents.iter().map(|it| f64::from(*it)).collect())
        }
        _ => TensorData::Numbers(fp64_contents.clone()),
    };
    (data.len() == all).then_some(data)
}

type Parameters = BTreeMap<String, InferParameter>;

fn boolean(parameters: &Parameters, name: &str) -> Option<bool> {
    match parameters.get(name)?.parameter_choice {
        Some(ParameterChoice::BoolParam(value)) => Some(value),
        _ => None,
    }
}

fn integer(parameters: &Parameters, name: &str) -> Option<u64> {
    match &parameters.get(name)?.parameter_choice {
        Some(ParameterChoice::Int64Param(value)) => u64::try_from(*value).ok(),
        Some(ParameterChoice::Uint64Param(value)) => Some(*value),
        Some(ParameterChoice::StringParam(value)) => value.parse().ok(),
        _ => None,
    }
}

/// Appends the message of rows that are done; gives back the status of a row that fails them.
pub(super) fn write(
    out: &mut Vec<u8>,
    form: &InferForm,
    rows: &RequestRows,
    in_stream: bool,
) -> (RowsSummary, Option<Status>) {
    let (summary, message) = form.summary(rows);
    if let Some(message) = message {
        let failure = summary.failure.unwrap_or(RowFailure::ModelFailed);
        return (summary, Some(Status::of_row(failure, message)));
    }
    let settings = &rows.first().0.settings;
    let version = summary.version.map(|version| version.to_string());
    let mut response = ModelInferResponse {
        model_name: settings.model.clone(),
        model_version: version.unwrap_or_default(),
        id: form.id().unwrap_or_default().to_owned(),
        ..ModelInferResponse::default()
    };
    // Either all of them are raw or none is: a client looks up raw contents by place.
    let is_raw = form.outputs().any(|(_, is_binary)| is_binary);
    let is_f32 = rows.score_is_f32();
    for (kind, _) in form.outputs() {
        let sizes = std::iter::once(form.rows()).chain(kind.axes(settings));
        let shape = sizes.map(|size| size as i64).collect();
        let contents = (!is_raw).then(|| contents(rows, kind));
        if is_raw {
            let mut raw = Vec::new();
            write_raw(&mut raw, rows, kind);
            response.raw_output_contents.push(raw.into());
        }
        response.outputs.push(InferOutputTensor {
            name: kind.name().to_owned(),
            datatype: kind.datatype(is_f32).as_str().to_owned(),
            shape,
            parameters: Parameters::new(),
            contents,
        });
    }
    // Writing to a Vec cannot fail.
    let _ = if in_stream {
        let infer_response = Some(response);
        ModelStreamInferResponse { error_message: String::new(), infer_response }.encode(out)
    } else {
        response.encode(out)
    };
    (summary, None)
}

/// The elements of an output in the list of their type.
fn contents(rows: &RequestRows, kind: OutputKind) -> InferTensorContents {
    let mut contents = InferTensorContents::default();
    let is_narrow = kind.datatype(rows.score_is_f32()) == Datatype::Fp32;
    visit(rows, kind, |element| match element {
        OutputElement::Text(text) => {
            contents.bytes_contents.push(Bytes::copy_from_slice(text.as_bytes()));
        }
        OutputElement::Number(number) if is_narrow => contents.fp32_contents.push(number as f32),
        OutputElement::Number(number) => contents.fp64_contents.push(number),
    });
    contents
}
