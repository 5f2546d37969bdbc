//! Clients of a Unix socket that send lines. What all of them have sent while the disk is waited for is
//! written by the next wait.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use anyhow::{Context, ensure};
use serde_json::json;

use super::lines::{Lines, Piece};
use super::sink::{LineOutcome, Sink};
use crate::output::complain;

/// How many pieces of clients are written at once.
const PIECES_MAX: usize = 1_024;
/// How many lines that were not written an answer names.
const NAMED_MAX: usize = 10;

/// What a client has sent, and where it is answered.
type Sent = (Piece, SyncSender<Vec<LineOutcome>>);

/// Listens until the process ends.
pub(super) fn serve(path: &Path, sink: &mut Sink) -> anyhow::Result<()> {
    let listener = listen(path)?;
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .name("ingest".to_owned())
        .spawn(move || accept(&listener, &sender))
        .context("the thread that accepts clients could not be started")?;
    write_all(&receiver, sink)
}

/// A socket that a process which ended has left is replaced; one that somebody listens on is not.
fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    if let Ok(metadata) = std::fs::metadata(path) {
        ensure!(metadata.file_type().is_socket(), "{}: is no socket", path.display());
        ensure!(
            UnixStream::connect(path).is_err(),
            "{}: another process listens there",
            path.display()
        );
        std::fs::remove_file(path).with_context(|| format!("{}: removing it", path.display()))?;
    }
    UnixListener::bind(path).with_context(|| format!("{}: listening there", path.display()))
}

fn accept(listener: &UnixListener, sender: &Sender<Sent>) {
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                let sender = sender.clone();
                let serving = std::thread::Builder::new()
                    .name("client".to_owned())
                    .spawn(move || serve_client(&stream, &sender));
                if let Err(error) = serving {
                    complain!("a client is not served: {error}");
                }
            }
            Err(error) => complain!("a client is not accepted: {error}"),
        }
    }
}

fn serve_client(stream: &UnixStream, sender: &Sender<Sent>) {
    let mut lines = Lines::default();
    loop {
        let is_end = match lines.fill(&mut &*stream) {
            Ok(is_more) => !is_more,
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let answer = json!({ "error": error.to_string() });
                let _ = writeln!(&*stream, "{answer}");
                return;
            }
            // It has gone.
            Err(_) => return,
        };
        let piece = lines.take(is_end);
        let (first, has_lines) = (piece.first_number(), piece.iter().next().is_some());
        if has_lines {
            let (answer, answered) = sync_channel(1);
            if sender.send((piece, answer)).is_err() {
                return;
            }
            let Ok(outcomes) = answered.recv() else { return };
            if writeln!(&*stream, "{}", said(first, &outcomes)).is_err() {
                return;
            }
        }
        if is_end {
            return;
        }
    }
}

/// What a client hears of a piece.
fn said(first: u64, outcomes: &[LineOutcome]) -> serde_json::Value {
    let written = outcomes.iter().filter(|outcome| **outcome == Ok(true)).count();
    let repeated = outcomes.iter().filter(|outcome| **outcome == Ok(false)).count();
    let wrong = outcomes.iter().enumerate().filter_map(|(at, outcome)| {
        let reason = outcome.as_ref().err()?;
        Some(json!({ "line": first + at as u64, "error": reason }))
    });
    let wrong: Vec<_> = wrong.collect();
    let mut said = json!({ "written": written, "repeated": repeated, "refused": wrong.len() });
    if !wrong.is_empty() {
        said["errors"] = wrong.into_iter().take(NAMED_MAX).collect();
    }
    said
}

fn write_all(receiver: &Receiver<Sent>, sink: &mut Sink) -> anyhow::Result<()> {
    while let Ok(first) = receiver.recv() {
        let mut sent = vec![first];
        while sent.len() < PIECES_MAX
            && let Ok(next) = receiver.try_recv()
        {
            sent.push(next);
        }
        let lines = sent.iter().flat_map(|(piece, _)| piece.iter());
        let mut outcomes = sink.write(lines)?.into_iter();
        for (piece, answer) in &sent {
            let own = outcomes.by_ref().take(piece.iter().count()).collect();
            // Who has gone does not hear it.
            let _ = answer.send(own);
        }
    }
    Ok(())
}
