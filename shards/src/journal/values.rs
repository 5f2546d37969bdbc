//! What the expressions and rules of a row read, as the log has it: enough to compute them again.

use super::entries::Reader;
use super::note::push_text;
use crate::expression::Value;
use crate::features::expressions::Computing;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const DOUBLE: u8 = 4;
const TEXT: u8 = 5;
const TIMESTAMP: u8 = 6;

/// What expressions read of a row, as the shard has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowValues<'a> {
    pub(crate) computing: &'a Computing,
    /// The row's place in its batch.
    pub(crate) row: usize,
    /// The name of the rule that decided it; empty where none did.
    pub(crate) rule: &'a str,
}

/// What expressions and rules read of a row, and which rule decided it.
#[derive(Debug, Clone, PartialEq)]
pub struct ValuesEntry<'a> {
    /// When its request arrived, in µs since 1970: the clock of its expressions.
    pub arrived_us: i64,
    /// Whether its request gave all of the model's columns, so that none was computed.
    pub are_columns_given: bool,
    /// The name of the rule that decided it; empty where none did.
    pub rule: &'a str,
    /// The values, by name.
    pub values: Vec<(&'a str, Value<'a>)>,
}

impl RowValues<'_> {
    /// More bytes than they have.
    pub(super) fn bytes_max(&self) -> usize {
        const FIXED_BYTES: usize = 32;
        const VALUE_BYTES: usize = 16;
        let values = self.computing.values(self.row).map(|(name, value)| {
            let text = if let Value::Text(text) = value { text.len() } else { 0 };
            VALUE_BYTES + name.len() + text
        });
        FIXED_BYTES + self.rule.len() + values.sum::<usize>()
    }

    pub(super) fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.computing.arrived_us(self.row).to_le_bytes());
        out.push(u8::from(self.computing.are_given(self.row)));
        push_text(out, self.rule);
        let values = self.computing.values(self.row);
        out.extend_from_slice(&(values.len() as u32).to_le_bytes());
        for (name, value) in values {
            push_text(out, name);
            match value {
                Value::Null => out.push(NULL),
                Value::Bool(truth) => out.push(if truth { TRUE } else { FALSE }),
                Value::Int(number) => push_bytes(out, INT, number.to_le_bytes()),
                Value::Double(number) => push_bytes(out, DOUBLE, number.to_le_bytes()),
                Value::Timestamp(us) => push_bytes(out, TIMESTAMP, us.to_le_bytes()),
                Value::Text(text) => {
                    out.push(TEXT);
                    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    out.extend_from_slice(text.as_bytes());
                }
            }
        }
    }
}

fn push_bytes(out: &mut Vec<u8>, kind: u8, bytes: [u8; 8]) {
    out.push(kind);
    out.extend_from_slice(&bytes);
}

impl<'a> ValuesEntry<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let arrived_us = i64::from_le_bytes(reader.array()?);
        let are_columns_given = reader.byte()? != 0;
        let rule = str::from_utf8(reader.text()?).ok()?;
        let count = 0..u32::from_le_bytes(reader.array()?);
        let value = |_| {
            let name = str::from_utf8(reader.text()?).ok()?;
            let value = match reader.byte()? {
                NULL => Value::Null,
                FALSE => Value::Bool(false),
                TRUE => Value::Bool(true),
                INT => Value::Int(i64::from_le_bytes(reader.array()?)),
                DOUBLE => Value::Double(f64::from_le_bytes(reader.array()?)),
                TIMESTAMP => Value::Timestamp(i64::from_le_bytes(reader.array()?)),
                TEXT => {
                    let length = reader.number()? as usize;
                    Value::Text(str::from_utf8(reader.bytes(length)?).ok()?)
                }
                _ => return None,
            };
            Some((name, value))
        };
        let values = count.map(value).collect::<Option<_>>()?;
        Some(Self { arrived_us, are_columns_given, rule, values })
    }
}
