//! A program: the steps that compute some expressions of a block of rows, in order.

use super::compile;
use super::error::ExpressionError;
use super::frame::{Call, Frame, Register};
use super::functions::Kernel;
use super::types::Type;

/// A name that expressions may read, and the type of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub name: String,
    /// The type of its values.
    pub value_type: Type,
}

/// An expression with its name, by which others may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition<'a> {
    /// The name.
    pub name: &'a str,
    /// The expression.
    pub text: &'a str,
    /// Whether its values are an output of the program, or only read by others.
    pub is_output: bool,
}

/// A column that a program reads or gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its values.
    pub value_type: Type,
    pub(super) register: Register,
}

/// A value that does not change; a double by its bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Double(u64),
    Text(String),
}

/// One step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) kernel: Kernel,
    pub(super) call: Call,
}

/// Expressions made ready to be computed block by block: see [`Frame`].
#[derive(Debug, Clone, Default)]
pub struct Program {
    pub(super) registers: usize,
    pub(super) constants: Vec<(Register, Constant)>,
    pub(super) inputs: Vec<Port>,
    pub(super) clock: Option<Register>,
    pub(super) steps: Vec<Step>,
    pub(super) outputs: Vec<Port>,
}

impl Program {
    /// Makes `definitions` ready, which may read each other and `names`. Those that no output needs
    /// are checked as well, and not computed.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn compile(
        names: &[Name],
        definitions: &[Definition<'_>],
    ) -> Result<Self, ExpressionError> {
        compile::compile(names, definitions)
    }

    /// The names that are read, each once.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// Those of the definitions that are outputs, in their order.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// The texts that are written in it.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.constants.iter().filter_map(|(_, constant)| match constant {
            Constant::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether the time of the request is read.
    pub fn reads_clock(&self) -> bool {
        self.clock.is_some()
    }

    /// Whether there is nothing to compute.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// Computes the outputs of the block whose inputs were set.
    pub fn run(&self, frame: &mut Frame) {
        for step in &self.steps {
            (step.kernel)(frame, step.call);
        }
    }

    pub(super) fn registers(&self) -> usize {
        self.registers
    }

    pub(super) fn constants(&self) -> &[(Register, Constant)] {
        &self.constants
    }

    pub(super) fn clock(&self) -> Option<Register> {
        self.clock
    }
}
