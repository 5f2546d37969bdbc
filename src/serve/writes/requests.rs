//! What a request asks for, and what it is answered.

use std::collections::HashMap;

use serde_json::json;
use shards::features::embedded::{ChangeBatch, Committed, EmbeddedStore, Idempotency};
use shards::features::schema::Schema;
use shards::features::written_rows::{LineForm, WrittenTable, check_key, put_lines, put_object};
use shards::features::written_tensors::{has_tensors, put_tensors};
use shards::http::routes::percent_decoded;
use shards::shard::{AdminReply, AdminReplyKind, FeatureCall};

use super::settings::AnsweredOnce;
use super::{failed, reply};

/// A request, as it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) call: &'a FeatureCall<String>,
    pub(super) body: &'a [u8],
    /// Where the JSON of the body ends, if binary tensors follow it.
    pub(super) json_bytes: Option<usize>,
    pub(super) idempotency_key: Option<&'a [u8]>,
}

/// How many rows each of the batches takes away that is a removal: none where its key has no row, as the
/// table is and the batches before it leave it.
pub(super) fn removals(
    store: &EmbeddedStore,
    schema: &Schema,
    batches: &[ChangeBatch],
    asked: &[usize],
    requests: &[Request<'_>],
) -> Vec<u32> {
    let mut is_there: HashMap<Vec<u8>, bool> = HashMap::new();
    let any = asked.iter().any(|at| requests[*at].call.is_removal);
    let gone = |(batch, at): (&ChangeBatch, &usize)| {
        if !any {
            return batch.rows();
        }
        let is_removal = requests[*at].call.is_removal;
        let mut gone = 0;
        for key in batch.keys(schema) {
            let before = is_there.insert(key.clone(), !is_removal);
            // A row that cannot be read is one.
            let is_stored = || store.find(&key, |_, _| Some(())).map_or(true, |it| it.is_some());
            gone += u32::from(is_removal && before.unwrap_or_else(is_stored));
        }
        gone
    };
    batches.iter().zip(asked).map(gone).collect()
}

/// The rows of a request to any table, as the table's own function has them.
pub(super) fn batch_for(
    table: WrittenTable<'_>,
    request: Request<'_>,
) -> Result<ChangeBatch, String> {
    let Request { call, body, json_bytes, idempotency_key } = request;
    let mut batch = ChangeBatch::new(table.schema);
    let key = match &call.key {
        Some(key) => {
            Some(percent_decoded(key).ok_or("the key in the path has a % without digits")?)
        }
        None => None,
    };
    match key {
        Some(key) if std::str::from_utf8(&key).is_err() => {
            return Err("the key in the path is not UTF-8".to_owned());
        }
        Some(key) if call.is_removal => {
            check_key(table, &key).map_err(|error| error.to_string())?;
            batch.remove(&key);
        }
        Some(key) => {
            put_object(table, &key, body, &mut batch).map_err(|error| error.to_string())?;
        }
        None if has_tensors(body, json_bytes) => {
            put_tensors(table, body, json_bytes, &mut batch).map_err(|error| error.to_string())?;
        }
        None => put_lines(table, &LineForm::default(), body, &mut batch)
            .map_err(|error| error.to_string())?,
    }
    // A key stands for what is asked, not for the body alone.
    let path =
        format!("{}/{}/{}/", call.entity, call.key.as_deref().unwrap_or(""), call.is_removal);
    let asked = [path.as_bytes(), body].concat();
    Ok(batch.once(idempotency_key.map(|key| Idempotency::of(key, &asked))))
}

/// The reply to a request of which this became; `None` where it is to be made anew.
pub(super) fn answer(
    committed: Committed,
    rows: u32,
    is_removal: bool,
    durability: AnsweredOnce,
) -> Option<AdminReply> {
    let message = match committed {
        Committed::OtherColumns => return None,
        Committed::Written | Committed::Repeated => {
            let what = if is_removal { "removed" } else { "written" };
            let mut document = json!({ what: rows });
            if committed == Committed::Repeated {
                document["repeated"] = true.into();
            }
            if durability == AnsweredOnce::Async {
                document["durability"] = "async".into();
                document["lost_if"] = "the machine fails within seconds".into();
            }
            return Some(reply(AdminReplyKind::Done, &document));
        }
        Committed::OtherRequest => {
            let message = "another request had this Idempotency-Key: nothing was written";
            return Some(failed(AdminReplyKind::Conflict, message));
        }
        Committed::TooLarge => "the request has more than 64 MiB of rows: send several",
    };
    Some(failed(AdminReplyKind::Failed, message))
}
