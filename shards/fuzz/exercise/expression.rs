//! Expressions, from whoever sent the model: read, compiled and, where they are any, computed.

use shards::expression::{Definition, Frame, Name, Program, Type, Value};

/// Compiles the text over names of every type, and computes two rows: one of values, one of nulls.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let names: Vec<_> = Type::ALL
        .into_iter()
        .map(|value_type| Name { name: value_type.as_str()[..1].to_owned(), value_type })
        .collect();
    let definition = Definition { name: "fuzzed", text, is_output: true };
    let program = match Program::compile(&names, &[definition]) {
        Ok(program) => program,
        Err(error) => {
            // What it says points into the text, whatever that is.
            assert!(error.at <= text.len() && !error.to_string().is_empty());
            return;
        }
    };
    let mut frame = Frame::new(&program);
    frame.begin(&program, 2);
    for row in 0..2 {
        frame.set_clock(&program, row, 1_769_862_600_000_000);
    }
    for (place, port) in program.inputs().iter().enumerate() {
        let value = match port.value_type {
            Type::Bool => Value::Bool(true),
            Type::Int => Value::Int(i64::MIN),
            Type::Double => Value::Double(-2.5e300),
            Type::Text => Value::Text("Straße, 7"),
            Type::Timestamp => Value::Timestamp(i64::MAX),
        };
        frame.set(&program, place, 0, value);
    }
    program.run(&mut frame);
    for row in 0..2 {
        if let Value::Double(number) = frame.get(&program, 0, row) {
            assert!(number.is_finite(), "{text}: {number}");
        }
    }
}
