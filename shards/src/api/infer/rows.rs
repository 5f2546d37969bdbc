//! An inference request as rows of a lane: by `user_id`, or with features of their own.

use std::borrow::Cow;

use super::error::InferError;
use super::keys::{self, ParsedKeys};
use super::request::InferRequest;
use crate::batch::{RowId, Rows};
use crate::failure::FieldFault;
use crate::features::entities::RequestKeys;
use crate::features::join::RequestField;
use crate::model::Signature;
use crate::tensors::{Tensor, TensorData};

pub use crate::features::entities::USER_ID;

/// A request's tensors, as a model reads them.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedInfer<'r> {
    rows: usize,
    /// Of each row, where users are named.
    user_ids: Option<Vec<&'r str>>,
    /// The keys of each row, where the model's entities are named.
    keys: Option<ParsedKeys<'r>>,
    /// Numbers that are read `width` a row, starting at `at` in the row's cells.
    cells: Vec<Block<'r>>,
    cells_per_row: usize,
    /// The texts of those request fields whose texts are kept, row by row.
    texts: Vec<(usize, Vec<Option<&'r str>>)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Block<'r> {
    at: usize,
    width: usize,
    numbers: Cow<'r, [f64]>,
}

impl<'r> ParsedInfer<'r> {
    /// Assigns each tensor of `request` to the inputs of a model of this `signature`, which also
    /// reads `request_fields`.
    ///
    /// # Errors
    /// Tensors that the model does not read, or that do not fit together.
    pub fn of(
        request: &'r InferRequest<'_>,
        signature: &Signature,
        request_fields: &[RequestField],
        keys: &'r RequestKeys,
        rows_max: usize,
    ) -> Result<Self, InferError> {
        let inputs = &request.inputs;
        // Each is compared with all before it. A body full of them would keep the shard from
        // other requests for a second.
        let keys_max = keys.fields.len().max(1);
        let inputs_max = keys_max + request_fields.len() + signature.columns.len();
        if inputs.len() > inputs_max {
            return Err(InferError::TooManyInputs { found: inputs.len(), limit: inputs_max });
        }
        for (at, input) in inputs.iter().enumerate() {
            if inputs[..at].iter().any(|other| other.name == input.name) {
                return Err(InferError::InputTwice(input.name.clone().into_owned()));
            }
        }
        let rows = match inputs.first().map(|input| input.shape.first()) {
            Some(Some(rows)) if *rows > 0 => *rows,
            _ => return Err(InferError::NoRows),
        };
        if rows > rows_max {
            return Err(InferError::TooManyRows { found: rows, limit: rows_max });
        }
        if keys.is_user_alone() {
            if inputs.iter().any(|input| input.name == USER_ID) {
                return by_user(inputs, request_fields, rows);
            }
        } else if keys::names_keys(inputs, keys, &signature.columns) {
            return by_keys(inputs, request_fields, keys, rows);
        }
        if let [matrix] = inputs.as_slice()
            && matrix.name == signature.matrix
            && signature.texts.is_empty()
        {
            let width = signature.columns.len();
            let cells = vec![Block { at: 0, width, numbers: block(matrix, rows, width)?.into() }];
            check_integers(&matrix.name, &cells[0], signature)?;
            check_types(&matrix.name, cells[0].numbers.as_ref(), &signature.fields)?;
            let (cells_per_row, texts) = (width, Vec::new());
            return Ok(Self { rows, user_ids: None, keys: None, cells, cells_per_row, texts });
        }
        by_columns(inputs, signature, keys, rows)
    }

    /// How many rows are asked for.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the rows' features are looked up.
    pub fn is_by_user(&self) -> bool {
        self.user_ids.is_some() || self.keys.is_some()
    }

    /// The users, where users are named: of a model that names its entities the keys of the first.
    pub fn users(&self) -> impl Iterator<Item = Cow<'r, str>> {
        let users = self.user_ids.iter().flatten().map(|user| Cow::Borrowed(*user));
        let keys = self.keys.iter().flat_map(|keys| keys.firsts(self.rows)).map(Cow::Owned);
        users.chain(keys)
    }

    /// Makes the rows for `connection`, chained; gives back the first.
    pub fn fill(&self, connection: u32, rows: &mut Rows) -> Option<RowId> {
        self.fill_those(connection, rows, |_| true)
    }

    /// [`ParsedInfer::fill`] for those rows that `is_wanted` holds for, by their places from 0 on.
    pub(crate) fn fill_those(
        &self,
        connection: u32,
        rows: &mut Rows,
        is_wanted: impl Fn(usize) -> bool,
    ) -> Option<RowId> {
        let (mut first, mut last) = (None, None);
        for place in (0..self.rows).filter(|place| is_wanted(*place)) {
            let id = self.fill_row(place, connection, rows);
            match last.replace(id) {
                Some(last) => rows.get_mut(last).next = Some(id),
                None => first = Some(id),
            }
        }
        first
    }

    fn fill_row(&self, place: usize, connection: u32, rows: &mut Rows) -> RowId {
        let id = rows.insert(connection);
        let row = rows.get_mut(id);
        row.place = place as u32;
        row.request_cells.resize(self.cells_per_row, f64::NAN);
        for block in &self.cells {
            let numbers = &block.numbers[place * block.width..(place + 1) * block.width];
            row.request_cells[block.at..block.at + block.width].copy_from_slice(numbers);
        }
        for (field, texts) in &self.texts {
            if let Some(text) = texts[place] {
                row.texts.push(*field, text);
            }
        }
        match (&self.user_ids, &self.keys) {
            (Some(user_ids), _) => row.key.push_str(user_ids[place]),
            (None, Some(keys)) => keys.fill(place, row),
            (None, None) => row.has_own_features = true,
        }
        id
    }
}

