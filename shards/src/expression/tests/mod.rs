//! Claims about the language. [`reference`] is another implementation, value by value.

mod faults;
mod random;
mod reference;
mod values;

use super::{Definition, ExpressionError, Frame, Name, Program, Type, Value};

/// A program of one expression.
fn program(names: &[(&str, Type)], text: &str) -> Result<Program, ExpressionError> {
    let name = |(name, value_type): &(&str, Type)| Name {
        name: (*name).to_owned(),
        value_type: *value_type,
    };
    let names: Vec<_> = names.iter().map(name).collect();
    Program::compile(&names, &[Definition { name: "tested", text, is_output: true }])
}

/// Computes a block of rows, each a value for each of `names`.
fn run(program: &Program, names: &[(&str, Type)], rows: &[Vec<Value<'_>>], now_us: i64) -> Frame {
    let mut frame = Frame::new(program);
    frame.begin(program, rows.len());
    for (row, values) in rows.iter().enumerate() {
        frame.set_clock(program, row, now_us);
        for (place, input) in program.inputs().iter().enumerate() {
            let at = names.iter().position(|(name, _)| *name == input.name).expect("a name");
            frame.set(program, place, row, values[at]);
        }
    }
    program.run(&mut frame);
    frame
}
