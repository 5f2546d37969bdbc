//! The shard's own end: the buffer that it writes into.

use std::cell::RefCell;

use super::entry::BatchEntry;
use super::note::{AccessNote, RowNote};
use super::sampler::{RowSampler, Sampler};
use super::{JournalSettings, JournalSlot};
use crate::telemetry::ShardCounters;

/// What a shard has written down and not handed over.
#[derive(Debug)]
pub(crate) struct Journal {
    bytes_max: usize,
    /// Whether batches are written down.
    pub(crate) predictions: bool,
    /// Whether sampled requests name their first user.
    pub(crate) access_users: bool,
    rows: RowSampler,
    sampler: Option<Sampler>,
    buffer: RefCell<Vec<u8>>,
}

impl Journal {
    /// An empty journal; `None` where nothing is to be written down.
    pub(crate) fn new(settings: &JournalSettings) -> Option<Self> {
        let is_sampled = !settings.access.is_none();
        let predictions = !settings.predictions.is_none();
        (predictions || is_sampled).then(|| Self {
            bytes_max: settings.buffer_bytes_max,
            predictions,
            rows: RowSampler::new(settings.predictions),
            access_users: settings.access_users,
            sampler: is_sampled.then(|| Sampler::new(settings.access)),
            buffer: RefCell::default(),
        })
    }

    /// Whether requests are sampled.
    pub(crate) fn is_sampling(&self) -> bool {
        self.sampler.is_some()
    }

    /// Whether the next request is to be written down.
    pub(crate) fn samples_next(&self) -> bool {
        self.sampler.as_ref().is_some_and(Sampler::takes_next)
    }

    /// Writes a sampled request down; one that does not fit is counted as dropped.
    pub(crate) fn note_access(&self, note: &AccessNote<'_>, counters: &ShardCounters) {
        let mut buffer = self.buffer.borrow_mut();
        if buffer.len() + note.bytes_max() <= self.bytes_max {
            note.push(&mut buffer);
            counters.accesses_noted.add(1);
        } else {
            counters.accesses_dropped.add(1);
        }
    }

