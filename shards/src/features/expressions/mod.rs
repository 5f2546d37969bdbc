//! Expressions and rules over what a request and the store say: what feeds the language, and what
//! becomes of its values.
//!
//! [`ExpressionPlan`] is bound once: which values are kept of a row ([`Slot`]), the program that
//! computes columns and the rules before the model, and that of the rules behind it. The join keeps
//! stored values as it reads them (`Captured`); [`ExpressionPlan::compute`] adds the request's and
//! computes the batch, in blocks.
//!
//! [`Expressions`] are the same without a store, for training sets and the prediction log.
//!
//! What is *not* here: the language itself ([`crate::expression`]).

mod alone;
mod captured;
mod compute;
mod plan;
mod request_texts;
mod rule;
mod slot;

pub use alone::{ComputedCell, Expressions, ReadName};
pub(crate) use captured::Computing;
pub use compute::RequestValues;
pub(crate) use plan::check;
pub use plan::{ExpressionPlan, ExpressionSpec};
pub use request_texts::RequestTexts;
pub use rule::Rule;
pub(super) use slot::{Slot, SlotSource, StoredSlot};
