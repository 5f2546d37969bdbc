//! Frames of the CQL binary protocol v4, section 2, as far as what stands in for a node, or before
//! one, has to look into them.

#![allow(dead_code, reason = "each test and bench uses its own part")]

/// A frame's header: version, flags, stream (two bytes), opcode, length of the body (four).
pub(crate) const HEADER_BYTES: usize = 9;

pub(crate) const OPCODE_ERROR: u8 = 0;
pub(crate) const OPCODE_STARTUP: u8 = 1;
pub(crate) const OPCODE_READY: u8 = 2;
pub(crate) const OPCODE_OPTIONS: u8 = 5;
pub(crate) const OPCODE_SUPPORTED: u8 = 6;
pub(crate) const OPCODE_QUERY: u8 = 7;
pub(crate) const OPCODE_RESULT: u8 = 8;
pub(crate) const OPCODE_PREPARE: u8 = 9;
pub(crate) const OPCODE_EXECUTE: u8 = 10;
pub(crate) const OPCODE_REGISTER: u8 = 11;

/// How long the frame is whose header `input` starts with; `None` while some of that is missing.
pub(crate) fn frame_length(input: &[u8]) -> Option<usize> {
    let length = input.get(5..HEADER_BYTES)?.try_into().ok()?;
    Some(HEADER_BYTES + u32::from_be_bytes(length) as usize)
}

/// Writes the length of a frame's body into its header.
pub(crate) fn set_length(frame: &mut [u8]) {
    let length = u32::try_from(frame.len() - HEADER_BYTES).expect("a frame below 4 GiB");
    frame[5..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
}

/// Appends a `[string]`.
pub(crate) fn put_string(frame: &mut Vec<u8>, text: &str) {
    frame.extend(u16::try_from(text.len()).expect("a string below 64 KiB").to_be_bytes());
    frame.extend(text.as_bytes());
}
