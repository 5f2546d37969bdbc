//! The members of a request that ask for more than the score: `"explain": 4`.
//!
//! A member that a column of the model has the name of is that column's field, and no option.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::failure::RowFailure;
use crate::model::answer::Wants;

/// A part of an answer that a request may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerOption {
    Probabilities,
    Label,
    Outputs,
    Explain,
}

const NO_BOOLEAN: RowFailure = RowFailure::Malformed("`probabilities` must be true or false");
const NO_COUNT: RowFailure =
    RowFailure::Malformed("`explain` must be true, false or a number of reasons from 0 to 65535");

impl AnswerOption {
    /// The option of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "probabilities" => Some(Self::Probabilities),
            "label" => Some(Self::Label),
            "outputs" => Some(Self::Outputs),
            "explain" => Some(Self::Explain),
            _ => None,
        }
    }
}

/// Reads the value of an option into what a row wants; gives back its fault.
pub(super) struct OptionSeed<'w>(pub(super) AnswerOption, pub(super) &'w mut Wants);

impl OptionSeed<'_> {
    /// The fault of a value that the option does not take. `label` and `outputs` are common names of
    /// members that are sent along and ignored: of those only true and false ask for anything.
    fn fault(&self) -> Option<RowFailure> {
        match self.0 {
            AnswerOption::Explain => Some(NO_COUNT),
            AnswerOption::Probabilities => Some(NO_BOOLEAN),
            AnswerOption::Label | AnswerOption::Outputs => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for OptionSeed<'_> {
    type Value = Option<RowFailure>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OptionSeed<'_> {
    type Value = Option<RowFailure>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("true, false or a number")
    }

    fn visit_bool<E: de::Error>(self, is_wanted: bool) -> Result<Self::Value, E> {
        let Self(option, wants) = self;
        match option {
            AnswerOption::Probabilities => wants.probabilities = is_wanted,
            AnswerOption::Label => wants.label = is_wanted,
            AnswerOption::Outputs => wants.outputs = is_wanted,
            AnswerOption::Explain => wants.explain = is_wanted,
        }
        Ok(None)
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Self::Value, E> {
        let Ok(count) = u16::try_from(count) else { return Ok(self.fault()) };
        if self.0 != AnswerOption::Explain {
            return Ok(self.fault());
        }
        self.1.explain = true;
        self.1.reasons = Some(count);
        Ok(None)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(self.fault())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(self.fault())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(self.fault())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.fault())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.fault())
    }
}
