//! One driver's connection: what arrived together is answered together.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::answers::{put_frame, put_invalid, put_prepared, put_rows, put_supported};
use super::catalog::{Catalog, Rows};
use super::frames::{
    HEADER_BYTES, OPCODE_EXECUTE, OPCODE_OPTIONS, OPCODE_PREPARE, OPCODE_READY, OPCODE_REGISTER,
    OPCODE_STARTUP, frame_length,
};

const READ_BYTES: usize = 256 * 1024;
/// EXECUTE's flags: it carries values; it knows the columns of its answer.
const FLAG_VALUES: u8 = 0x01;
const FLAG_COLUMNS_KNOWN: u8 = 0x02;

/// Answers until the driver goes away.
pub(super) fn answer_all(mut stream: TcpStream, catalog: &Catalog) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = vec![0; READ_BYTES];
    let mut output = Vec::with_capacity(READ_BYTES);
    let mut filled = 0;
    loop {
        let read = stream.read(&mut input[filled..])?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let mut taken = 0;
        while let Some(length) = frame_length(&input[taken..filled])
            && taken + length <= filled
        {
            let frame = &input[taken..taken + length];
            answer(frame, catalog, &mut output)
                .ok_or_else(|| io::Error::other("a frame that ends too early"))?;
            taken += length;
        }
        input.copy_within(taken..filled, 0);
        filled -= taken;
        if filled == input.len() {
            return Err(io::Error::other("a frame larger than the buffer"));
        }
        stream.write_all(&output)?;
        output.clear();
    }
}

/// Appends the answer to a request; `None` where it is shorter than it says.
fn answer(frame: &[u8], catalog: &Catalog, output: &mut Vec<u8>) -> Option<()> {
    let stream = [frame[2], frame[3]];
    let body = &frame[HEADER_BYTES..];
    match frame[4] {
        OPCODE_OPTIONS => put_supported(output, stream),
        OPCODE_STARTUP | OPCODE_REGISTER => put_frame(output, stream, OPCODE_READY, |_| {}),
        OPCODE_PREPARE => prepare(body.get(4..)?, stream, catalog, output),
        OPCODE_EXECUTE => return execute(body, stream, catalog, output),
        other => put_invalid(output, stream, &format!("a request of kind {other}")),
    }
    Some(())
}

fn prepare(text: &[u8], stream: [u8; 2], catalog: &Catalog, output: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(text);
    let Some((position, statement)) = catalog.find(&text) else {
        return put_invalid(output, stream, &text);
    };
    let takes_value = text.ends_with('?');
    let values = statement.value.as_slice();
    let values = if takes_value { values } else { &[] };
    let key_is_first = matches!(statement.rows, Rows::User);
    put_prepared(
        output,
        stream,
        &(position as u128).to_be_bytes(),
        &statement.table,
        (values, key_is_first),
        &statement.columns,
    );
}

fn execute(
    mut body: &[u8],
    stream: [u8; 2],
    catalog: &Catalog,
    output: &mut Vec<u8>,
) -> Option<()> {
    let id_bytes = u16::from_be_bytes(take(&mut body, 2)?.try_into().ok()?);
    let id = take(&mut body, usize::from(id_bytes))?;
    let position = u128::from_be_bytes(id.try_into().ok()?);
    let Some(statement) = catalog.statements.get(usize::try_from(position).ok()?) else {
        put_invalid(output, stream, "a statement that it did not prepare");
        return Some(());
    };
    let _consistency = take(&mut body, 2)?;
    let flags = take(&mut body, 1)?[0];
    let mut value: &[u8] = &[];
    if flags & FLAG_VALUES != 0 && take(&mut body, 2)? != [0, 0] {
        value = take_bytes(&mut body)?;
    }
    let columns = (&*statement.columns, flags & FLAG_COLUMNS_KNOWN != 0);
    put_rows(output, stream, &statement.table, columns, |output| match &statement.rows {
        Rows::Fixed(rows, count) => {
            output.extend(rows);
            *count
        }
        Rows::User => put_user(value, catalog, output),
        Rows::UsersOfList => {
            let _count = take(&mut value, 4);
            let keys = std::iter::from_fn(|| take_bytes(&mut value));
            keys.map(|key| put_user(key, catalog, output)).sum()
        }
    });
    Some(())
}

/// Appends a user's row, if there is one; returns how many rows that is.
fn put_user(key: &[u8], catalog: &Catalog, output: &mut Vec<u8>) -> i32 {
    let row = catalog.users.row(key);
    output.extend(row.unwrap_or_default());
    i32::from(row.is_some())
}

/// Takes so many bytes off the front.
fn take<'a>(from: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (front, rest) = from.split_at_checked(bytes)?;
    *from = rest;
    Some(front)
}

/// Takes a `[bytes]` off the front.
fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = i32::from_be_bytes(take(from, 4)?.try_into().ok()?);
    take(from, usize::try_from(length).ok()?)
}
