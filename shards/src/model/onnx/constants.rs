//! The cells of constants: a file lists them by type, or has their bytes.

use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

/// A tensor's cells as doubles: exact for floats, and for integers up to 2^53.
pub(super) fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    let raw = &tensor.raw_data;
    Some(match DataType::try_from(tensor.data_type).ok()? {
        DataType::Float if raw.is_empty() => {
            tensor.float_data.iter().map(|cell| f64::from(*cell)).collect()
        }
        DataType::Double if raw.is_empty() => tensor.double_data.clone(),
        DataType::Int64 if raw.is_empty() => {
            tensor.int64_data.iter().map(|cell| *cell as f64).collect()
        }
        DataType::Int32 if raw.is_empty() => {
            tensor.int32_data.iter().map(|cell| f64::from(*cell)).collect()
        }
        DataType::Float => cells(raw, |bytes| f64::from(f32::from_le_bytes(bytes))),
        DataType::Double => cells(raw, f64::from_le_bytes),
        DataType::Int64 => cells(raw, |bytes| i64::from_le_bytes(bytes) as f64),
        DataType::Int32 => cells(raw, |bytes| f64::from(i32::from_le_bytes(bytes))),
        DataType::Uint8 if raw.is_empty() => {
            tensor.int32_data.iter().map(|cell| f64::from(*cell)).collect()
        }
        DataType::Uint8 => raw.iter().map(|cell| f64::from(*cell)).collect(),
        _ => return None,
    })
}

/// A tensor's cells as integers, all of them exact; `None` where it holds anything else.
pub(super) fn integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    let raw = &tensor.raw_data;
    Some(match DataType::try_from(tensor.data_type).ok()? {
        DataType::Int64 if raw.is_empty() => tensor.int64_data.clone(),
        DataType::Int64 => cells(raw, i64::from_le_bytes),
        DataType::Int32
        | DataType::Int16
        | DataType::Int8
        | DataType::Uint16
        | DataType::Uint8
        | DataType::Bool
            if raw.is_empty() =>
        {
            tensor.int32_data.iter().copied().map(i64::from).collect()
        }
        DataType::Int32 => cells(raw, |bytes| i64::from(i32::from_le_bytes(bytes))),
        DataType::Int16 => cells(raw, |bytes| i64::from(i16::from_le_bytes(bytes))),
        DataType::Uint16 => cells(raw, |bytes| i64::from(u16::from_le_bytes(bytes))),
        DataType::Int8 => raw.iter().map(|byte| i64::from(byte.cast_signed())).collect(),
        DataType::Uint8 | DataType::Bool => raw.iter().map(|byte| i64::from(*byte)).collect(),
        _ => return None,
    })
}

fn cells<const BYTES: usize, T>(raw: &[u8], read: impl Fn([u8; BYTES]) -> T) -> Vec<T> {
    raw.as_chunks::<BYTES>().0.iter().map(|bytes| read(*bytes)).collect()
}
