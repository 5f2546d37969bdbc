//! A value of a row that expressions read: where it comes from, and what stands in for it.

use crate::calendar::{SECONDS_PER_DAY, US_PER_SECOND};
use crate::expression::{Type, Value};
use crate::features::column::{CellValue, ColumnType};
use crate::features::inputs::InputColumn;
use crate::features::number_range::NumberRange;
use crate::features::record::CellPlace;

/// Where the value of a slot comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::features) enum SlotSource {
    /// The table of one of the entities; the entity's plan has its place.
    Store,
    /// A field of the request.
    Request {
        /// Its place among the plan's request fields.
        index: usize,
    },
}

/// A value of a row that expressions read.
#[derive(Debug, Clone)]
pub(in crate::features) struct Slot {
    /// The name that expressions have for it.
    pub(super) name: String,
    pub(in crate::features) source: SlotSource,
    /// The model's column of the same name, if the model reads it too.
    pub(super) column: Option<usize>,
    pub(super) value_type: Type,
    pub(super) column_type: ColumnType,
    range: NumberRange,
    /// What takes the place of a number that is not known; without one it is null.
    default: Option<f64>,
    default_text: Option<String>,
}

/// A slot whose value an entity's table has, and where.
#[derive(Debug, Clone)]
pub(in crate::features) struct StoredSlot {
    /// Its place among the slots.
    pub(in crate::features) slot: usize,
    pub(in crate::features) place: CellPlace,
    pub(in crate::features) of: Slot,
}

/// The type that expressions have for values of a column type.
pub(super) fn type_of(column_type: ColumnType) -> Type {
    match column_type {
        ColumnType::Float | ColumnType::Double | ColumnType::Decimal => Type::Double,
        ColumnType::Int
        | ColumnType::Bigint
        | ColumnType::Smallint
        | ColumnType::Tinyint
        | ColumnType::Varint => Type::Int,
        ColumnType::Boolean => Type::Bool,
        ColumnType::Text | ColumnType::Uuid => Type::Text,
        ColumnType::Timestamp | ColumnType::Date => Type::Timestamp,
    }
}

impl Slot {
    pub(in crate::features) fn new(
        column: &InputColumn,
        place: Option<usize>,
        source: SlotSource,
    ) -> Self {
        Self {
            name: column.name.clone(),
            source,
            column: place,
            value_type: type_of(column.column_type),
            column_type: column.column_type,
            range: NumberRange::of(column),
            default: column.has_default.then_some(column.default),
            default_text: column.text.default.clone(),
        }
    }

    /// What stands in for a value that is not known.
    pub(in crate::features) fn default(&self) -> Value<'_> {
        match (self.value_type, self.default) {
            (Type::Text, _) => self.default_text.as_deref().map_or(Value::Null, Value::Text),
            (_, Some(number)) => self.typed(number),
            (_, None) => Value::Null,
        }
    }

    /// The value of a stored cell that is no text.
    pub(in crate::features) fn stored(&self, cell: CellValue<'_>) -> Value<'_> {
        let whole = |number: i64| {
            if self.value_type != Type::Int || self.range.is_outside(number as f64) {
                return self.number(number as f64);
            }
            Value::Int(number)
        };
        match cell {
            CellValue::Null | CellValue::Text(_) | CellValue::Uuid(_) => self.default(),
            CellValue::Float(number) => self.number(f64::from(number)),
            CellValue::Double(number) | CellValue::Decimal(number) => self.number(number),
            CellValue::Int(number) => whole(i64::from(number)),
            CellValue::Smallint(number) => whole(i64::from(number)),
            CellValue::Tinyint(number) => whole(i64::from(number)),
            CellValue::Bigint(number) | CellValue::Varint(number) => whole(number),
            CellValue::Boolean(truth) => self.number(f64::from(u8::from(truth))),
            CellValue::Timestamp(us) => Value::Timestamp(us),
            CellValue::Date(days) => midnight(i64::from(days)),
        }
    }

    /// The value of a request's number; NaN stands for none.
    pub(super) fn number(&self, number: f64) -> Value<'_> {
        if number.is_nan() {
            return self.default();
        }
        if self.range.is_outside(number) {
            // The join refuses the row where that is what the column says.
            let taken = self.range.taken(number);
            return taken.map_or_else(|| self.default(), |number| self.typed(number));
        }
        // As the store keeps it, so that a rule decides the same by either source.
        let is_float = self.column_type == ColumnType::Float;
        self.typed(if is_float { f64::from(number as f32) } else { number })
    }

    fn typed(&self, number: f64) -> Value<'_> {
        match self.value_type {
            Type::Double => Value::Double(number),
            Type::Bool => Value::Bool(number != 0.0),
            Type::Text => Value::Null,
            _ if number.fract() != 0.0 || number.is_nan() => Value::Null,
            Type::Int => Value::Int(number as i64),
            Type::Timestamp if self.column_type == ColumnType::Date => midnight(number as i64),
            Type::Timestamp => Value::Timestamp(number as i64),
        }
    }
}

/// The time at which a day since 1970 begins, in UTC.
fn midnight(days: i64) -> Value<'static> {
    days.checked_mul(SECONDS_PER_DAY * US_PER_SECOND).map_or(Value::Null, Value::Timestamp)
}
