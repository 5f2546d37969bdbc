//! `LabelEncoder` from numbers to numbers, each compared and given exactly.

use super::super::texts::FAILS_ON_UNKNOWN;
use super::element::exact_i64;
use super::lookup::{Keys, Lookup};
use super::{
    Cells, CellsMut, Element, Flow, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator,
    RowShape, Rows, only, wrong_type,
};

/// Since this version of ai.onnx.ml a key that is NaN is found, as ONNX Runtime does; before, no
/// runtime finds it.
const FINDS_NAN: i64 = 4;

/// What the keys are mapped to, and what takes the place of a number that is no key.
#[derive(Debug, Clone)]
enum Values {
    F32(Vec<f32>, f32),
    F64(Vec<f64>, f64),
    I64(Vec<i64>, i64),
}

#[derive(Debug)]
struct LabelEncoder {
    keys: Keys,
    values: Values,
    /// Whether it fails on what is none of its keys.
    fails: bool,
}

/// An encoder for cells of one type.
#[derive(Debug, Clone)]
struct EncoderKernel {
    lookup: Lookup,
    values: Values,
    fails: bool,
}

const ADVICE: &str =
    "it needs as many values as keys, all of them numbers: encode text before the model";

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let keys = keys(context)?;
    let values = values(context)?;
    if keys.len() == 0 || keys.len() != values.len() {
        return Err(context.refuse(ADVICE));
    }
    let mut twice = keys.twice().into_iter();
    if let Some((_, _, key)) = twice.find(|(one, other, _)| !values.same(*one, *other)) {
        return Err(context.refuse(format!(
            "key {key} is there twice, with different values: where they were integers that a \
             float does not hold, train on smaller numbers or export the column as int64"
        )));
    }
    let fails = context.integer(FAILS_ON_UNKNOWN)?.is_some_and(|fails| fails != 0);
    Ok(Box::new(LabelEncoder { keys, values, fails }))
}

fn keys(context: NodeContext<'_>) -> Result<Keys, OnnxError> {
    let floats = context.floats("keys_floats")?;
    let integers = context.integers("keys_int64s")?;
    let finds_nan = context.ml_version >= FINDS_NAN;
    if !floats.is_empty() {
        let keys = floats.iter().copied().map(f64::from).collect();
        return Ok(Keys::Floats { keys, finds_nan });
    }
    if !integers.is_empty() {
        return Ok(Keys::Integers(integers.to_vec()));
    }
    if let Some(integers) = context.tensor_integers("keys_tensor")? {
        return Ok(Keys::Integers(integers));
    }
    let keys = context.tensor("keys_tensor")?.unwrap_or_default();
    Ok(Keys::Floats { keys, finds_nan })
}

fn values(context: NodeContext<'_>) -> Result<Values, OnnxError> {
    let floats = context.floats("values_floats")?;
    let integers = context.integers("values_int64s")?;
    let tensor = match context.tensor("default_tensor")?.as_deref() {
        Some([default]) => Some(*default),
        _ => None,
    };
    let integer_default = match context.tensor_integers("default_tensor")?.as_deref() {
        Some([default]) => *default,
        _ => context.integer("default_int64")?.unwrap_or(-1),
    };
    // The format's own default is minus zero.
    let float_default = match tensor {
        Some(default) => default,
        None => f64::from(context.float("default_float")?.unwrap_or(-0.0)),
    };
    if !floats.is_empty() {
        return Ok(Values::F32(floats.to_vec(), float_default as f32));
    }
    if !integers.is_empty() {
        return Ok(Values::I64(integers.to_vec(), integer_default));
    }
    if let Some(integers) = context.tensor_integers("values_tensor")? {
        return Ok(Values::I64(integers, integer_default));
    }
    let floats = context.tensor("values_tensor")?.unwrap_or_default();
    if context.is_tensor_of_doubles("values_tensor") {
        return Ok(Values::F64(floats, float_default));
    }
    let floats = floats.into_iter().map(|value| value as f32).collect();
    Ok(Values::F32(floats, float_default as f32))
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::F32(values, _) => values.len(),
            Self::F64(values, _) => values.len(),
            Self::I64(values, _) => values.len(),
        }
    }

    fn element(&self) -> Element {
        match self {
            Self::F32(..) => Element::F32,
            Self::F64(..) => Element::F64,
            Self::I64(..) => Element::I64,
        }
    }

    fn same(&self, one: usize, other: usize) -> bool {
        match self {
            Self::F32(values, _) => values[one].to_bits() == values[other].to_bits(),
            Self::F64(values, _) => values[one].to_bits() == values[other].to_bits(),
            Self::I64(values, _) => values[one] == values[other],
        }
    }
}