fn by_user<'r>(
    inputs: &'r [Tensor<'_>],
    request_fields: &[RequestField],
    rows: usize,
) -> Result<ParsedInfer<'r>, InferError> {
    let mut parsed = ParsedInfer {
        rows,
        user_ids: None,
        keys: None,
        cells: Vec::new(),
        cells_per_row: request_fields.len(),
        texts: kept_texts(inputs, request_fields),
    };
    for input in inputs {
        if input.name == USER_ID {
            parsed.user_ids = Some(keys::texts(input, rows)?);
            continue;
        }
        let Some(at) = request_fields.iter().position(|field| field.name == input.name) else {
            return Err(InferError::UnknownInput {
                input: input.name.clone().into_owned(),
                expected: format!("beside user_id, {}", among(request_fields)),
            });
        };
        let numbers = field_cells(input, rows, &request_fields[at])?;
        parsed.cells.push(Block { at, width: 1, numbers });
    }
    Ok(parsed)
}

fn by_keys<'r>(
    inputs: &'r [Tensor<'_>],
    request_fields: &[RequestField],
    keys: &'r RequestKeys,
    rows: usize,
) -> Result<ParsedInfer<'r>, InferError> {
    let cells_per_row = request_fields.len();
    let mut cells = Vec::new();
    for input in inputs {
        let field = request_fields.iter().position(|field| field.name == input.name);
        let is_key = keys.position(&input.name).is_some();
        let numbers = match field {
            Some(at) if is_key => keys::cells(input, rows, &request_fields[at])?,
            Some(at) => field_cells(input, rows, &request_fields[at])?,
            None if is_key => continue,
            None => {
                let fields = keys.fields.join(", ");
                return Err(InferError::UnknownInput {
                    input: input.name.clone().into_owned(),
                    expected: format!("beside the keys {fields}, {}", among(request_fields)),
                });
            }
        };
        cells.extend(field.map(|at| Block { at, width: 1, numbers }));
    }
    let keys = Some(ParsedKeys::of(inputs, keys, rows)?);
    let texts = kept_texts(inputs, request_fields);
    Ok(ParsedInfer { rows, user_ids: None, keys, cells, cells_per_row, texts })
}

fn by_columns<'r>(
    inputs: &'r [Tensor<'_>],
    signature: &Signature,
    keys: &RequestKeys,
    rows: usize,
) -> Result<ParsedInfer<'r>, InferError> {
    let columns = &signature.columns;
    let expected = || {
        let named = match &keys.fields[..] {
            [] => format!("`{USER_ID}`"),
            fields => format!("the keys `{}`", fields.join("`, `")),
        };
        let width = columns.len();
        let matrix = &signature.matrix;
        if !signature.texts.is_empty() {
            return format!("give {named}, or each of the model's columns: some are of text");
        }
        format!("give `{matrix}` of shape [rows, {width}], {named}, or each of its columns")
    };
    let mut cells = Vec::with_capacity(inputs.len());
    for input in inputs {
        let Some(at) = columns.iter().position(|column| *column == input.name) else {
            let input = input.name.clone().into_owned();
            return Err(InferError::UnknownInput { input, expected: expected() });
        };
        let numbers = match signature.texts.get(at) {
            Some(field) => field_cells(input, rows, field)?,
            None => block(input, rows, 1)?.into(),
        };
        let block = Block { at, width: 1, numbers };
        let field = signature.fields.get(at).filter(|field| field.categories.is_none());
        // A code is of no tensor of integers; an unknown text has none yet.
        if signature.texts.get(at).is_none_or(|field| field.categories.is_none()) {
            check_integers(&input.name, &block, signature)?;
        }
        if let Some(field) = field {
            check_types(&input.name, &block.numbers, std::slice::from_ref(field))?;
        }
        cells.push(block);
    }
    if let Some(missing) = columns.iter().find(|column| inputs.iter().all(|i| i.name != **column)) {
        return Err(InferError::InputMissing { input: missing.clone(), expected: expected() });
    }
    let (cells_per_row, texts) = (columns.len(), Vec::new());
    Ok(ParsedInfer { rows, user_ids: None, keys: None, cells, cells_per_row, texts })
}

