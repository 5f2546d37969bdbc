//! What an expression is made of. Operators are calls by their signs.

/// A part of an expression, with the bytes that it has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) start: usize,
    pub(super) kind: NodeKind,
    /// How deep the parts within it lie.
    pub(super) depth: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum NodeKind {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Name(String),
    /// A function, or an operator by its sign: `?:` takes three.
    Call {
        function: String,
        arguments: Vec<Node>,
    },
    /// `value in [listed, …]`
    In {
        value: Box<Node>,
        listed: Vec<Node>,
    },
}

impl Node {
    pub(super) fn leaf(start: usize, kind: NodeKind) -> Self {
        Self { start, kind, depth: 1 }
    }

    /// The nodes right within it.
    fn parts(&self) -> impl Iterator<Item = &Self> {
        let (first, rest): (Option<&Self>, &[Self]) = match &self.kind {
            NodeKind::Call { arguments, .. } => (None, arguments),
            NodeKind::In { value, listed } => (Some(value), listed),
            _ => (None, &[]),
        };
        first.into_iter().chain(rest)
    }

    /// Calls `see` with each name and its place.
    pub(super) fn names<'n>(&'n self, see: &mut impl FnMut(&'n str, usize)) {
        if let NodeKind::Name(name) = &self.kind {
            see(name, self.start);
        }
        self.parts().for_each(|part| part.names(see));
    }
}
