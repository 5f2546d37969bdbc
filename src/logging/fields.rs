//! How an event's message and fields are written in a line of text.
//!
//! As tracing-subscriber writes them, but that nothing in them ends the line or drives a terminal: a
//! model's server, a database or the name of a file may be in there. tracing-subscriber escapes
//! escape sequences, and leaves line ends as they are.

use std::fmt::{self, Write};

use shards::escape::Escaping;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Italic, plain, dim: how a terminal shows a field's name and the sign behind it.
const ITALIC: &str = "\u{1b}[3m";
const PLAIN: &str = "\u{1b}[0m";
const DIM: &str = "\u{1b}[2m";

/// Writes fields with all that is active in their values escaped.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OneLine;

impl<'w> FormatFields<'w> for OneLine {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = LineVisitor { writer, is_first: true, written: Ok(()) };
        fields.record(&mut line);
        line.written
    }
}

struct LineVisitor<'w> {
    writer: Writer<'w>,
    is_first: bool,
    /// The first failure; nothing is written after it.
    written: fmt::Result,
}

impl LineVisitor<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) -> fmt::Result {
        if !std::mem::replace(&mut self.is_first, false) {
            self.writer.write_char(' ')?;
        }
        if field.name() != "message" {
            if self.writer.has_ansi_escapes() {
                write!(self.writer, "{ITALIC}{}{PLAIN}{DIM}={PLAIN}", field.name())?;
            } else {
                write!(self.writer, "{}=", field.name())?;
            }
        }
        Escaping(&mut self.writer).write_fmt(value)
    }
}

impl Visit for LineVisitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.written.is_ok() {
            self.written = self.write(field, format_args!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Sender, channel};

    use tracing_subscriber::layer::SubscriberExt;

    use super::OneLine;
    use crate::logging::Kept;

    struct ToTest(Sender<Vec<u8>>);

    impl Write for ToTest {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map(|()| bytes.len()).map_err(io::Error::other)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a message and a field of each kind look like in the log, and on the live page.
    fn logged(is_terminal: bool) -> (String, String) {
        let (sender, written) = channel();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(is_terminal)
            .without_time()
            .with_target(false)
            .fmt_fields(OneLine)
            .with_writer(move || ToTest(sender.clone()));
        let kept = Kept::default();
        let log = tracing_subscriber::registry().with(kept.clone()).with(lines);
        let evil = "\u{1b}[31m\r\n";
        tracing::subscriber::with_default(log, || {
            let number = 7;
            tracing::warn!(text = evil, shown = %evil, debugged = ?[evil], number, "said {evil}");
        });
        let bytes: Vec<u8> = written.try_iter().flatten().collect();
        let recent = kept.lock().recent.pop_back().expect("an event");
        (String::from_utf8(bytes).expect("UTF-8"), recent.text)
    }

    #[test]
    fn nothing_in_an_event_ends_its_line() {
        let (line, event) = logged(false);
        let evil = "\\u{1b}[31m\\r\\n";
        let fields =
            format!("said {evil} text=\"{evil}\" shown={evil} debugged=[\"{evil}\"] number=7");
        assert_eq!(line, format!(" WARN {fields}\n"));
        assert_eq!(event, fields.replace("text=\"", "text=").replace("n\" shown", "n shown"));
    }

    #[test]
    fn a_terminal_is_driven_by_the_log_alone() {
        let (line, _) = logged(true);
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
        let drivers = line.matches('\u{1b}').count();
        assert_eq!(drivers, line.matches("\u{1b}[").count());
        assert!(!line.contains("\u{1b}[31m"), "{line:?}");
        assert!(line.contains("\u{1b}[3mshown\u{1b}[0m\u{1b}[2m=\u{1b}[0m\\u{1b}[31m"), "{line:?}");
    }
}