    /// Writes a batch and its share of the rows down; those that do not fit are counted as dropped.
    pub(crate) fn note_batch<'r>(
        &self,
        batch: &BatchEntry<'_>,
        rows: impl Iterator<Item = RowNote<'r>>,
        counters: &ShardCounters,
    ) {
        let mut buffer = self.buffer.borrow_mut();
        let has_room = |buffer: &Vec<u8>, bytes| buffer.len() + bytes <= self.bytes_max;
        let (mut noted, mut dropped) = (0, 0);
        for row in rows.filter(|_| self.rows.takes_next()) {
            let batch_bytes = if noted == 0 { batch.bytes_max() } else { 0 };
            if has_room(&buffer, batch_bytes + row.bytes_max()) {
                if noted == 0 {
                    batch.push(&mut buffer);
                }
                row.push(&mut buffer);
                noted += 1;
            } else {
                dropped += 1;
            }
        }
        counters.predictions_noted.add(noted);
        counters.predictions_dropped.add(dropped);
    }

    /// Hands over what there is, if the process has taken the last of it.
    pub(crate) fn hand_over(&self, slot: &JournalSlot) {
        let mut buffer = self.buffer.borrow_mut();
        if !buffer.is_empty() {
            slot.offer(&mut buffer);
        }
    }

    /// Hands the rest over: nothing more will be written down.
    pub(crate) fn close(&self, slot: &JournalSlot) {
        slot.close(&mut self.buffer.borrow_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Reason;
    use crate::features::join::RequestField;
    use crate::features::{Categories, Cells};
    use crate::journal::{
        AccessEntry, AccessFigures, BatchFigures, Entries, Entry, RowEntry, RowResult, RowTexts,
        Share, TextEntry,
    };
    use crate::origin::{Origin, RequestId, TraceParent};
    use crate::provenance::FeatureStatus;

    const BATCH: BatchEntry<'static> =
        BatchEntry { model: "risk", version: 7, file_hash: 0xabc, time_us: 5 };

    const REASONS: [Reason; 2] = [
        Reason { group: 1, contribution: 0.3, value: 2.0 },
        Reason { group: 0, contribution: 0.1, value: f64::NAN },
    ];

    fn notes(codes: &[String]) -> [RowNote<'_>; 3] {
        let trace = TraceParent { trace_id: [7; 16], parent_id: [8; 8], flags: 1 };
        let scored = RowNote {
            request_id: &RequestId::Made([1, 2]),
            trace: Some(trace),
            user_id: "user-1",
            features: Some(FeatureStatus::Stale),
            last_updated_us: Some(-3),
            result: RowResult::Score(0.1),
            cells: Some(Cells::F32(&[0.1, f32::INFINITY, -0.0])),
            texts: RowTexts::NONE,
            decision: "decline",
            reasons: None,
            reasons_max: 0,
            entities: None,
            values: None,
        };
        let own = RowNote { user_id: "", features: None, last_updated_us: None, ..scored };
        let own = RowNote { cells: Some(Cells::F64(&[0.1])), decision: "", ..own };
        let failed = RowNote {
            request_id: &RequestId::None,
            trace: None,
            result: RowResult::Failed(3),
            cells: None,
            ..scored
        };
        let scored = RowNote { reasons: Some((codes, &REASONS)), reasons_max: 4, ..scored };
        [scored, own, failed]
    }

    fn codes() -> [String; 2] {
        ["age", "AA07"].map(str::to_owned)
    }

    fn journal(buffer_bytes_max: usize) -> Journal {
        sampled(1.0, buffer_bytes_max)
    }

    fn sampled(sample: f64, buffer_bytes_max: usize) -> Journal {
        let predictions = Share::of(sample).expect("a share");
        let settings = JournalSettings { predictions, ..JournalSettings::default() };
        Journal::new(&JournalSettings { buffer_bytes_max, ..settings }).expect("on")
    }

    fn read(journal: &Journal) -> Vec<u8> {
        let (slot, mut bytes) = (JournalSlot::default(), Vec::new());
        journal.hand_over(&slot);
        slot.take(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let journal = journal(1 << 20);
        journal.note_batch(&BATCH, notes(&codes()).into_iter(), &ShardCounters::default());
        let bytes = read(&journal);
        let mut entries = Entries::new(&bytes);
        assert_eq!(entries.next(), Some(Entry::Batch(BATCH)));
        let rows: Vec<RowEntry<'_>> = entries
            .by_ref()
            .map(|entry| match entry {
                Entry::Row(row) => row,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((rows.len(), entries.rest_bytes()), (3, 0));
        assert_eq!(rows[0].request_id, b"00000000000000010000000000000002");
        assert_eq!(rows[0].trace, notes(&[])[0].trace);
        assert_eq!((rows[0].user_id, rows[0].features), (&b"user-1"[..], notes(&[])[0].features));
        assert_eq!((rows[0].last_updated_us, rows[0].result), (Some(-3), RowResult::Score(0.1)));
        let bits: Vec<_> = rows[0].cells.iter().map(|cell| cell.to_bits()).collect();
        assert_eq!(bits, [f64::from(0.1_f32), f64::INFINITY, -0.0].map(f64::to_bits));
        assert_eq!(rows[0].reasons, Some(vec![("AA07", 0.3), ("age", 0.1)]));
        assert_eq!((rows[0].decision, rows[1].decision), ("decline", ""));
        assert_eq!((rows[0].reasons_max, &rows[1].reasons), (4, &None));
        assert_eq!((rows[1].features, rows[1].last_updated_us), (None, None));
        assert_eq!(rows[1].cells, [0.1]);
        assert_eq!(rows[2].result.reason(), Some("expired_features"));
        assert!(rows[2].cells.is_empty() && rows[2].request_id.is_empty());
    }

    #[test]
    fn a_cell_of_text_is_the_text_that_it_was() {
        let field = |categories| RequestField {
            categories: Some(std::sync::Arc::new(categories)),
            ..RequestField::default()
        };
        let known = || Categories::new([("car", 0.0), ("", 1.0)], -1.0).with_missing(Some(-1.0));
        let fields = [
            field(known()),
            field(known()),
            RequestField::default(),
            field(known()),
            field(known()),
            field(Categories::hashed(|text| text.len() as f64)),
            field(Categories::new([("car", 3.0)], f64::NAN)),
        ];
        let cells = [0.0, -1.0, 7.0, 1.0, -1.0, 9.0, f32::NAN];
        let texts = RowTexts { fields: &fields, unknown: &[(3, 1)] };
        let row = RowNote { cells: Some(Cells::F32(&cells)), texts, ..notes(&[])[0] };
        let journal = journal(1 << 20);
        journal.note_batch(&BATCH, std::iter::once(row), &ShardCounters::default());
        let bytes = read(&journal);
        let mut entries = Entries::new(&bytes);
        let Some(Entry::Row(row)) = entries.by_ref().nth(1) else { panic!("no row") };
        let expected = [
            (0, TextEntry::Known("car")),
            (1, TextEntry::Unknown),
            (3, TextEntry::Known("")),
            (4, TextEntry::Missing),
            (6, TextEntry::Missing),
        ];
        assert_eq!((row.texts.as_slice(), entries.rest_bytes()), (&expected[..], 0));
    }

    #[test]
    fn a_sampled_request_stands_among_the_rows() {
        let journal = journal(1 << 20);
        let figures = AccessFigures {
            status: 404,
            duration_ns: 1 << 40,
            write_ns: 5,
            rows: 2,
            batch: BatchFigures { rows: 64, queue_us: 1, features_us: 2, model_us: 3 },
        };
        let request_id = RequestId::Sent("a".into());
        let origin = Origin { request_id, ..Origin::default() };
        let note =
            AccessNote { origin: &origin, user_id: "user", model: Some(("risk", 7)), figures };
        let without = AccessNote { model: None, user_id: "", ..note };
        let counters = ShardCounters::default();
        journal.note_batch(&BATCH, notes(&codes()).into_iter(), &counters);
        journal.note_access(&note, &counters);
        journal.note_access(&without, &counters);
        let bytes = read(&journal);
        let mut entries = Entries::new(&bytes);
        let found: Vec<_> = entries.by_ref().skip(4).collect();
        assert_eq!(entries.rest_bytes(), 0);
        let expected = AccessEntry {
            request_id: b"a",
            trace: None,
            user_id: b"user",
            model: note.model,
            figures,
        };
        let bare = AccessEntry { user_id: b"", model: None, ..expected };
        assert_eq!(found, [Entry::Access(expected), Entry::Access(bare)]);
        assert_eq!(counters.accesses_noted.get(), 2);
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_and_the_rest_is_whole() {
        for bytes_max in [0, 40, 200, 500, 1_000] {
            let (journal, counters) = (journal(bytes_max), ShardCounters::default());
            for _ in 0..4 {
                journal.note_batch(&BATCH, notes(&codes()).into_iter(), &counters);
            }
            let bytes = read(&journal);
            assert!(bytes.len() <= bytes_max);
            let mut entries = Entries::new(&bytes);
            let rows = entries.by_ref().filter(|entry| matches!(entry, Entry::Row(_))).count();
            assert_eq!(entries.rest_bytes(), 0);
            assert_eq!(counters.predictions_noted.get(), rows as u64);
            assert_eq!(counters.predictions_dropped.get(), 12 - rows as u64);
        }
    }

    #[test]
    fn a_share_of_the_rows_is_written_each_behind_its_batch() {
        let (journal, counters) = (sampled(0.25, 1 << 24), ShardCounters::default());
        for version in 0..1_000 {
            let batch = BatchEntry { version, ..BATCH };
            journal.note_batch(&batch, notes(&codes()).into_iter(), &counters);
        }
        let bytes = read(&journal);
        let mut entries = Entries::new(&bytes);
        let (mut batches, mut rows, mut is_empty) = (Vec::new(), 0, false);
        for entry in entries.by_ref() {
            if let Entry::Batch(batch) = entry {
                assert!(!is_empty, "a batch without a row");
                batches.push(batch.version);
                is_empty = true;
            } else {
                rows += 1;
                is_empty = false;
            }
        }
        assert!(batches.is_sorted() && batches.len() < 1_000 && !is_empty);
        assert!((650..=850).contains(&rows), "{rows}");
        let counted = (counters.predictions_noted.get(), counters.predictions_dropped.get());
        assert_eq!((counted, entries.rest_bytes()), ((rows, 0), 0));
    }
}
