//! What becomes of a batch on which a model fails: each of its rows is computed alone.

/// Has `attempt` append the values of a batch of `rows`, of all of them (`None`) or of one alone;
/// each has `width`.
///
/// Where it fails on all of them together, each is computed alone, so that only those that it fails on
/// have none: theirs are NaN.
///
/// # Errors
/// Why it failed on all of them together.
pub(super) fn together_or_alone<E>(
    (rows, width): (usize, usize),
    values: &mut Vec<f64>,
    mut attempt: impl FnMut(Option<usize>, &mut Vec<f64>) -> Result<(), E>,
) -> Result<(), E> {
    let start = values.len();
    let Err(error) = attempt(None, values) else { return Ok(()) };
    values.truncate(start);
    if rows < 2 {
        values.resize(start + rows * width, f64::NAN);
        return Err(error);
    }
    for row in 0..rows {
        let done = values.len();
        if attempt(Some(row), values).is_err() {
            values.truncate(done);
            values.resize(done + width, f64::NAN);
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
        assert_eq!(together_or_alone((3, 1), &mut scores, attempt), Err("together"));
        assert_eq!((scores[0], scores[1], scores[3]), (9.0, 0.0, 2.0));
        assert!(scores.len() == 4 && scores[2].is_nan());
        assert_eq!(where_none_has_a_score(Some("together"), &scores[1..]), Ok(()));
        assert_eq!(where_none_has_a_score(Some("together"), &scores[2..3]), Err("together"));
    }
}
