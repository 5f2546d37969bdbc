//! `[explain] when`: which rows are explained though nobody asks.

use std::cell::RefCell;

use super::settings::ScoreOutput;
use crate::expression::{Definition, ExpressionError, Fault, Frame, Name, Program, Type, Value};
use crate::features::expressions::Rule;

/// A condition on what a row was answered: an expression of its score, decision,
/// points and rule.
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

/// What a row was answered, as far as conditions read it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered<'a> {
    pub(super) score: f64,
    pub(super) decision: Option<&'a str>,
    pub(super) points: Option<f64>,
    /// The rule that decided it, by its name.
    pub(super) rule: Option<&'a str>,
}

impl Condition {
    /// Reads a condition on the answers that `output` describes, of a model with rules of these names.
    ///
    /// # Errors
    /// It is none, or has a text that is neither a decision nor a rule.
    pub(super) fn compile(
        text: &str,
        output: &ScoreOutput,
        rules: &[Rule],
        rule_names: &[String],
    ) -> Result<Self, ExpressionError> {
        let there = [
            ("score", Type::Double, true),
            ("decision", Type::Text, !output.bands.is_empty() || !rules.is_empty()),
            ("points", Type::Double, output.scale.is_some()),
            ("rule", Type::Text, !rules.is_empty()),
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
        // One that is misspelt would never hold.
        let reads = |name: &str| program.inputs().iter().any(|port| port.name == name);
        let mut made: Vec<&str> = Vec::new();
        if reads("decision") {
            made.extend(output.bands.iter().map(|band| band.decision.as_str()));
            made.extend(rules.iter().map(|rule| rule.decision.as_str()));
        }
        if reads("rule") {
            made.extend(rule_names.iter().map(String::as_str));
        }
        if !made.is_empty()
            && let Some(unknown) = program.texts().find(|text| !made.contains(text))
        {
            let made: Vec<_> = made.iter().map(|name| format!("`{name}`")).collect();
            let (found, available) = (unknown.to_owned(), made.join(", "));
            return refuse(Fault::UnknownName { found, available });
        }
        let frame = RefCell::new(Frame::new(&program));
        Ok(Self { text: text.to_owned(), program, frame })
    }

    /// Whether it holds for a row that was answered so.
    pub(super) fn holds(&self, answered: Answered<'_>) -> bool {
        let mut frame = self.frame.borrow_mut();
        frame.begin(&self.program, 1);
        for (place, input) in self.program.inputs().iter().enumerate() {
            let value = match input.name.as_str() {
                "score" => Value::Double(answered.score),
                "decision" => answered.decision.map_or(Value::Null, Value::Text),
                "rule" => answered.rule.map_or(Value::Null, Value::Text),
                _ => answered.points.map_or(Value::Null, Value::Double),
            };
            frame.set(&self.program, place, 0, value);
        }
        self.program.run(&mut frame);
        frame.is_true(&self.program, 0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Answered, Condition, ScoreOutput};
    use crate::features::expressions::Rule;

    fn output() -> ScoreOutput {
        let text = "bands = [{ below = 0.5, decision = \"approve\" }, { decision = \"decline\" }]";
        toml::from_str(text).expect("an [output]")
    }

    #[test]
    fn a_condition_is_of_the_score_the_decision_or_the_rule() {
        let rule = Rule { decision: "review".to_owned(), ..Rule::default() };
        let names = ["new device".to_owned()];
        let compile = |text: &str| Condition::compile(text, &output(), &[rule.clone()], &names);
        let of = |text: &str, score: f64, decision, rule| {
            let condition = compile(text).expect("a condition");
            condition.holds(Answered { score, decision: Some(decision), points: None, rule })
        };
        let holds = |text: &str, score: f64, decision| of(text, score, decision, None);
        assert!(holds("score>0.6", 0.7, "decline") && !holds("score>0.6", 0.6, "decline"));
        assert!(!holds("score > 0.6", f64::NAN, "decline"));
        assert!(holds(" score >= 0.6 ", 0.6, "decline"));
        assert!(holds("decision == \"decline\"", 0.0, "decline"));
        assert!(!holds("decision == \"decline\"", 0.0, "approve"));
        assert!(holds("decision in [\"decline\"] || score > 0.4", 0.45, "approve"));
        assert!(holds("decision == \"review\"", 0.0, "review"));
        assert!(of("rule == \"new device\"", 0.0, "review", Some("new device")));
        assert!(!of("rule == \"new device\"", 0.0, "review", None));
        assert!(of("!is_null(rule)", 0.0, "review", Some("new device")));
        for wrong in ["", "score", "scores > 1", "score > x", "decision == \"no\"", "points > 1"] {
            assert!(compile(wrong).is_err(), "{wrong}");
        }
        assert!(compile("rule == \"old device\"").is_err());
    }
}
