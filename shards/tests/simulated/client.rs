//! A client that asks, and judges each answer by what the world was like meanwhile.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use serde_json::Value;
use shards::executor::runtime::sleep;
use shards::executor::simulated::{below, now_ns, spawn};
use shards::shard::Door;

use super::ledger::Ledger;
use super::pipe::{End, connection};
use super::world::{USERS, World, scores};

/// How much later than its deadline an answer may come on a thread that nothing stalls, in ns.
const LATE_NS_MAX: u64 = 2_000_000;
/// How long an answer may take when nobody else asks, nothing stalls and nothing is waited for, in ns.
const LONE_NS_MAX: u64 = 90_000;

/// A request on its way.
#[derive(Debug)]
struct Sent {
    id: String,
    users: Vec<usize>,
    is_array: bool,
    deadline_ms: Option<u64>,
    /// When its last byte was sent, and how things were when its first was.
    ended_ns: u64,
    begun_ns: u64,
    generation: usize,
    version_place: usize,
    /// Whether no other was on its way when it was sent.
    is_alone: bool,
    /// How many had been sent with it.
    asked: u64,
}

/// An answer as it came.
#[derive(Debug, Default)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Reads answers from a connection.
struct Reader {
    end: End,
    bytes: Vec<u8>,
}

impl Reader {
    /// The next answer; `None` where the shard closed the connection before its first byte, or in
    /// the middle of it, which is told.
    async fn next(&mut self) -> Result<Option<(Answer, Vec<u8>)>, String> {
        loop {
            if let Some((answer, length)) = parsed(&self.bytes)? {
                let raw = self.bytes.drain(..length).collect();
                return Ok(Some((answer, raw)));
            }
            let mut buffer = [0; 512];
            match self.end.read(&mut buffer).await {
                Ok(0) | Err(_) if self.bytes.is_empty() => return Ok(None),
                Ok(0) | Err(_) => return Err("an answer ends in the middle".to_owned()),
                Ok(count) => self.bytes.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

fn parsed(bytes: &[u8]) -> Result<Option<(Answer, usize)>, String> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..head]).map_err(|error| error.to_string())?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| format!("no status line: {line}"))?;
    let fields: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut answer = Answer { status, fields, body: String::new() };
    let length: usize = answer
        .field("content-length")
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| format!("no length: {text}"))?;
    let end = head + 4 + length;
    if bytes.len() < end {
        return Ok(None);
    }
    answer.body = String::from_utf8_lossy(&bytes[head + 4..end]).into_owned();
    Ok(Some((answer, end)))
}

