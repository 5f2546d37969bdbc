//! "Why not just tokio": the same gateway on axum, a multi-threaded runtime and ONNX Runtime.
//!
//! A handler sends its user and a oneshot over a channel to one scoring thread, which takes what
//! waits there, up to 64, and scores it as one batch.
//!
//! `ORT_DYLIB_PATH=…/libonnxruntime.so axum-onnx 127.0.0.1:8888 users.csv model.onnx`

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use ort::session::Session;
use ort::value::Tensor;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

const BATCH_MAX: usize = 64;

#[derive(Deserialize)]
struct Question {
    user_id: String,
}

#[derive(Serialize)]
struct Answer {
    user_id: String,
    score: f32,
}

struct Users {
    columns: usize,
    rows: Vec<f32>,
    row_of: HashMap<String, usize>,
}

impl Users {
    fn read(path: &str) -> Result<Self> {
        let mut reader = csv::Reader::from_path(path).with_context(|| path.to_owned())?;
        let columns = reader.headers()?.len() - 1;
        let mut users = Self { columns, rows: Vec::new(), row_of: HashMap::new() };
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record)? {
            users.row_of.insert(record[0].to_owned(), users.row_of.len());
            for cell in record.iter().skip(1) {
                users.rows.push(cell.parse()?);
            }
        }
        Ok(users)
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.rows[index * self.columns..][..self.columns]
    }
}

struct Job {
    row: usize,
    answer: oneshot::Sender<f32>,
}

#[derive(Clone)]
struct Gateway {
    users: Arc<Users>,
    jobs: mpsc::Sender<Job>,
}

async fn predict(
    State(gateway): State<Gateway>,
    Json(question): Json<Question>,
) -> Result<Json<Answer>, StatusCode> {
    let Question { user_id } = question;
    let row = *gateway.users.row_of.get(&user_id).ok_or(StatusCode::NOT_FOUND)?;
    let (answer, score) = oneshot::channel();
    let failed = StatusCode::INTERNAL_SERVER_ERROR;
    gateway.jobs.send(Job { row, answer }).await.map_err(|_| failed)?;
    let score = score.await.map_err(|_| failed)?;
    Ok(Json(Answer { user_id, score }))
}

fn score_batches(mut session: Session, users: &Users, mut jobs: mpsc::Receiver<Job>) -> Result<()> {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while jobs.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        let features: Vec<f32> =
            batch.iter().flat_map(|job: &Job| users.row(job.row)).copied().collect();
        let input = Tensor::from_array(([batch.len(), users.columns], features))?;
        let outputs = session.run(ort::inputs![input])?;
        let (_, probabilities) = outputs["probabilities"].try_extract_tensor::<f32>()?;
        for (job, classes) in batch.drain(..).zip(probabilities.chunks_exact(2)) {
            // The client may have gone away meanwhile.
            let _ = job.answer.send(classes[1]);
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, users, model] = arguments.as_slice() else {
        anyhow::bail!("usage: axum-onnx LISTEN USERS.csv MODEL.onnx");
    };
    let users = Arc::new(Users::read(users)?);
    let session = Session::builder()
        .and_then(|builder| Ok(builder.with_intra_threads(1)?))
        .and_then(|mut builder| builder.commit_from_file(model))
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let (jobs, queue) = mpsc::channel(16 * BATCH_MAX);
    let scoring = Arc::clone(&users);
    std::thread::spawn(move || score_batches(session, &scoring, queue));
    let routes = Router::new().route("/predict", post(predict)).with_state(Gateway { users, jobs });
    axum::serve(tokio::net::TcpListener::bind(listen).await?, routes).await?;
    Ok(())
}
