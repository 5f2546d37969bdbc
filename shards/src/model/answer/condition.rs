//! `[explain] when`: which rows are explained though nobody asks.

use std::str::FromStr;

/// A condition on a row's score or decision.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// `score > 0.6`
    Score(Comparison, f64),
    /// `decision == "decline"`, by the decision's place.
    Decision(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What a condition may be, for people.
pub(super) const EXPECTED: &str =
    "`score` with <, <=, > or >= and a number, or `decision == \"NAME\"`";

impl Condition {
    /// Reads a condition; `decisions` are the names of the bands.
    pub(super) fn parse<'d>(
        text: &str,
        mut decisions: impl Iterator<Item = &'d str>,
    ) -> Option<Self> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("decision") {
            let quoted = rest.trim_start().strip_prefix("==")?.trim();
            let name = quoted.strip_prefix('"')?.strip_suffix('"')?;
            return decisions.position(|decision| decision == name).map(Self::Decision);
        }
        let rest = text.strip_prefix("score")?.trim_start();
        let end = rest.find(|letter| !matches!(letter, '<' | '>' | '='))?;
        let (comparison, number) = rest.split_at(end);
        let number = number.trim().parse().ok().filter(|number: &f64| !number.is_nan())?;
        comparison.parse().ok().map(|comparison| Self::Score(comparison, number))
    }

    /// Whether it holds for a row of this score and decision.
    pub(super) fn holds(&self, score: f64, decision: Option<usize>) -> bool {
        match *self {
            Self::Score(Comparison::Less, bound) => score < bound,
            Self::Score(Comparison::AtMost, bound) => score <= bound,
            Self::Score(Comparison::Greater, bound) => score > bound,
            Self::Score(Comparison::AtLeast, bound) => score >= bound,
            Self::Decision(wanted) => decision == Some(wanted),
        }
    }
}

impl FromStr for Comparison {
    type Err = ();

    fn from_str(sign: &str) -> Result<Self, ()> {
        match sign {
            "<" => Ok(Self::Less),
            "<=" => Ok(Self::AtMost),
            ">" => Ok(Self::Greater),
            ">=" => Ok(Self::AtLeast),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Condition;

    #[test]
    fn a_condition_is_of_the_score_or_the_decision() {
        let parse = |text: &str| Condition::parse(text, ["approve", "decline"].into_iter());
        let above = parse("score>0.6").expect("a condition");
        assert!(above.holds(0.7, None) && !above.holds(0.6, None) && !above.holds(f64::NAN, None));
        assert!(parse(" score >= 0.6 ").expect("a condition").holds(0.6, None));
        let declined = parse("decision == \"decline\"").expect("a condition");
        assert!(declined.holds(0.0, Some(1)) && !declined.holds(0.0, Some(0)));
        for wrong in ["", "score", "score == 1", "scores > 1", "score > x", "decision == \"no\""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