/// The scores of users, each asked for by itself.
pub(crate) async fn ask_for_scores(door: &Door, users: RangeInclusive<usize>) -> Vec<String> {
    let (end, other) = connection();
    spawn(door.serve(other));
    let mut reader = Reader { end, bytes: Vec::new() };
    let mut scores = Vec::new();
    for user in users {
        let body = format!("{{\"user_id\": \"user-{user}\"}}");
        let length = body.len();
        let head = format!("POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        reader.end.write_all((head + &body).as_bytes()).await.unwrap();
        let (answer, _) = reader.next().await.unwrap().unwrap();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(body["score"].is_number(), "{answer:?}");
        scores.push(body["score"].to_string());
    }
    scores
}

/// Sends requests over connections, and judges the answers.
pub(crate) async fn ask(number: u64, world: &Rc<World>, door: &Door, ledger: &Rc<Ledger>) {
    let mut left = world.conditions.requests_each;
    while left > 0 && door.is_open() {
        let (end, other) = connection();
        spawn(door.serve(other));
        let mut reader = Reader { end, bytes: Vec::new() };
        let mut sent = VecDeque::new();
        let stays = below(8) != 0;
        let asked = if stays { left } else { 1 + below(left) };
        left -= asked;
        for place in 0..asked {
            sleep(Duration::from_micros(below(1 + 2 * world.conditions.pause_us))).await;
            let id = format!("{number}-{left}-{place}");
            let Some(request) = send(&mut reader.end, id, world, ledger).await else { break };
            sent.push_back(request);
            if below(3) == 0 && place + 1 < asked {
                continue;
            }
            if !take_answers(&mut reader, &mut sent, world, ledger).await {
                break;
            }
        }
        if stays && !take_answers(&mut reader, &mut sent, world, ledger).await {
            continue;
        }
        // It goes away, with requests that are not answered or in the middle of one.
        if !stays && below(2) == 0 {
            ledger.cut_short.update(|cut_short| cut_short + 1);
            let _ =
                reader.end.write_all(b"POST /predict HTTP/1.1\r\ncontent-length: 9\r\n\r\n{").await;
            sleep(Duration::from_micros(below(1_000))).await;
        }
        ledger.outstanding.update(|outstanding| outstanding - sent.len() as u64);
    }
}

/// Sends a request, perhaps bit by bit; `None` where the connection takes no more.
async fn send(end: &mut End, id: String, world: &World, ledger: &Ledger) -> Option<Sent> {
    let is_array = below(4) == 0;
    let users: Vec<_> = (0..if is_array { 1 + below(6) } else { 1 })
        .map(|_| below(USERS as u64 + 2) as usize)
        .collect();
    let deadline_ms = (below(4) == 0).then(|| 1 + below(20));
    let members: Vec<_> =
        users.iter().map(|user| format!("{{\"user_id\": \"user-{user}\"}}")).collect();
    let body = if is_array { format!("[{}]", members.join(",")) } else { members[0].clone() };
    let deadline = deadline_ms.map_or(String::new(), |ms| format!("x-deadline-ms: {ms}\r\n"));
    let length = body.len();
    let text = format!(
        "POST /predict HTTP/1.1\r\nhost: x\r\nx-request-id: {id}\r\n{deadline}\
         content-length: {length}\r\n\r\n{body}"
    );
    let begun_ns = now_ns();
    let (generation, version_place) = (world.generation.get(), world.version_place());
    let mut rest = text.as_bytes();
    if below(6) == 0 {
        let (first, second) = rest.split_at(below(rest.len() as u64) as usize);
        end.write_all(first).await.ok()?;
        sleep(Duration::from_micros(below(3_000))).await;
        rest = second;
    }
    let is_alone = ledger.outstanding.get() == 0;
    ledger.asked.update(|asked| asked + 1);
    ledger.outstanding.update(|outstanding| outstanding + 1);
    // Its last byte is there once this has returned: the time of an answer counts from before.
    let ended_ns = now_ns();
    if end.write_all(rest).await.is_err() {
        ledger.outstanding.update(|outstanding| outstanding - 1);
        return None;
    }
    Some(Sent {
        id,
        users,
        is_array,
        deadline_ms,
        ended_ns,
        begun_ns,
        generation,
        version_place,
        asked: ledger.asked.get(),
        is_alone,
    })
}

/// Judges answers until every request has one; false where the connection ended before.
async fn take_answers(
    reader: &mut Reader,
    sent: &mut VecDeque<Sent>,
    world: &World,
    ledger: &Ledger,
) -> bool {
    // Of several in a row, one may wait for the one before.
    let is_direct = sent.len() == 1;
    while let Some(request) = sent.front() {
        let answer = match reader.next().await {
            Ok(Some((answer, raw))) => {
                ledger.answered(&raw);
                answer
            }
            ended => {
                // What came after the word to stop may be left to the next process.
                if !ledger.stops_by(request.ended_ns) || ended.is_err() {
                    ledger.break_rule(format!("{} is answered: {ended:?}", request.id));
                }
                ledger.outstanding.update(|outstanding| outstanding - sent.len() as u64);
                sent.clear();
                return false;
            }
        };
        ledger.outstanding.update(|outstanding| outstanding - 1);
        let is_alone = request.is_alone && ledger.asked.get() == request.asked;
        let timed = is_direct.then_some(now_ns() - request.ended_ns);
        let found = judge_time(request, timed, is_alone, world, ledger);
        if let Err(what) = found.and_then(|()| judge(request, &answer, world, ledger)) {
            let (id, status) = (&request.id, answer.status);
            ledger.break_rule(format!("{id} at {} ns: {what}: {status} {answer:?}", now_ns()));
        }
        sent.pop_front();
    }
    true
}

/// Holds the time that an answer took, where its client waited for it alone, against what was asked.
fn judge_time(
    request: &Sent,
    took_ns: Option<u64>,
    is_alone: bool,
    world: &World,
    ledger: &Ledger,
) -> Result<(), String> {
    let conditions = &world.conditions;
    let Some(took_ns) = took_ns.filter(|_| conditions.is_calm()) else { return Ok(()) };
    let limit_ns = request.deadline_ms.map(|deadline_ms| deadline_ms * 1_000_000 + LATE_NS_MAX);
    if limit_ns.is_some_and(|limit_ns| took_ns > limit_ns) {
        return Err(format!("it came {took_ns} ns after it was sent, after its deadline"));
    }
    let is_lone = is_alone && !conditions.store_waits && !ledger.stops_by(now_ns());
    if is_lone && took_ns > LONE_NS_MAX {
        return Err(format!("a lone request took {took_ns} ns"));
    }
    Ok(())
}

fn judge(request: &Sent, answer: &Answer, world: &World, ledger: &Ledger) -> Result<(), String> {
    if answer.field("x-request-id") != Some(&request.id) {
        return Err("it is another request's answer".to_owned());
    }
    let rows_max = world.conditions.settings.queue_rows_max as u64;
    let lanes = world.shared.telemetry.lanes();
    if lanes.iter().any(|lane| lane.counters.queue_rows.get() > rows_max) {
        return Err(format!("more than {rows_max} rows wait"));
    }
    match answer.status {
        200 if request.is_array => judge_members(request, answer, world),
        200 => judge_score(request, answer, world),
        429 if world.conditions.settings.queue_rows_max < request.users.len() * 100 => Ok(()),
        504 if request.deadline_ms.is_some() => Ok(()),
        503 if ledger.stops_by(now_ns()) => Ok(()),
        _ => Err("nobody expects this".to_owned()),
    }
}

fn judge_score(request: &Sent, answer: &Answer, world: &World) -> Result<(), String> {
    let body: Value = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
    let version = answer.field("x-model-version").and_then(|version| version.parse().ok());
    let version = version.ok_or("no version")?;
    if !world.may_be_served(version, request.version_place) {
        return Err(format!("version {version} is not served"));
    }
    let user = request.users[0];
    let score = body["score"].to_string();
    let (sometimes, always) = world.away_since(request.begun_ns);
    match answer.field("x-features").unwrap_or_default() {
        "stored" if user < USERS && !always => {
            let mut known = request.generation..=world.generation.get();
            let is_known = known.any(|generation| scores().of(user, generation, version) == score);
            if is_known { Ok(()) } else { Err("the score is not its user's".to_owned()) }
        }
        "missing" if user >= USERS && !always && score == scores().stranger(version) => Ok(()),
        "error" if sometimes && score == scores().stranger(version) => Ok(()),
        status => Err(format!("{status} is not what the score stands on")),
    }
}

fn judge_members(request: &Sent, answer: &Answer, world: &World) -> Result<(), String> {
    let body: Value = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
    let members = body.as_array().ok_or("no array")?;
    if members.len() != request.users.len() {
        return Err("it has another number of members".to_owned());
    }
    let (sometimes, _) = world.away_since(request.begun_ns);
    for (member, &user) in members.iter().zip(&request.users) {
        if member["status"] == 429 || (member["status"] == 504 && request.deadline_ms.is_some()) {
            continue;
        }
        let score = member["score"].to_string();
        let mut known = request.generation..=world.generation.get();
        let is_known = known.any(|generation| {
            (1..=2).any(|version| {
                let is_stranger = sometimes && scores().stranger(version) == score;
                world.may_be_served(version, request.version_place)
                    && (is_stranger || scores().of(user, generation, version) == score)
            })
        });
        if !is_known {
            return Err(format!("a member of user-{user} is {member}"));
        }
    }
    Ok(())
}