impl RowOperator for LabelEncoder {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        Ok(RowShape { element: self.values.element(), ..only(inputs)? })
    }

    fn reads_integers(&self) -> bool {
        true
    }

    fn flow(&self) -> Flow {
        Flow::Along
    }

    fn kernel(
        &self,
        inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        let of_integers = only(inputs)?.element == Element::I64;
        let lookup = self.keys.lookup(of_integers);
        Ok(Box::new(EncoderKernel { lookup, values: self.values.clone(), fails: self.fails }))
    }
}

impl RowKernel for EncoderKernel {
    fn name(&self) -> String {
        "label encoder".to_owned()
    }

    fn knows_some_rows_only(&self) -> bool {
        self.fails
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let cells = inputs[0].cells;
        if self.fails && !self.lookup.has_all(cells) {
            return Err("a cell is none of its keys".to_owned());
        }
        match (&self.values, output) {
            (Values::F32(values, default), CellsMut::F32(output)) => {
                self.lookup.encode(cells, values, *default, output);
            }
            (Values::F64(values, default), CellsMut::F64(output)) => {
                self.lookup.encode(cells, values, *default, output);
            }
            (Values::I64(values, default), CellsMut::I64(output)) => {
                self.lookup.encode(cells, values, *default, output);
            }
            _ => return Err(wrong_type()),
        }
        Ok(())
    }
}

impl Lookup {
    /// Whether each cell is a key.
    fn has_all(&self, cells: Cells<'_>) -> bool {
        let is_key = |cell: f64| match self {
            Self::Floats(keys) => keys.place(cell).is_some(),
            Self::Integers(keys) => exact_i64(cell).and_then(|cell| keys.place(cell)).is_some(),
        };
        match (cells, self) {
            (Cells::F32(cells), _) => cells.iter().all(|cell| is_key(f64::from(*cell))),
            (Cells::F64(cells), _) => cells.iter().all(|cell| is_key(*cell)),
            (Cells::I64(cells), Self::Integers(keys)) => {
                cells.iter().all(|cell| keys.place(*cell).is_some())
            }
            (Cells::I64(_), Self::Floats(_)) => false,
        }
    }

    fn encode<V: Copy>(&self, cells: Cells<'_>, values: &[V], default: V, output: &mut [V]) {
        let value = |place: Option<usize>| place.map_or(default, |place| values[place]);
        match (self, cells) {
            (Self::Floats(keys), Cells::F32(cells)) => {
                let found = cells.iter().map(|cell| value(keys.place(f64::from(*cell))));
                output.iter_mut().zip(found).for_each(|(made, found)| *made = found);
            }
            (Self::Floats(keys), Cells::F64(cells)) => {
                let found = cells.iter().map(|cell| value(keys.place(*cell)));
                output.iter_mut().zip(found).for_each(|(made, found)| *made = found);
            }
            (Self::Integers(keys), Cells::I64(cells)) => {
                let found = cells.iter().map(|cell| value(keys.place(*cell)));
                output.iter_mut().zip(found).for_each(|(made, found)| *made = found);
            }
            // No lookup is made for cells of another type; what is none is no key.
            (Self::Floats(_), Cells::I64(_)) => output.fill(default),
            (Self::Integers(keys), cells) => {
                let whole = |cell: f64| exact_i64(cell).and_then(|cell| keys.place(cell));
                match cells {
                    Cells::F32(cells) => {
                        let found = cells.iter().map(|cell| value(whole(f64::from(*cell))));
                        output.iter_mut().zip(found).for_each(|(made, found)| *made = found);
                    }
                    Cells::F64(cells) => {
                        let found = cells.iter().map(|cell| value(whole(*cell)));
                        output.iter_mut().zip(found).for_each(|(made, found)| *made = found);
                    }
                    Cells::I64(_) => {}
                }
            }
        }
    }
}
