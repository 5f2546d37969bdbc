//! What becomes of a batch on which a model fails: each of its rows is computed alone.

/// Has `attempt` append the scores of a batch of `rows`, of all of them (`None`) or of one alone.
///
/// Where it fails on all of them together, each is computed alone, so that only those that it fails on
/// have no score: theirs is NaN.
///
/// # Errors
/// Why it failed on all of them together.
pub(super) fn together_or_alone<E>(
    rows: usize,
    scores: &mut Vec<f64>,
    mut attempt: impl FnMut(Option<usize>, &mut Vec<f64>) -> Result<(), E>,
) -> Result<(), E> {
    let start = scores.len();
    let Err(error) = attempt(None, scores) else { return Ok(()) };
    scores.truncate(start);
    if rows < 2 {
        scores.resize(start + rows, f64::NAN);
        return Err(error);
    }
    for row in 0..rows {
        let done = scores.len();
        if attempt(Some(row), scores).is_err() {
            scores.truncate(done);
            scores.push(f64::NAN);
        }
    }
    Err(error)
}

/// The error of a batch, where none of its rows has a score.
pub(super) fn where_none_has_a_score<E>(failed: Option<E>, scores: &[f64]) -> Result<(), E> {
    match failed {
        Some(error) if scores.iter().all(|score| score.is_nan()) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{together_or_alone, where_none_has_a_score};

    #[test]
    fn a_row_that_fails_takes_no_score_of_another_along() {
        let attempt = |row: Option<usize>, scores: &mut Vec<f64>| {
            // What a failed attempt leaves behind goes.
            scores.push(7.0);
            match row {
                None => Err("together"),
                Some(1) => Err("alone"),
                Some(row) => {
                    *scores.last_mut().expect("a score") = row as f64;
                    Ok(())
                }
            }
        };
        let mut scores = vec![9.0];
        assert_eq!(together_or_alone(3, &mut scores, attempt), Err("together"));
        assert_eq!((scores[0], scores[1], scores[3]), (9.0, 0.0, 2.0));
        assert!(scores.len() == 4 && scores[2].is_nan());
        assert_eq!(where_none_has_a_score(Some("together"), &scores[1..]), Ok(()));
        assert_eq!(where_none_has_a_score(Some("together"), &scores[2..3]), Err("together"));
    }
}
