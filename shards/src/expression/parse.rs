//! The grammar, by binding powers: `?:`, `||`, `&&`, relations, sums, products, signs, members.

use super::error::Fault;
use super::syntax::{Node, NodeKind};
use super::token::{Located, Token, TokenKind, tokens};

/// The most bytes of an expression.
pub(super) const TEXT_BYTES_MAX: usize = 16_384;

/// How deep the parts of an expression may lie within each other: what reads them calls itself.
pub(super) const DEPTH_MAX: usize = 200;

/// The two sides of an operator: the higher one binds first, so that equal ones group to the left.
const OPERATORS: [(&str, u8); 14] = [
    ("?", 1),
    ("||", 2),
    ("&&", 3),
    ("<", 4),
    ("<=", 4),
    (">", 4),
    (">=", 4),
    ("==", 4),
    ("!=", 4),
    ("+", 5),
    ("-", 5),
    ("*", 6),
    ("/", 6),
    ("%", 6),
];
const RELATION: u8 = 4;
const SIGN: u8 = 7;

/// Names of functions that CEL has as methods, and what they are here.
const METHODS: [(&str, &str); 2] = [("startsWith", "starts_with"), ("endsWith", "ends_with")];

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Node, Located> {
    if text.len() > TEXT_BYTES_MAX {
        let fault = Fault::TooLong { found: text.len(), allowed: TEXT_BYTES_MAX };
        return Err((0, fault));
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    if parser.peek().kind == TokenKind::End {
        return Err((0, Fault::Empty));
    }
    let node = parser.expression(0)?;
    match parser.peek() {
        Token { kind: TokenKind::End, .. } => Ok(node),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    /// The next word; the end is never passed.
    fn peek(&self) -> &Token {
        &self.tokens[self.next]
    }

    fn take(&mut self) -> Token {
        let token = self.tokens[self.next].clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek().kind, TokenKind::Sign(found) if found == sign)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_there = self.is_sign(sign);
        if is_there {
            self.take();
        }
        is_there
    }

    fn expect(&mut self, sign: &str, expected: &'static str) -> Result<(), Located> {
        if self.takes(sign) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn unexpected(&self, expected: &'static str) -> Located {
        let token = self.peek();
        (token.start, Fault::Unexpected { found: token.kind.describe(), expected })
    }

    /// A node of these parts, unless they lie too deep.
    fn node(start: usize, kind: NodeKind) -> Result<Node, Located> {
        let depth = match &kind {
            NodeKind::Call { arguments, .. } => depth_of(arguments),
            NodeKind::In { value, listed } => value.depth.max(depth_of(listed)),
            _ => 0,
        } + 1;
        if depth > DEPTH_MAX {
            return Err((start, Fault::TooDeep { allowed: DEPTH_MAX }));
        }
        Ok(Node { start, kind, depth })
    }

    fn call(start: usize, function: &str, arguments: Vec<Node>) -> Result<Node, Located> {
        Self::node(start, NodeKind::Call { function: function.to_owned(), arguments })
    }

    /// An expression of operators that bind at least as `power` does.
    fn expression(&mut self, power: u8) -> Result<Node, Located> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err((self.peek().start, Fault::TooDeep { allowed: DEPTH_MAX }));
        }
        let mut left = self.operand()?;
        while let Some((sign, binds)) = self.operator().filter(|(_, binds)| *binds >= power) {
            let start = self.take().start;
            left = match sign {
                "in" => {
                    let listed = self.list()?;
                    Self::node(start, NodeKind::In { value: Box::new(left), listed })?
                }
                "?" => {
                    let one = self.expression(2)?;
                    self.expect(":", "`:` and the other value")?;
                    let other = self.expression(1)?;
                    Self::call(start, "?:", vec![left, one, other])?
                }
                _ => {
                    let right = self.expression(binds + 1)?;
                    Self::call(start, sign, vec![left, right])?
                }
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<(&'static str, u8)> {
        match &self.peek().kind {
            TokenKind::Name(name) if name == "in" => Some(("in", RELATION)),
            TokenKind::Sign(sign) => OPERATORS.into_iter().find(|(known, _)| known == sign),
            _ => None,
        }
    }

    /// The list behind `in`.
    fn list(&mut self) -> Result<Vec<Node>, Located> {
        self.expect("[", "a list as [1, 2, 3]")?;
        self.arguments("]", "`,` or `]`")
    }

    /// Expressions with commas between them, up to a bracket.
    fn arguments(&mut self, end: &str, expected: &'static str) -> Result<Vec<Node>, Located> {
        let mut arguments = Vec::new();
        while !self.takes(end) {
            arguments.push(self.expression(0)?);
            if !self.takes(",") && !self.is_sign(end) {
                return Err(self.unexpected(expected));
            }
        }
        Ok(arguments)
    }

    /// A value with its signs before and its methods behind it.
    fn operand(&mut self) -> Result<Node, Located> {
        let start = self.peek().start;
        for sign in ["-", "!"] {
            if !self.takes(sign) {
                continue;
            }
            if let ("-", TokenKind::Int(digits)) = (sign, &self.peek().kind) {
                let number = 0_i64.checked_sub_unsigned(*digits);
                self.take();
                let literal = NodeKind::Int(number.unwrap_or(i64::MIN));
                return self.members(Node::leaf(start, literal));
            }
            let value = self.expression(SIGN)?;
            return match value.kind {
                NodeKind::Double(number) if sign == "-" => {
                    Ok(Node::leaf(start, NodeKind::Double(-number)))
                }
                _ => Self::call(start, sign, vec![value]),
            };
        }
        let value = self.value()?;
        self.members(value)
    }

    fn value(&mut self) -> Result<Node, Located> {
        let token = self.take();
        let start = token.start;
        let kind = match token.kind {
            TokenKind::Int(digits) => match i64::try_from(digits) {
                Ok(number) => NodeKind::Int(number),
                Err(_) => return Err((start, Fault::Number(digits.to_string()))),
            },
            TokenKind::Double(number) => NodeKind::Double(number),
            TokenKind::Text(text) => NodeKind::Text(text),
            TokenKind::Name(name) => match name.as_str() {
                "true" => NodeKind::Bool(true),
                "false" => NodeKind::Bool(false),
                "null" => NodeKind::Null,
                "in" => {
                    self.next -= 1;
                    return Err(self.unexpected("a value"));
                }
                _ => return self.name(start, name),
            },
            TokenKind::Quoted(name) => NodeKind::Name(name),
            TokenKind::Sign("(") => {
                let inner = self.expression(0)?;
                self.expect(")", "`)`")?;
                return Ok(inner);
            }
            _ => {
                if token.kind != TokenKind::End {
                    self.next -= 1;
                }
                return Err(self.unexpected("a value"));
            }
        };
        Ok(Node::leaf(start, kind))
    }

    /// A function with its arguments, or a name, of which dots may be parts.
    fn name(&mut self, start: usize, mut name: String) -> Result<Node, Located> {
        if self.takes("(") {
            let arguments = self.arguments(")", "`,` or `)`")?;
            return Self::call(start, &name, arguments);
        }
        while self.is_sign(".") && !self.is_method() {
            self.take();
            match self.take().kind {
                TokenKind::Name(part) | TokenKind::Quoted(part) => {
                    name.push('.');
                    name.push_str(&part);
                }
                _ => {
                    self.next -= 1;
                    return Err(self.unexpected("the rest of a name"));
                }
            }
        }
        Ok(Node::leaf(start, NodeKind::Name(name)))
    }

    /// Whether a dot, a name and a parenthesis come.
    fn is_method(&self) -> bool {
        let coming = self.tokens.get(self.next + 1..self.next + 3).unwrap_or_default();
        let is_call = |tokens: &[Token]| {
            matches!(tokens[0].kind, TokenKind::Name(_)) && tokens[1].kind == TokenKind::Sign("(")
        };
        coming.len() == 2 && is_call(coming)
    }

    /// `value.function(…)` is `function(value, …)`.
    fn members(&mut self, mut value: Node) -> Result<Node, Located> {
        while self.is_sign(".") {
            if !self.is_method() {
                self.take();
                return Err(self.unexpected("a function of the value before the dot"));
            }
            self.take();
            let token = self.take();
            let TokenKind::Name(method) = token.kind else { return Ok(value) };
            self.take();
            let known = METHODS.into_iter().find(|(cel, _)| *cel == method);
            let function = known.map_or(method.as_str(), |(_, own)| own);
            let mut arguments = vec![value];
            arguments.extend(self.arguments(")", "`,` or `)`")?);
            value = Self::call(token.start, function, arguments)?;
        }
        Ok(value)
    }
}

fn depth_of(nodes: &[Node]) -> usize {
    nodes.iter().map(|node| node.depth).max().unwrap_or(0)
}