/// The texts of those request fields whose texts are kept. Whether they are texts of as many rows is
/// checked where their cells are read.
fn kept_texts<'r>(
    inputs: &'r [Tensor<'_>],
    request_fields: &[RequestField],
) -> Vec<(usize, Vec<Option<&'r str>>)> {
    let kept = request_fields.iter().enumerate().filter(|(_, field)| field.is_kept);
    let of = |(at, field): (usize, &RequestField)| {
        let input = inputs.iter().find(|input| input.name == field.name)?;
        let TensorData::Strings(strings) = &input.data else { return None };
        let mut nulls = input.nulls.iter().copied().peekable();
        let text = |(place, bytes): (usize, &'r Cow<'_, [u8]>)| match nulls.next_if_eq(&place) {
            Some(_) => None,
            None => str::from_utf8(bytes).ok(),
        };
        Some((at, strings.iter().enumerate().map(text).collect()))
    };
    kept.filter_map(of).collect()
}

/// The numbers of a tensor of `rows × width`; one of a single column may leave the width out.
fn block<'r>(input: &'r Tensor<'_>, rows: usize, width: usize) -> Result<&'r [f64], InferError> {
    let TensorData::Numbers(numbers) = &input.data else {
        return Err(InferError::Type {
            input: input.name.clone().into_owned(),
            found: input.datatype.as_str(),
            expected: "a type of numbers",
        });
    };
    check_shape(input, rows, width)?;
    Ok(numbers)
}

/// Refuses what is no integer where the model reads integers.
fn check_integers(input: &str, block: &Block<'_>, signature: &Signature) -> Result<(), InferError> {
    if signature.integers.is_empty() {
        return Ok(());
    }
    let columns = block.at..block.at + block.width;
    for (row, numbers) in block.numbers.chunks_exact(block.width).enumerate() {
        for (column, found) in columns.clone().zip(numbers) {
            if let Some(range) = signature.integers[column]
                && !range.holds(*found)
            {
                let (input, found) = (input.to_owned(), *found);
                let column = signature.columns[column].clone();
                return Err(InferError::NotInteger { input, column, row, found, range });
            }
        }
    }
    Ok(())
}

/// Refuses a number that its column's type does not have, in cells that are as many a row as there
/// are `fields`.
fn check_types(input: &str, numbers: &[f64], fields: &[RequestField]) -> Result<(), InferError> {
    for (row, numbers) in numbers.chunks_exact(fields.len().max(1)).enumerate() {
        for (field, number) in fields.iter().zip(numbers) {
            field.check(*number).map_err(|fault| not_of_column(input, row, field, fault))?;
        }
    }
    Ok(())
}

/// The error of a cell that its field does not take.
fn not_of_column(input: &str, row: usize, field: &RequestField, fault: FieldFault) -> InferError {
    let reason = field.say(fault);
    InferError::NotOfColumn { input: input.to_owned(), row, reason }
}

pub(super) fn check_shape(input: &Tensor<'_>, rows: usize, width: usize) -> Result<(), InferError> {
    match input.shape.as_slice() {
        [found, columns] if *found == rows && *columns == width => Ok(()),
        [found] if *found == rows && width == 1 => Ok(()),
        found => Err(InferError::Shape {
            input: input.name.clone().into_owned(),
            found: found.to_vec(),
            expected: format!("[{rows}, {width}]"),
        }),
    }
}

/// The cells of a tensor for one field of the request: numbers, or texts as the field reads them.
fn field_cells<'r>(
    input: &'r Tensor<'_>,
    rows: usize,
    field: &RequestField,
) -> Result<Cow<'r, [f64]>, InferError> {
    let refused = |expected| InferError::Type {
        input: input.name.clone().into_owned(),
        found: input.datatype.as_str(),
        expected,
    };
    match &input.data {
        TensorData::Numbers(numbers) if field.categories.is_none() && !field.is_kept => {
            check_shape(input, rows, 1)?;
            check_types(&input.name, numbers, std::slice::from_ref(field))?;
            Ok(numbers.into())
        }
        TensorData::Numbers(numbers) => {
            check_shape(input, rows, 1)?;
            let cells = numbers.iter().map(|number| field.number(*number).ok());
            cells.collect::<Option<_>>().ok_or_else(|| refused("BYTES"))
        }
        TensorData::Strings(strings) => {
            check_shape(input, rows, 1)?;
            let mut nulls = input.nulls.iter().copied().peekable();
            let text = |(place, bytes): (usize, &Cow<'_, [u8]>)| match nulls.next_if_eq(&place) {
                Some(_) => Some(f64::NAN),
                None => field.text(str::from_utf8(bytes).ok()?).ok(),
            };
            let cells = strings.iter().enumerate().map(text);
            let expected = if field.column_type.is_text() { "UTF-8" } else { "a type of numbers" };
            cells.collect::<Option<_>>().ok_or_else(|| refused(expected))
        }
    }
}

fn among(fields: &[RequestField]) -> String {
    let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
    if names.is_empty() {
        "nothing is read from the request".to_owned()
    } else {
        format!("the request may give {}", names.join(", "))
    }
}
