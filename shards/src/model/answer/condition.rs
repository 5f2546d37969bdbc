//! `[explain] when`: which rows are explained though nobody asks.

use std::cell::RefCell;

use super::settings::ScoreOutput;
use crate::expression::{Definition, ExpressionError, Fault, Frame, Name, Program, Type, Value};

/// A condition on what a row was answered: an expression of its score, decision and points.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    text: String,
    program: Program,
    /// One row, in the order of the program's inputs.
    frame: RefCell<Frame>,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Condition {
    /// Reads a condition on the answers that `output` describes.
    ///
    /// # Errors
    /// It is none, or names a decision that no band makes.
    pub(super) fn compile(text: &str, output: &ScoreOutput) -> Result<Self, ExpressionError> {
        let there = [
            ("score", Type::Double, true),
            ("decision", Type::Text, !output.bands.is_empty()),
            ("points", Type::Double, output.scale.is_some()),
        ];
        let names: Vec<Name> = there
            .into_iter()
            .filter(|(.., is_there)| *is_there)
            .map(|(name, value_type, _)| Name { name: name.to_owned(), value_type })
            .collect();
        let definition = Definition { name: "explain.when", text, is_output: true };
        let program = Program::compile(&names, &[definition])?;
        let refuse = |fault| {
            let (name, text) = (definition.name.to_owned(), text.to_owned());
            Err(ExpressionError { name, text, at: 0, fault })
        };
        let found = program.outputs()[0].value_type;
        if found != Type::Bool {
            let fault = Fault::Result { found: found.to_string(), expected: "true or false" };
            return refuse(fault);
        }
        // A decision that is misspelt would never hold.
        let is_made = |text: &&str| output.bands.iter().any(|band| band.decision == **text);
        let reads_decision = program.inputs().iter().any(|port| port.name == "decision");
        if let Some(unknown) = program.texts().find(|text| reads_decision && !is_made(text)) {
            let made: Vec<_> = output.bands.iter().map(|it| format!("`{}`", it.decision)).collect();
            let (found, available) = (unknown.to_owned(), made.join(", "));
            return refuse(Fault::UnknownName { found, available });
        }
        let frame = RefCell::new(Frame::new(&program));
        Ok(Self { text: text.to_owned(), program, frame })
    }

    /// Whether it holds for a row of this score, decision and points.
    pub(super) fn holds(&self, score: f64, decision: Option<&str>, points: Option<f64>) -> bool {
        let mut frame = self.frame.borrow_mut();
        frame.begin(&self.program, 1);
        for (place, input) in self.program.inputs().iter().enumerate() {
            let value = match input.name.as_str() {
                "score" => Value::Double(score),
                "decision" => decision.map_or(Value::Null, Value::Text),
                _ => points.map_or(Value::Null, Value::Double),
            };
            frame.set(&self.program, place, 0, value);
        }
        self.program.run(&mut frame);
        frame.is_true(&self.program, 0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Condition, ScoreOutput};

    fn output() -> ScoreOutput {
        let text = "bands = [{ below = 0.5, decision = \"approve\" }, { decision = \"decline\" }]";
        toml::from_str(text).expect("an [output]")
    }

    #[test]
    fn a_condition_is_of_the_score_or_the_decision() {
        let compile = |text: &str| Condition::compile(text, &output());
        let holds = |text: &str, score: f64, decision| {
            compile(text).expect("a condition").holds(score, Some(decision), None)
        };
        assert!(holds("score>0.6", 0.7, "decline") && !holds("score>0.6", 0.6, "decline"));
        assert!(!holds("score > 0.6", f64::NAN, "decline"));
        assert!(holds(" score >= 0.6 ", 0.6, "decline"));
        assert!(holds("decision == \"decline\"", 0.0, "decline"));
        assert!(!holds("decision == \"decline\"", 0.0, "approve"));
        assert!(holds("decision in [\"decline\"] || score > 0.4", 0.45, "approve"));
        for wrong in ["", "score", "scores > 1", "score > x", "decision == \"no\"", "points > 1"] {
            assert!(compile(wrong).is_err(), "{wrong}");
        }
    }
}
