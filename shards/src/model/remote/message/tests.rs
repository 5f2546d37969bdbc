use proptest::prelude::*;

use super::*;
use crate::api::infer::request;
use crate::features::Precision;
use crate::model::remote::RemoteSettings;
use crate::model::remote::settings::RemoteDatatype;

const SENT: RequestTag = RequestTag(1_234);

/// The scores of two rows, or of one.
fn read(
    body: &[u8],
    json_bytes: Option<usize>,
    rows: usize,
    wanted: &ScoreOutput,
) -> Result<(AnswerTag, Vec<f64>), AnswerError> {
    let mut scores = vec![1.0];
    let tag = read_scores(body, json_bytes, SENT, rows, wanted, &mut scores);
    assert!(tag.is_ok() || scores.is_empty(), "{tag:?} {scores:?}");
    tag.map(|tag| (tag, scores))
}

fn model(tensors: TensorForm, columns: usize) -> RemoteModel {
    RemoteModel {
        url: "http://host/v2/models/x".parse().expect("a URL"),
        settings: RemoteSettings {
            tensors,
            datatype: RemoteDatatype::Fp64,
            ..RemoteSettings::default()
        },
        columns,
        output: ScoreOutput::default(),
    }
}

/// The body and where its JSON ends, as the server's reader takes them.
fn body_of(bytes: &[u8]) -> (&[u8], Option<usize>) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let head = std::str::from_utf8(&bytes[..end]).expect("text");
    let field = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<usize>().ok()
    };
    assert_eq!(field("content-length:"), Some(bytes.len() - end));
    (&bytes[end..], field("inference-header-content-length:"))
}

proptest! {
    #[test]
    fn what_is_sent_is_what_a_server_reads(
        cells in prop::collection::vec(prop::collection::vec(any::<f64>(), 3), 1..20),
        is_binary in any::<bool>(),
    ) {
        let mut matrix = FeatureMatrix::new(3, Precision::F64);
        matrix.reset(cells.len());
        for (row, cells) in cells.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                // JSON has no infinity.
                let cell = if cell.is_infinite() { f64::NAN } else { *cell };
                matrix.set(row, column, cell);
            }
        }
        let form = if is_binary { TensorForm::Binary } else { TensorForm::Json };
        let mut out = Vec::new();
        let terms = RequestTerms { tag: SENT, trace: None, close: is_binary };
        write_request(&mut out, &model(form, 3), terms, &matrix);
        let (body, json_bytes) = body_of(&out);
        let read = request::parse(body, json_bytes).expect("a request");
        prop_assert_eq!(read.id.as_deref(), Some("00000000000004d2"));
        let says_close = out.windows(19).any(|text| text == b"connection: close\r\n");
        prop_assert_eq!(says_close, is_binary);
        prop_assert_eq!(&read.inputs[0].shape, &[cells.len(), 3]);
        let TensorData::Numbers(numbers) = &read.inputs[0].data else { panic!("numbers") };
        let Cells::F64(sent) = matrix.cells() else { panic!("doubles") };
        for (read, sent) in numbers.iter().zip(sent) {
            let same = read.to_bits() == sent.to_bits();
            prop_assert!(same || (read.is_nan() && sent.is_nan()), "{} {}", read, sent);
        }
    }

    #[test]
    fn an_answer_that_is_not_whole_is_refused_and_never_panics(
        cut in any::<prop::sample::Index>(),
        flip in any::<(prop::sample::Index, u8)>(),
        json_bytes in prop::option::of(0_usize..200),
    ) {
        let mut body = br#"{"outputs": [{"name": "p", "datatype": "FP64", "shape": [2, 2],
            "data": [[0.25, 0.75], [0.5, 0.5]]}]}"#.to_vec();
        let second = ScoreOutput::of(None, Some(ClassChoice::Index(1)));
        let whole = read(&body, None, 2, &second).expect("whole");
        prop_assert_eq!(whole, (AnswerTag::None, vec![0.75, 0.5]));
        let at = flip.0.index(body.len());
        body[at] = flip.1;
        body.truncate(cut.index(body.len()));
        prop_assert!(read(&body, json_bytes, 2, &second).is_err());
    }
}

#[test]
fn the_score_is_the_number_that_the_manifest_chooses() {
    let body = br#"{"outputs": [{"name": "label", "datatype": "INT64", "shape": [1], "data": [1]},
        {"name": "p", "datatype": "FP32", "shape": [1, 3], "data": [0.25, 0.5, 0.125]}]}"#;
    let read = |tensor: Option<&str>, class| {
        let wanted = ScoreOutput::of(tensor.map(str::to_owned), class);
        read(body, None, 1, &wanted).map(|(_, scores)| scores[0])
    };
    let bits = |read: Result<f64, AnswerError>| read.expect("there").to_bits();
    assert_eq!(bits(read(None, Some(ClassChoice::Index(2)))), 0.125_f64.to_bits());
    assert_eq!(bits(read(Some("label"), None)), 1_f64.to_bits());
    assert!(matches!(read(None, None), Err(AnswerError::Shape { .. })));
    let two = br#"{"outputs": [{"name": "p", "datatype": "FP32", "shape": [1, 2],
        "data": [0.25, 0.75]}]}"#;
    let wanted = ScoreOutput::default();
    let unchosen = read_scores(two, None, SENT, 1, &wanted, &mut Vec::new());
    assert!(unchosen.is_err_and(|error| error.to_string().contains("`output.class`")));
    let beyond = read(Some("p"), Some(ClassChoice::Index(3)));
    assert!(matches!(beyond, Err(AnswerError::Shape { .. })));
    assert!(matches!(read(Some("q"), None), Err(AnswerError::NoOutput { .. })));
}

#[test]
fn an_answer_to_another_request_is_refused_whatever_else_it_says() {
    let answer = |id: &str| {
        let body = format!(
            "{{{id}\"parameters\": null, \"outputs\": [{{\"name\": \"y\", \"datatype\": \"FP32\", \
             \"shape\": [1], \"parameters\": null, \"data\": [0.25]}}]}}"
        );
        read(body.as_bytes(), None, 1, &ScoreOutput::default()).map(|(tag, _)| tag)
    };
    for (id, tag) in [
        ("\"id\": \"00000000000004d2\", ", AnswerTag::Same),
        ("", AnswerTag::None),
        ("\"id\": null, ", AnswerTag::None),
    ] {
        assert_eq!(answer(id).expect(id), tag);
    }
    for (id, shown) in [
        ("\"id\": \"00000000000004d1\", ", "00000000000004d1"),
        ("\"id\": \"\", ", "``"),
        ("\"id\": \"1234\\u001b[31m\", ", "1234\\u{1b}[31m"),
    ] {
        let error = answer(id).expect_err(id);
        assert!(matches!(error, AnswerError::OtherId { .. }), "{error}");
        assert!(error.to_string().contains(shown), "{error}");
    }
}
